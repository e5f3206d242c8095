//! What the first boot of a clone does: who makes host keys, and who brings the owner's key.

use block::Result;

use crate::{Check, Observation, Severity, System};

pub(super) const HOST_KEY_MAKER: Check = Check {
    id: "host-key-maker",
    heading: "New SSH host keys on the first boot",
    explain: "Without host keys sshd does not start. cloud-init makes them, as do sshd-keygen of Fedora, Red Hat and \
              Amazon, and units of openSUSE, Arch and Alpine; Debian alone does not.",
    advice: "Install cloud-init, or a unit that runs `ssh-keygen -A` before sshd.",
    run: host_key_maker,
};

fn host_key_maker(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let server = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/sbin/dropbear"];
    let Some(_) = system.first(&server)? else {
        return Ok(vec![Observation::new(Severity::Info, "no SSH server is installed")]);
    };
    Ok(match scan::host_key_maker(system.guest())? {
        Some(maker) => vec![Observation::new(Severity::Info, format!("{maker} makes them"))],
        None => vec![Observation::new(
            Severity::Fail,
            "nothing that makes host keys was found: sshd will not start",
        )],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn somebody_has_to_make_host_keys() {
        let server = "/usr/sbin/sshd\n";
        let missing = "fail nothing that makes host keys was found: sshd will not start";
        assert_eq!(seen(&HOST_KEY_MAKER, ""), ["info no SSH server is installed"]);
        assert_eq!(seen(&HOST_KEY_MAKER, server), [missing]);
        let made = seen(&HOST_KEY_MAKER, &format!("{server}/usr/bin/cloud-init"));
        assert_eq!(made, ["info /usr/bin/cloud-init makes them"]);
    }
}
