//! The policies that come with diskscrub. Records only.

use crate::Rule;

/// A policy that comes with diskscrub: the default rules, and what differs.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// By this name it is asked for.
    pub name: &'static str,
    /// What it is for.
    pub explain: &'static str,
    /// Rules that it has beside the default ones, and the guideline that asks for each.
    pub on: &'static [(&'static str, &'static str)],
}

pub(super) const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "default",
        explain: "Every rule that takes nothing the guest needs: what goes is made again, or was never part of \
                  the system.",
        on: &[],
    },
    BuiltIn {
        name: "aws",
        explain: "For an AMI that others will start: the default rules, and the keys and tools' state that the \
                  AWS guidelines for shared Linux AMIs name; no account keeps a password, sshd takes keys only, and a first boot \
                  makes host keys and brings the owner's key.",
        on: &[
            ("password-hashes", "A3"),
            ("sshd-root-login", "A2"),
            ("sshd-pubkey", "A6"),
            ("sshd-no-passwords", "A6"),
            ("first-boot-host-keys", "A4"),
            ("first-boot-login-key", "A6"),
            ("keystores", "A9, A14"),
            ("terraform-state", "A9"),
            ("sudoers-cloud-users", "A6"),
            ("cloud-init-network", "A6"),
        ],
    },
    BuiltIn {
        name: "outscale",
        explain: "For an OMI that others will start: the default rules, and all further certificates and key \
                  material that the OUTSCALE guidelines name; no account keeps a password, sshd takes keys only, and a first boot \
                  makes host keys and brings the owner's key.",
        on: &[
            ("password-hashes", "O6, O9"),
            ("sshd-root-login", "O7"),
            ("sshd-pubkey", "O7"),
            ("sshd-no-passwords", "O7"),
            ("first-boot-host-keys", "O8"),
            ("first-boot-login-key", "O13"),
            ("keystores", "O5"),
            ("tls-private-keys", "O5"),
            ("letsencrypt", "O5"),
            ("vpn-keys", "O5"),
            ("kubernetes-node", "O5"),
            ("terraform-state", "O4"),
            ("agent-api-keys", "O4"),
            ("wifi-credentials", "O4"),
            ("sudoers-cloud-users", "O13"),
            ("cloud-init-network", "O13"),
        ],
    },
    BuiltIn { name: "none", explain: "No rule: the base for a policy file that names its own.", on: &[] },
];

impl BuiltIn {
    /// Whether it applies a rule.
    #[must_use]
    pub fn applies(&self, rule: &Rule) -> bool {
        (rule.default && self.name != "none") || self.on.iter().any(|(id, _)| *id == rule.id)
    }
}

/// The policies that come with diskscrub.
#[must_use]
pub const fn built_in_policies() -> &'static [BuiltIn] {
    BUILT_IN
}
