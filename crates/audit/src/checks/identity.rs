//! What an image is, as facts to paste into its description.

use block::Result;
use filesystem::FileKind;

use super::passwords::safe;
use crate::{Check, Observation, Severity, System, cloud_init::cloud_init, day::date, packages, services};

pub(super) const IDENTITY: Check = Check {
    id: "identity",
    heading: "A description to paste",
    explain: "The guidelines ask publishers to say what an image is. What it says of itself: system, kernels, packages, \
              the day of the last change among them, SSH server, cloud-init, the account that the key opens. Name, \
              contact and purpose are the publisher's to add.",
    advice: "Publish these lines with the image, and add who you are and what the image is for.",
    run: identity,
};

/// How the version of OpenSSH starts in its server.
const OPENSSH: &[u8] = b"OpenSSH_";
/// Longest version that is believed, and kernels that are listed.
const MAX_VERSION: usize = 60;
const MAX_KERNELS: usize = 8;

fn identity(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push(format!("{name}: {}", safe(&value)));
    if let Some(os) = system.guest().system() {
        fact(
            "System",
            if os.pretty_name.is_empty() {
                format!("{} {}", os.id, os.version)
            } else {
                os.pretty_name.clone()
            },
        );
    }
    let kernels = kernels(system)?;
    if !kernels.is_empty() {
        fact("Kernel", kernels.join(", "));
    }
    if let Some(count) = packages::count(system)? {
        fact("Packages", count.to_string());
    }
    if let Some((_, changed)) = packages::database(system)? {
        fact("Last change among them", date(changed));
    }
    if let Some(version) = openssh(system)? {
        fact("SSH server", version);
    }
    if let Some(cloud) = cloud_init(system)? {
        let version = cloud.version.map(|version| format!(" {version}")).unwrap_or_default();
        let off = cloud.off.map(|_| ", disabled").unwrap_or_default();
        fact("First boot", format!("cloud-init{version}{off}"));
        if let Some(user) = cloud.default_user {
            fact("Log in as", user);
        }
    }
    let started = services::enabled(system)?;
    let count = started.iter().filter(|service| service.starter != services::Starter::Socket).count();
    if count > 0 {
        fact("Services that the boot starts", count.to_string());
    }
    Ok(facts.into_iter().map(|fact| Observation::new(Severity::Info, fact)).collect())
}

/// Versions of the kernels in /boot, or of their modules.
fn kernels(system: &System<'_, '_>) -> Result<Vec<String>> {
    let mut kernels = Vec::new();
    for item in system.list(b"/boot")? {
        let name = String::from_utf8_lossy(&item.name).into_owned();
        let version =
            ["vmlinuz-", "vmlinux-", "Image-", "kernel-"].iter().find_map(|start| name.strip_prefix(start));
        kernels.extend(version.filter(|version| !version.contains("rescue")).map(str::to_owned));
    }
    if kernels.is_empty() {
        for item in system.list(b"/usr/lib/modules")?.into_iter().chain(system.list(b"/lib/modules")?) {
            if item.kind == FileKind::Directory {
                kernels.push(String::from_utf8_lossy(&item.name).into_owned());
            }
        }
    }
    kernels.sort();
    kernels.dedup();
    kernels.truncate(MAX_KERNELS);
    Ok(kernels)
}

/// What sshd would tell whoever connects.
fn openssh(system: &System<'_, '_>) -> Result<Option<String>> {
    let Some(path) = system.first(&["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"])? else {
        return Ok(None);
    };
    let program = match system.read(path.as_bytes()) {
        Ok(program) => program.unwrap_or_default(),
        // Larger than any configuration file: then nothing is said.
        Err(block::Error::Unsupported(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut best = None;
    for (at, window) in program.windows(OPENSSH.len()).enumerate() {
        if window != OPENSSH {
            continue;
        }
        let rest = program[at..].iter().take(MAX_VERSION);
        let rest = rest.take_while(|byte| byte.is_ascii_graphic() || **byte == b' ');
        let version: String = rest.map(|&byte| char::from(byte)).collect();
        // Distributions add theirs: the longest says most.
        if is_version(&version) && best.as_ref().is_none_or(|best: &String| best.len() < version.len()) {
            best = Some(version);
        }
    }
    Ok(best)
}

/// `OpenSSH_9.2p1`, and no pattern of versions that are known to have bugs: `OpenSSH_7.0*,OpenSSH_7.1*`.
fn is_version(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    let rest =
        first.trim_start_matches("OpenSSH_").trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    !text.contains(['*', ',']) && rest.starts_with('p') && rest[1..].starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn facts_are_plain_lines() {
        let tree = "/boot/vmlinuz-6.1.0-35-amd64\n/boot/vmlinuz-0-rescue-x\n/var/lib/dpkg/status\n/var/lib/dpkg/info/a.list\n\
                    /usr/sbin/sshd = \u{1}OpenSSH_7.0*,OpenSSH_7.1*\u{1}OpenSSH_9.2p1\u{1}OpenSSH_9.2p1 Debian-2\u{1}OpenSSH_x\n/usr/bin/cloud-init\n\
                    /etc/cloud/cloud.cfg = default_user:\\n  name: debian\u{1b}[2J\\n";
        assert_eq!(
            seen(&IDENTITY, tree),
            [
                "info System: debian 12",
                "info Kernel: 6.1.0-35-amd64",
                "info Packages: 1",
                "info Last change among them: 1970-01-01",
                "info SSH server: OpenSSH_9.2p1 Debian-2",
                "info First boot: cloud-init",
                "info Log in as: debian\\u{1b}[2J",
            ]
        );
        assert_eq!(seen(&IDENTITY, ""), ["info System: debian 12"]);
    }
}
