//! What cloud-init does to passwords on the first boot, after whatever was locked in the image.

use block::Result;

use crate::{Check, Observation, Severity, System, cloud_init::cloud_init};

pub(super) const CLOUD_PASSWORDS: Check = Check {
    id: "cloud-init-passwords",
    heading: "Passwords that cloud-init sets or lets in",
    explain: "`ssh_pwauth: true`, `chpasswd` and passwords of users in /etc/cloud/cloud.cfg and its drop-ins: cloud-init \
              applies them on the first boot of every clone, so sshd takes passwords again, and accounts that are locked \
              in the image have the same password everywhere.",
    advice: "Remove these keys from /etc/cloud/cloud.cfg and /etc/cloud/cloud.cfg.d; users of the image bring their own \
             user data.",
    run: cloud_passwords,
};

fn cloud_passwords(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let Some(found) = cloud_init(system)?.filter(|found| found.off.is_none()) else { return Ok(Vec::new()) };
    let seen =
        |(path, line, what): (_, usize, &str)| Observation::new(Severity::Fail, what).at(&path).line(line);
    Ok(found.passwords.into_iter().map(seen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    const CFG: &str = "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = ";

    #[test]
    fn passwords_of_the_build_are_told_wherever_they_stand() {
        let pwauth =
            "fail /etc/cloud/cloud.cfg:1 cloud-init lets sshd take passwords again, on every first boot";
        let set = "cloud-init sets a password on every first boot: every clone has the same one";
        assert_eq!(seen(&CLOUD_PASSWORDS, &format!("{CFG}ssh_pwauth: True")), [pwauth]);
        for text in [
            "chpasswd: {list: \"root:x\"}",
            "chpasswd:\\n  expire: false\\n  users:\\n    - name: root",
            "password: x",
        ] {
            assert_eq!(
                seen(&CLOUD_PASSWORDS, &format!("{CFG}{text}")),
                [format!("fail /etc/cloud/cloud.cfg:1 {set}")],
                "{text}"
            );
        }
        let first = format!("{CFG}users:\\n - passwd: x\\n   name: al");
        assert_eq!(seen(&CLOUD_PASSWORDS, &first), [format!("fail /etc/cloud/cloud.cfg:2 {set}")]);
    }

    #[test]
    fn what_sets_none_and_what_a_later_file_takes_back_is_none() {
        for text in
            ["ssh_pwauth: false", "chpasswd: {expire: false}", "users:\\n - default\\n   lock_passwd: true"]
        {
            assert!(seen(&CLOUD_PASSWORDS, &format!("{CFG}{text}")).is_empty(), "{text}");
        }
        let back = format!("{CFG}ssh_pwauth: true\n/etc/cloud/cloud.cfg.d/99.cfg = ssh_pwauth: no");
        assert!(seen(&CLOUD_PASSWORDS, &back).is_empty());
    }
}
