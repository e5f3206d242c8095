//! Keys by which a machine proves who it is: the same on every clone if they stay.

use crate::{Action, Also, Find, Kinds, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "ssh-host-keys",
        heading: "OpenSSH host keys",
        explain: "The server's key pairs and their certificates. A clone that has them can be impersonated by \
                  whoever holds another, and AWS makes such an AMI private. cloud-init makes new ones on the \
                  first boot of an instance, as do sshd-keygen (Red Hat, Amazon) and ssh-keygen (Alpine, Arch) \
                  units; Debian and Ubuntu have nothing else than cloud-init for it: without it, run \
                  `ssh-keygen -A` on the first boot, or sshd does not start. sshd_config, moduli, certificate \
                  authorities and revoked keys stay.",
        sources: &[
            Source::Aws("A4"),
            Source::Aws("A16"),
            Source::Outscale("O12"),
            Source::Outscale("O8"),
            Source::Sysprep("ssh-hostkeys"),
            Source::ImageBuilder,
            Source::Waagent,
        ],
        find: Find {
            paths: &[
                "/etc/ssh/ssh_host_*key",
                "/etc/ssh/ssh_host_*key.pub",
                "/etc/ssh/ssh_host_*key-cert.pub",
                "/etc/openssh/ssh_host_*key",
                "/etc/openssh/ssh_host_*key.pub",
                "/etc/ssh2/hostkey",
                "/etc/ssh2/hostkey.pub",
                "/var/lib/*/ssh_host_*key",
                "/var/lib/*/ssh_host_*key.pub",
                "/var/lib/*/ssh_host_*key-cert.pub",
                "/var/ssh/ssh_host_*key",
                "/var/ssh/ssh_host_*key.pub",
            ],
            kinds: Kinds::NotDirectories,
            also: Some(Also::HostKey),
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "ssh-host-keys-other",
        heading: "Host keys of dropbear and tinyssh",
        explain: "The same for the small SSH servers. dropbear makes new keys when it is started with -R or by \
                  its init scripts; tinyssh needs `tinysshd-makekey`. A dropbear inside an initramfs also has \
                  its keys in the initramfs image, which this rule cannot change: rebuild it first.",
        sources: &[Source::Outscale("O12"), Source::Sysprep("ssh-hostkeys"), Source::Own],
        find: Find::files(&[
            "/etc/dropbear/*_host_key",
            "/etc/dropbear/*_host_key.pub",
            "/etc/dropbear/initramfs/*_host_key",
            "/etc/dropbear-initramfs/*_host_key",
            "/etc/initramfs-tools/etc/dropbear/*_host_key",
            "/etc/initramfs-tools/root/.ssh/id_rsa*",
            "/etc/tinyssh/sshkeydir/*",
        ]),
        action: Action::Remove,
        default: true,
    },
];
