//! Who brings the owner's public key to a clone.

use block::Result;
use scan::sshd::{Setting, effective};

use super::says;
use crate::{Check, Observation, Severity, System, cloud_init::cloud_init, services};

pub(in crate::checks) const LOGIN_KEY: Check = Check {
    id: "login-key",
    heading: "The owner's key on the first boot",
    explain: "A cleaned image has no password and no key. cloud-init, the agents of Azure and Google, EC2 Instance Connect, \
              Afterburn, Ignition, tiny-cloud, or a script that asks the metadata service at 169.254.169.254 bring the key \
              of whoever starts the clone, if the boot starts them.",
    advice: "Install cloud-init, or a unit that fetches the public key from the metadata service on the first boot.",
    run: login_key,
};

/// Whom a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// cloud-init's default user, if it makes one.
    CloudInit,
    /// Root's alone.
    Root,
    /// Of an account that an agent makes; its name is not in the image.
    Agent,
    /// An account that is there.
    Any,
}

/// What brings a key.
pub(super) struct Bringer {
    pub(super) whose: Whose,
    seen: Observation,
}

/// Units that bring the key, what they are, and whom for.
const AGENTS: &[(&[&str], &str, Whose)] = &[
    (&["diskscrub-login-key"], "diskscrub's own unit", Whose::Root),
    (&["waagent", "walinuxagent"], "Azure's agent", Whose::Agent),
    (
        &["google-guest-agent", "google-guest-agent-manager", "google-accounts-daemon"],
        "Google's guest agent",
        Whose::Agent,
    ),
    (&["afterburn-sshkeys@", "afterburn-sshkeys"], "Afterburn", Whose::Any),
    (&["coreos-metadata-sshkeys@"], "Afterburn", Whose::Any),
    (&["ignition-firstboot-complete", "coreos-ignition-firstboot-complete"], "Ignition", Whose::Agent),
    (
        &["tiny-cloud", "tiny-cloud-main", "tiny-cloud-early", "tiny-cloud-net", "tiny-ec2-bootstrap"],
        "tiny-cloud",
        Whose::Any,
    ),
    (&["ec2-get-credentials", "ec2-fetch-ssh-public-key"], "a script for EC2's metadata", Whose::Any),
];

/// Everything that brings a key and is started; and what there is to say of what does not.
pub(super) fn bringers(system: &System<'_, '_>) -> Result<(Vec<Bringer>, Vec<Observation>)> {
    let enabled = services::enabled(system)?;
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    if let Some(cloud) = cloud_init(system)? {
        if let Some(off) = cloud.off {
            seen.push(Observation::new(Severity::Info, format!("cloud-init does nothing, as {off}")));
        } else {
            let brings = Observation::new(Severity::Info, "cloud-init brings the key");
            found.push(Bringer { whose: Whose::CloudInit, seen: brings });
            if let Some((path, line)) = cloud.seeds_only {
                let what = "cloud-init asks no provider, only a seed: without one, it brings no key";
                seen.push(Observation::new(Severity::Warn, what).at(&path).line(line));
            }
        }
    }
    for (units, what, whose) in AGENTS {
        if let Some(service) = services::find(&enabled, units) {
            let for_root = if *whose == Whose::Root { ", to root" } else { "" };
            let brings = Observation::new(Severity::Info, format!("{what} brings the key{for_root}"));
            found.push(Bringer { whose: whose.clone(), seen: brings.at(&service.path) });
        }
    }
    if instance_connect(system)? {
        let what = "EC2 Instance Connect lets in whom AWS lets, with a key for a minute";
        found.push(Bringer { whose: Whose::Any, seen: Observation::new(Severity::Info, what) });
    }
    if found.is_empty() {
        let words: &[&[&str]] =
            &[&["169.254.169.254", "metadata.google.internal", "fd00:ec2::254"], &["authorized_keys"]];
        if let Some((path, text)) = says(system, &enabled, words)? {
            // As the guidelines print it: root's file, and nobody else's.
            let root = text.contains("/root/.ssh") && !text.contains("/home/");
            let whose = if root { Whose::Root } else { Whose::Any };
            let what = format!("{path} fetches the key from the metadata service");
            found.push(Bringer { whose, seen: Observation::new(Severity::Info, what) });
        }
    }
    Ok((found, seen))
}

fn login_key(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let (found, others) = bringers(system)?;
    let nobody = found.is_empty();
    let mut seen: Vec<Observation> = found.into_iter().map(|bringer| bringer.seen).collect();
    seen.extend(others);
    if nobody {
        let what =
            "nothing that brings the key of a clone's owner is started: nobody can log in to a cleaned image";
        seen.push(Observation::new(Severity::Fail, what));
    }
    Ok(seen)
}

/// AuthorizedKeysCommand of Amazon's, in sshd's configuration or its unit's drop-in.
fn instance_connect(system: &System<'_, '_>) -> Result<bool> {
    let program =
        ["/opt/aws/bin/eic_run_authorized_keys", "/usr/share/ec2-instance-connect/eic_run_authorized_keys"];
    if system.first(&program)?.is_none() {
        return Ok(false);
    }
    let runs = |line: &Setting| line.values.iter().any(|word| word.contains("eic_run_authorized_keys"));
    if effective(system.guest())?.is_some_and(|sshd| sshd.global("AuthorizedKeysCommand").any(runs)) {
        return Ok(true);
    }
    let mut files = Vec::new();
    for directory in ["/usr/lib/systemd/system/ssh.service.d", "/usr/lib/systemd/system/sshd.service.d"] {
        files.extend(system.files(directory, ".conf")?);
    }
    for file in files {
        let text = services::small(system, &file.path.0)?.unwrap_or_default();
        if text.lines().any(|line| !line.trim().starts_with('#') && line.contains("eic_run_authorized_keys"))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    const NOBODY: &str = "fail nothing that brings the key of a clone's owner is started: nobody can log in to a cleaned image";

    #[test]
    fn somebody_has_to_bring_the_key() {
        assert_eq!(seen(&LOGIN_KEY, ""), [NOBODY]);
        assert_eq!(seen(&LOGIN_KEY, "/usr/bin/cloud-init"), ["info cloud-init brings the key"]);
        let off = "/usr/bin/cloud-init\n/etc/cloud/cloud-init.disabled =";
        let told = "info cloud-init does nothing, as /etc/cloud/cloud-init.disabled is there";
        assert_eq!(seen(&LOGIN_KEY, off), [told, NOBODY]);
        let seed = "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg.d/99.cfg = datasource_list: [None]\\n";
        assert_eq!(
            seen(&LOGIN_KEY, seed),
            [
                "info cloud-init brings the key",
                "warn /etc/cloud/cloud.cfg.d/99.cfg:1 cloud-init asks no provider, only a seed: without one, it brings no key"
            ]
        );
    }

    #[test]
    fn agents_and_scripts() {
        let units =
            "/usr/lib/systemd/systemd\n/usr/lib/systemd/system/graphical.target = [Unit]\\nWants=get.service";
        let script = "/usr/local/bin/get [755] = #!/bin/sh\\ncurl http://169.254.169.254/latest/x > /root/.ssh/authorized_keys\\n";
        let unit = "/etc/systemd/system/get.service = [Service]\\nExecStart=/bin/sh /usr/local/bin/get\\n";
        let by_unit = "info /etc/systemd/system/get.service fetches the key from the metadata service";
        assert_eq!(seen(&LOGIN_KEY, &format!("{units}\n{script}\n{unit}")), [by_unit]);
        assert_eq!(seen(&LOGIN_KEY, &format!("{script}\n{unit}")), [NOBODY], "nothing starts it");
        let rc = "/etc/rc.local [755] = curl http://169.254.169.254/x >> ~/.ssh/authorized_keys\\n";
        let own = "/usr/lib/systemd/systemd\n/etc/systemd/system/diskscrub-login-key.service = [Service]\n\
                   /usr/lib/systemd/system/graphical.target = [Unit]\\nWants=diskscrub-login-key.service";
        let root = "info /etc/systemd/system/diskscrub-login-key.service diskscrub's own unit brings the key, to root";
        assert_eq!(seen(&LOGIN_KEY, own), [root]);
        assert_eq!(seen(&LOGIN_KEY, rc), ["info /etc/rc.local fetches the key from the metadata service"]);
        let connect = "/opt/aws/bin/eic_run_authorized_keys\n\
                       /etc/ssh/sshd_config = AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f\\n";
        assert_eq!(
            seen(&LOGIN_KEY, connect),
            ["info EC2 Instance Connect lets in whom AWS lets, with a key for a minute"]
        );
    }
}
