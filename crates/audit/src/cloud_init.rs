//! cloud-init, as far as a first boot depends on it: whether it runs, what it asks, and which account it makes.
//!
//! Its configuration is YAML; what is read here is the one key that matters in each case, by its indentation, from the
//! files in cloud-init's order, the last one winning.

use block::Result;
use scan::{GuestPath, cloud_init};

use crate::System;

/// Data sources that are no provider's: seeds, and nothing.
const NO_PROVIDERS: &[&str] = &["NoCloud", "None", "Configured"];

const PWAUTH: &str = "cloud-init lets sshd take passwords again, on every first boot";
const PASSWORD: &str = "cloud-init sets a password on every first boot: every clone has the same one";

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct CloudInit {
    /// Why it does nothing at boot, in a clause, if so.
    pub(crate) off: Option<&'static str>,
    /// It asks seeds only, as an installer configured it.
    pub(crate) seeds_only: Option<(GuestPath, usize)>,
    /// The account that it makes.
    pub(crate) default_user: Option<String>,
    /// That account's groups and shell.
    pub(crate) groups: Vec<String>,
    pub(crate) shell: Option<String>,
    /// It keeps old host keys.
    pub(crate) keeps_host_keys: Option<(GuestPath, usize)>,
    /// It lets sshd take passwords, or sets some: at every first boot, whatever sshd_config and shadow say now.
    pub(crate) passwords: Vec<(GuestPath, usize, &'static str)>,
    /// It makes no host keys.
    pub(crate) makes_no_host_keys: Option<(GuestPath, usize)>,
    /// Its version, where its program says so.
    pub(crate) version: Option<String>,
}

/// A line of a configuration.
struct Line {
    indent: usize,
    key: String,
    value: String,
    path: GuestPath,
    number: usize,
}

/// `None` if it is not installed.
pub(crate) fn cloud_init(system: &System<'_, '_>) -> Result<Option<CloudInit>> {
    if system.first(&cloud_init::PROGRAMS)?.is_none() {
        return Ok(None);
    }
    let mut found = CloudInit { version: version(system)?, ..CloudInit::default() };
    let mut files = vec![GuestPath(b"/etc/cloud/cloud.cfg".to_vec())];
    files.extend(system.files("/etc/cloud/cloud.cfg.d", ".cfg")?.into_iter().map(|item| item.path));
    for path in files {
        let text = system.read(&path.0)?.unwrap_or_default();
        found.read(&lines(&String::from_utf8_lossy(&text), &path));
    }
    found.off = cloud_init::off(system.guest())?;
    Ok(Some(found))
}

impl CloudInit {
    fn read(&mut self, lines: &[Line]) {
        for (at, line) in lines.iter().enumerate() {
            let here = || Some((line.path.clone(), line.number));
            let no = matches!(line.value.to_lowercase().as_str(), "false" | "no" | "off" | "0");
            match line.key.as_str() {
                "datasource_list" => {
                    let sources = list(lines, at);
                    let seeds = !sources.is_empty()
                        && sources.iter().all(|source| NO_PROVIDERS.contains(&source.as_str()));
                    self.seeds_only = here().filter(|_| seeds);
                }
                "ssh_deletekeys" => self.keeps_host_keys = here().filter(|_| no),
                "ssh_genkeytypes" => {
                    let none = line.value == "[]" || line.value == "~";
                    self.makes_no_host_keys = here().filter(|_| none);
                }
                "default_user" => self.user(lines, at),
                "ssh_pwauth" => {
                    self.passwords.retain(|(.., what)| *what != PWAUTH);
                    let yes = matches!(line.value.to_lowercase().as_str(), "true" | "yes" | "on" | "1");
                    self.passwords.extend(yes.then(|| (line.path.clone(), line.number, PWAUTH)));
                }
                "password" | "plain_text_passwd" | "hashed_passwd" | "passwd" | "hash"
                    if !line.value.is_empty() =>
                {
                    self.passwords.push((line.path.clone(), line.number, PASSWORD));
                }
                "chpasswd" if sets(lines, at) => {
                    self.passwords.push((line.path.clone(), line.number, PASSWORD));
                }
                _ => {}
            }
        }
    }

    fn user(&mut self, lines: &[Line], at: usize) {
        let below =
            lines.iter().enumerate().skip(at + 1).take_while(|(_, line)| line.indent > lines[at].indent);
        for (at, line) in below {
            match line.key.as_str() {
                "name" => self.default_user = Some(line.value.clone()).filter(|name| !name.is_empty()),
                "shell" => self.shell = Some(line.value.clone()),
                "groups" => self.groups = list(lines, at),
                _ => {}
            }
        }
    }
}

/// Whether a `chpasswd` names accounts: in braces, or below it. `expire` alone sets none.
fn sets(lines: &[Line], at: usize) -> bool {
    let names = |text: &str| ["list", "users"].iter().any(|key| text.contains(key));
    let mut below = lines[at + 1..].iter().take_while(|line| line.indent > lines[at].indent);
    names(&lines[at].value) || below.any(|line| names(&line.key))
}

/// A list behind a key: `[a, b]`, or lines with a dash.
fn list(lines: &[Line], at: usize) -> Vec<String> {
    let clean = |word: &str| word.trim().trim_matches(['"', '\'']).to_owned();
    let inline = lines[at].value.trim_start_matches('[').trim_end_matches(']');
    if !lines[at].value.is_empty() {
        return inline.split(',').map(clean).filter(|word| !word.is_empty()).collect();
    }
    let below = lines[at + 1..].iter().take_while(|line| line.key == "-" && line.indent >= lines[at].indent);
    below.map(|line| clean(&line.value)).collect()
}

fn lines(text: &str, path: &GuestPath) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let (key, value) = match trimmed.strip_prefix("- ") {
            Some(item) => ("-", item),
            None => trimmed.split_once(':').unwrap_or((trimmed, "")),
        };
        let mut push = |indent, key: &str, value: &str| {
            let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
            let (key, value) = (key.trim().to_owned(), value.to_owned());
            lines.push(Line { indent, key, value, path: path.clone(), number });
        };
        push(indent, key, value);
        // The first key of an item stands behind its dash.
        if let Some((inner, value)) = value.split_once(": ").filter(|_| key == "-") {
            push(indent.saturating_add(2), inner, value);
        }
    }
    lines
}

/// `_PACKAGED_VERSION` of its Python module, which packagers replace; else `__VERSION__`.
fn version(system: &System<'_, '_>) -> Result<Option<String>> {
    let mut places = vec![b"/usr/lib/python3/dist-packages".to_vec()];
    for base in ["/usr/lib", "/usr/local/lib"] {
        for item in system.list(base.as_bytes())? {
            if item.name.starts_with(b"python") {
                places.push([&*item.path.0, b"/site-packages"].concat());
            }
        }
    }
    for place in places {
        let Some(text) = system.read(&[&*place, b"/cloudinit/version.py"].concat())? else { continue };
        let text = String::from_utf8_lossy(&text).into_owned();
        let of = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='))?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.starts_with('@'))
        };
        return Ok(of("_PACKAGED_VERSION").or_else(|| of("__VERSION__")));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn the_keys_that_a_first_boot_depends_on() {
        with_system("/etc/cloud/cloud.cfg", |system| assert!(cloud_init(system).unwrap().is_none()));
        let stock = "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = users:\\n   - default\\nssh_deletekeys: true\\n\
                     system_info:\\n   distro: debian\\n   default_user:\\n     name: debian # x\\n     groups: [adm, sudo]\\n\
                     \u{20}    shell: /bin/bash\\n   paths:\\n      name: no\\n\n\
                     /usr/lib/python3/dist-packages/cloudinit/version.py = __VERSION__ = \"22.4.2\"\\n_PACKAGED_VERSION = '22.4.2-1'\\n";
        with_system(stock, |system| {
            let found = cloud_init(system).unwrap().unwrap();
            assert_eq!(found.default_user.as_deref(), Some("debian"));
            assert_eq!(
                (found.groups.join("+"), found.shell.as_deref()),
                ("adm+sudo".to_owned(), Some("/bin/bash"))
            );
            assert_eq!(found.version.as_deref(), Some("22.4.2-1"));
            assert!(found.off.is_none() && found.seeds_only.is_none() && found.keeps_host_keys.is_none());
        });
        let odd = format!(
            "{stock}\n/etc/cloud/cloud.cfg.d/90_dpkg.cfg = datasource_list: [ NoCloud, None ]\\n\n\
             /etc/cloud/cloud.cfg.d/99_x.cfg = ssh_deletekeys: false\\nssh_genkeytypes: []\\n\n/etc/cloud/cloud-init.disabled =\n"
        );
        with_system(&odd, |system| {
            let found = cloud_init(system).unwrap().unwrap();
            assert_eq!(found.off, Some("/etc/cloud/cloud-init.disabled is there"));
            assert_eq!(found.seeds_only.unwrap().1, 1);
            assert_eq!(found.makes_no_host_keys.unwrap().1, 2);
            assert_eq!(found.keeps_host_keys.unwrap().1, 1);
        });
        let dashes =
            "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = datasource_list:\\n- Ec2\\n- None\\nx: y\\n";
        with_system(dashes, |system| assert!(cloud_init(system).unwrap().unwrap().seeds_only.is_none()));
    }
}
