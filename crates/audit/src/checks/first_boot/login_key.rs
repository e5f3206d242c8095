//! Who brings the owner's public key to a clone.

use block::Result;

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

/// Units that bring the key, and what they are.
const AGENTS: &[(&[&str], &str)] = &[
    (&["diskscrub-login-key"], "diskscrub's own unit"),
    (&["waagent", "walinuxagent"], "Azure's agent"),
    (&["google-guest-agent", "google-guest-agent-manager", "google-accounts-daemon"], "Google's guest agent"),
    (&["afterburn-sshkeys@", "afterburn-sshkeys"], "Afterburn"),
    (&["coreos-metadata-sshkeys@"], "Afterburn"),
    (&["ignition-firstboot-complete", "coreos-ignition-firstboot-complete"], "Ignition"),
    (
        &["tiny-cloud", "tiny-cloud-main", "tiny-cloud-early", "tiny-cloud-net", "tiny-ec2-bootstrap"],
        "tiny-cloud",
    ),
    (&["ec2-get-credentials", "ec2-fetch-ssh-public-key"], "a script for EC2's metadata"),
];

fn login_key(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let enabled = services::enabled(system)?;
    let mut seen = Vec::new();
    let mut found = false;
    if let Some(cloud) = cloud_init(system)? {
        if let Some(off) = cloud.off {
            seen.push(Observation::new(Severity::Info, format!("cloud-init does nothing, as {off}")));
        } else {
            found = true;
            seen.push(Observation::new(Severity::Info, "cloud-init brings the key"));
            if let Some((path, line)) = cloud.seeds_only {
                let what = "cloud-init asks no provider, only a seed: without one, it brings no key";
                seen.push(Observation::new(Severity::Warn, what).at(&path).line(line));
            }
        }
    }
    for (units, what) in AGENTS {
        if let Some(service) = services::find(&enabled, units) {
            found = true;
            seen.push(Observation::new(Severity::Info, format!("{what} brings the key")).at(&service.path));
        }
    }
    if instance_connect(system)? {
        found = true;
        let what = "EC2 Instance Connect lets in whom AWS lets, with a key for a minute";
        seen.push(Observation::new(Severity::Info, what));
    }
    if !found {
        let words: &[&[&str]] =
            &[&["169.254.169.254", "metadata.google.internal", "fd00:ec2::254"], &["authorized_keys"]];
        if let Some(path) = says(system, &enabled, words)? {
            found = true;
            seen.push(Observation::new(
                Severity::Info,
                format!("{path} fetches the key from the metadata service"),
            ));
        }
    }
    if !found {
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
    let mut files = vec![b"/etc/ssh/sshd_config".to_vec()];
    for directory in [
        "/etc/ssh/sshd_config.d",
        "/usr/lib/systemd/system/ssh.service.d",
        "/usr/lib/systemd/system/sshd.service.d",
    ] {
        files.extend(system.files(directory, ".conf")?.into_iter().map(|item| item.path.0));
    }
    for file in files {
        let text = services::small(system, &file)?.unwrap_or_default();
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
        assert_eq!(seen(&LOGIN_KEY, rc), ["info /etc/rc.local fetches the key from the metadata service"]);
        let connect = "/opt/aws/bin/eic_run_authorized_keys\n\
                       /etc/ssh/sshd_config = AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f\\n";
        assert_eq!(
            seen(&LOGIN_KEY, connect),
            ["info EC2 Instance Connect lets in whom AWS lets, with a key for a minute"]
        );
    }
}
