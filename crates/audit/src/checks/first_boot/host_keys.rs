//! Who makes host keys when there are none.

use block::Result;

use super::{SERVERS, says};
use crate::{
    Check, Observation, Severity, System,
    cloud_init::cloud_init,
    services::{self, Service},
};

pub(in crate::checks) const HOST_KEY_MAKER: Check = Check {
    id: "host-key-maker",
    heading: "New SSH host keys on the first boot",
    explain: "Without host keys sshd does not start. cloud-init makes them unless it is disabled or told not to; so do \
              sshd-keygen of Fedora, Red Hat and Amazon, units of openSUSE and Arch, scripts of Alpine, agents of Azure \
              and Google, and every started unit or script that runs `ssh-keygen -A` or `dpkg-reconfigure \
              openssh-server`; Debian alone does not.",
    advice: "Install cloud-init, or a unit that runs `ssh-keygen -A` before sshd.",
    run: host_key_maker,
};

/// Units that make host keys, which distributions' sshd wants, and agents that do.
const MAKERS: &[&str] = &[
    "diskscrub-host-keys",
    "sshd-keygen@",
    "sshd-keygen",
    "sshdgenkeys",
    "ssh-keygen",
    "regenerate_ssh_host_keys",
    "google-guest-agent",
    "google-instance-setup",
    "google-startup-scripts",
];

fn host_key_maker(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    if system.first(SERVERS)?.is_none() {
        return Ok(vec![Observation::new(Severity::Info, "no SSH server is installed")]);
    }
    let enabled = services::enabled(system)?;
    let mut seen = Vec::new();
    let mut makers = Vec::new();
    if let Some(found) = cloud_init(system)? {
        if let Some(off) = found.off {
            seen.push(Observation::new(Severity::Info, format!("cloud-init does nothing, as {off}")));
        } else if let Some((path, line)) = found.makes_no_host_keys {
            let what = "cloud-init is told to make no host keys";
            seen.push(Observation::new(Severity::Info, what).at(&path).line(line));
        } else {
            makers.push("cloud-init".to_owned());
        }
        if let Some((path, line)) = found.keeps_host_keys {
            let what = "cloud-init keeps host keys that are there: one that is left in the image stays on every clone";
            seen.push(Observation::new(Severity::Warn, what).at(&path).line(line));
        }
    }
    if let Some(service) = services::find(&enabled, MAKERS) {
        makers.push(service.name.clone());
    }
    if waagent(system, &enabled)? {
        makers.push("waagent".to_owned());
    }
    if makers.is_empty() {
        let words: &[&[&str]] = &[&[
            "ssh-keygen -A",
            "dpkg-reconfigure openssh-server",
            "dropbearkey",
            "ssh-keygen -q",
            "sshd-keygen",
            "sshd-gen-keys-start",
        ]];
        makers.extend(says(system, &enabled, words)?.map(|(path, _)| path));
    }
    // dropbear makes its own with -R, which all distributions give it.
    if makers.is_empty()
        && system.first(&["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"])?.is_none()
    {
        makers.push("dropbear".to_owned());
    }
    seen.push(match (makers.first(), scan::host_key_maker(system.guest())?) {
        (Some(maker), _) => Observation::new(Severity::Info, format!("{maker} makes them")),
        // Without units or scripts to go by, what is there may be started.
        (None, Some(there)) if enabled.is_empty() => Observation::new(
            Severity::Unknown,
            format!("{there} would make them, but nothing tells whether it is started"),
        ),
        (None, Some(there)) => Observation::new(
            Severity::Fail,
            format!("nothing that is started makes host keys, though {there} is there: sshd will not start"),
        ),
        (None, None) => {
            Observation::new(Severity::Fail, "nothing that makes host keys was found: sshd will not start")
        }
    });
    Ok(seen)
}

/// waagent.conf: `Provisioning.RegenerateSshHostKeyPair=y`.
fn waagent(system: &System<'_, '_>, enabled: &[Service]) -> Result<bool> {
    let text = system.text("/etc/waagent.conf")?.unwrap_or_default();
    let asked = text.lines().any(|line| line.trim() == "Provisioning.RegenerateSshHostKeyPair=y");
    Ok(asked && services::find(enabled, &["waagent", "walinuxagent"]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    const UNITS: &str = "/usr/sbin/sshd\n/usr/lib/systemd/systemd\n/usr/lib/systemd/system/ssh.service = [Unit]\n\
                         /usr/lib/systemd/system/graphical.target = [Unit]\\nWants=ssh.service";

    const MISSING: &str = "fail nothing that makes host keys was found: sshd will not start";

    #[test]
    fn somebody_has_to_make_host_keys() {
        let server = "/usr/sbin/sshd\n";
        assert_eq!(seen(&HOST_KEY_MAKER, ""), ["info no SSH server is installed"]);
        assert_eq!(seen(&HOST_KEY_MAKER, server), [MISSING]);
        assert_eq!(seen(&HOST_KEY_MAKER, UNITS), [MISSING]);
        let made = seen(&HOST_KEY_MAKER, &format!("{server}/usr/bin/cloud-init"));
        assert_eq!(made, ["info cloud-init makes them"]);
        assert_eq!(seen(&HOST_KEY_MAKER, "/usr/sbin/dropbear"), ["info dropbear makes them"]);
    }

    #[test]
    fn cloud_init_that_is_off_makes_none() {
        let cloud = format!("{UNITS}\n/usr/bin/cloud-init\n/etc/cloud/cloud-init.disabled =");
        assert_eq!(
            seen(&HOST_KEY_MAKER, &cloud),
            ["info cloud-init does nothing, as /etc/cloud/cloud-init.disabled is there", MISSING,]
        );
        let keeps = format!("{UNITS}\n/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = ssh_deletekeys: false\\n");
        assert_eq!(
            seen(&HOST_KEY_MAKER, &keeps),
            [
                "warn /etc/cloud/cloud.cfg:1 cloud-init keeps host keys that are there: one that is left in the image stays on every clone",
                "info cloud-init makes them",
            ]
        );
    }

    #[test]
    fn units_and_scripts_that_make_them() {
        for (more, maker) in [
            (
                "/usr/lib/systemd/system/ssh.service.wants/diskscrub-host-keys.service -> x\n\
              /usr/lib/systemd/system/diskscrub-host-keys.service = [Service]",
                "diskscrub-host-keys",
            ),
            (
                "/etc/systemd/system/ssh.service.d/keys.conf = [Service]\\nExecStartPre=/usr/bin/ssh-keygen -A\\n",
                "/usr/lib/systemd/system/ssh.service",
            ),
            (
                "/etc/rc.local [755] = #!/bin/sh\\ntest -e /etc/ssh/k || dpkg-reconfigure openssh-server\\n",
                "/etc/rc.local",
            ),
            (
                "/usr/lib/systemd/system/ssh.service.wants/sshd-keygen@rsa.service -> x\n\
              /usr/lib/systemd/system/sshd-keygen@.service = [Service]",
                "sshd-keygen@rsa",
            ),
        ] {
            assert_eq!(
                seen(&HOST_KEY_MAKER, &format!("{UNITS}\n{more}")),
                [format!("info {maker} makes them")]
            );
        }
        let commented = "/etc/rc.local [755] = #!/bin/sh\\n# ssh-keygen -A\\n";
        let idle = "/etc/rc.local [644] = #!/bin/sh\\nssh-keygen -A\\n";
        let unused = "/usr/lib/systemd/system/sshd-keygen@.service = [Service]";
        // As cloud-init's unit, which only has to come before it.
        let before = "/usr/lib/systemd/system/ssh.service.wants/x.service -> x\n\
                      /usr/lib/systemd/system/x.service = [Unit]\\nBefore=sshd-keygen.service\\n[Service]\\nExecStart=/bin/x\\n";
        for more in [commented, idle, unused, before] {
            assert!(seen(&HOST_KEY_MAKER, &format!("{UNITS}\n{more}"))[0].starts_with("fail"), "{more}");
        }
    }
}
