//! What lets a user in, here or elsewhere: key pairs, authorized keys, trusted hosts, old password hashes.

use crate::{Action, Also, Detector, Find, Kinds, Rule, Source, edits::EditId};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "ssh-authorized-keys",
        heading: "Keys that may log in",
        explain: "authorized_keys in every home, and wherever AuthorizedKeysFile of sshd_config says: the keys \
                  of whoever built the image, Packer's among them, are a back door into every clone. cloud-init \
                  or the provider's agent writes the new owner's key at first boot; without one nobody can log \
                  in with a key.",
        sources: &[
            Source::Aws("A7"),
            Source::Aws("A9"),
            Source::Outscale("O10"),
            Source::Outscale("O23"),
            Source::Sysprep("ssh-userdir"),
            Source::ImageBuilder,
        ],
        find: Find {
            paths: &[
                "~/.ssh/authorized_keys",
                "~/.ssh/authorized_keys[2~.-]*",
                "/etc/dropbear/authorized_keys",
                "/etc/dropbear/initramfs/authorized_keys",
                "/etc/dropbear-initramfs/authorized_keys",
            ],
            kinds: Kinds::NotDirectories,
            also: Some(Also::AuthorizedKeysFile),
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "ssh-user-keys",
        heading: "Users' SSH key pairs and known hosts",
        explain: "Everything in ~/.ssh but config and authorized_keys, in every home: private and public keys under any name, \
                  certificates, known_hosts (whom this machine talked to), agents' sockets, environment. \
                  Users make or bring new keys.",
        sources: &[
            Source::Aws("A9"),
            Source::Aws("A10"),
            Source::Outscale("O10"),
            Source::Sysprep("ssh-userdir"),
            Source::ForensicArtifacts,
        ],
        find: Find {
            paths: &["~/.ssh/**", "~/.ssh2/**", "~/.putty/sshhostkeys", "~/.putty/randomseed"],
            except: &["~/.ssh/config", "~/.ssh/config.d", "~/.ssh/authorized_keys*"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "ssh-user-config",
        heading: "Users' SSH client configuration",
        explain: "~/.ssh/config names hosts, users and key files of the builder. Off by default: it holds no \
                  key, and may be part of the product.",
        sources: &[Source::Sysprep("ssh-userdir"), Source::Attackers],
        find: Find::files(&["~/.ssh/config", "~/.ssh/config.d/*"]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "ssh-known-hosts",
        heading: "System-wide known hosts",
        explain: "Names, addresses and keys of machines in the builder's network. Clients ask again. A fleet \
                  that ships it on purpose keeps it with --skip.",
        sources: &[Source::ForensicArtifacts],
        find: Find::files(&["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2", "/etc/ssh/known_hosts"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "trusted-hosts",
        heading: "Hosts trusted without a password",
        explain: "rhosts and shosts files let whole machines in, and name them. Nothing makes them again.",
        sources: &[Source::Outscale("O1"), Source::ForensicArtifacts, Source::Attackers],
        find: Find::files(&[
            "~/.rhosts",
            "~/.shosts",
            "/etc/hosts.equiv",
            "/etc/ssh/shosts.equiv",
            "/etc/shosts.equiv",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "private-key-files",
        heading: "Private keys in homes, by content",
        explain: "Files named *.pem, *.key or *.ppk, keys like pk-*.pem of EC2 bundling and id_* anywhere in a \
                  home that do hold a private key; certificates and public keys under such names stay.",
        sources: &[
            Source::Aws("A9"),
            Source::Aws("A10"),
            Source::Aws("A14"),
            Source::Outscale("O5"),
            Source::Outscale("O23"),
        ],
        find: Find {
            paths: &["~/**/*.pem", "~/**/*.key", "~/**/*.ppk", "~/**/id_*", "~/**/*.agekey"],
            except: &["~/.ssh"],
            kinds: Kinds::Files,
            detector: Some(Detector::PrivateKey),
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "ec2-bundling",
        heading: "X.509 certificates of EC2 bundling",
        explain: "pk-*.pem and cert-*.pem identify an AWS account. ec2-bundle-vol needs them while it runs, \
                  the image never does.",
        sources: &[Source::Aws("A14")],
        find: Find::files(&["~/**/pk-*.pem", "~/**/cert-*.pem", "/mnt/**/pk-*.pem", "/mnt/**/cert-*.pem"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "password-backups",
        heading: "Backup copies of the account files",
        explain: "passwd-, shadow- and their like hold the hashes of passwords that were changed or removed \
                  since. useradd, passwd and the daily job that fills /var/backups make new copies; the files \
                  themselves stay. opasswd is emptied by its own rule.",
        sources: &[Source::Outscale("O9"), Source::Sysprep("passwd-backups"), Source::Own],
        find: Find::files(&[
            "/etc/{passwd,group,shadow,gshadow,subuid,subgid}-",
            "/etc/{passwd,group,shadow,gshadow,subuid,subgid}.{bak,old,orig,save,org,OLD,edit}",
            "/etc/{passwd,group,shadow,gshadow,subuid,subgid}{~,+}",
            "/etc/{passwd,group,shadow,gshadow}.rpm{save,new,orig}",
            "/etc/{passwd,group,shadow,gshadow}.[0-9]*",
            "/etc/.{passwd,group,shadow,gshadow}.sw?",
            "/etc/passwd.cache",
            "/etc/{passwd,shadow,group,gshadow}.lock",
            "/etc/sudoers.{bak,old,orig,save}",
            "/etc/sudoers{~,.tmp}",
            "/var/backups/{passwd,group,shadow,gshadow}.bak*",
            "/etc/tcb/*/shadow{-,+,~,.old,.bak}",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "old-passwords",
        heading: "Hashes of old passwords",
        explain: "pam_pwhistory and pam_unix note old hashes in opasswd. The file is emptied, not removed: some \
                  PAM stacks refuse a new password without it.",
        sources: &[Source::Outscale("O9"), Source::Own],
        find: Find {
            paths: &["/etc/security/opasswd", "/etc/security/nopasswd"],
            kinds: Kinds::Files,
            ..Find::NOTHING
        },
        action: Action::Truncate,
        default: true,
    },
    Rule {
        id: "password-hashes",
        heading: "Passwords of accounts",
        explain: "No password of the build opens an account of a clone. In shadow (or passwd, on old systems) the hash \
                  of every account becomes `*`, which no password matches; so does an empty field, which lets \
                  anybody in. A hash that `passwd -l` had locked becomes `!`. Accounts, dates and all other \
                  lines stay, and so do keys: with `!` instead of `*`, an sshd without PAM would refuse those, too. \
                  Passwords of groups go the same way. Off by default: on an image without cloud-init or an agent \
                  that brings a key, a password may be the only way in. --keep-user keeps that of an account.",
        sources: &[Source::Aws("A3"), Source::Outscale("O6"), Source::Outscale("O9"), Source::Waagent],
        find: Find {
            paths: &[
                "/etc/shadow",
                "/etc/passwd",
                "/etc/gshadow",
                "/etc/group",
                "/etc/tcb/*/shadow",
                "/ostree/deploy/*/deploy/*/etc/{passwd,shadow,group,gshadow}",
            ],
            kinds: Kinds::Files,
            ..Find::NOTHING
        },
        action: Action::Edit(EditId::LockPasswords),
        default: false,
    },
    Rule {
        id: "sudoers-cloud-users",
        heading: "Sudo rights that cloud-init gave",
        explain: "90-cloud-init-users lists the accounts that cloud-init made on the builder; it writes the file \
                  again on the first boot of an instance. Off by default: without cloud-init, nobody does, and \
                  an account without a password has no other way to root.",
        sources: &[Source::ImageBuilder],
        find: Find::files(&["/etc/sudoers.d/90-cloud-init-users"]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "sudoers-builders",
        heading: "Sudo rights of image builders",
        explain: "Drop-ins of Packer and Vagrant that let the build's account become root without a password.",
        sources: &[Source::Outscale("O6"), Source::Own],
        find: Find::files(&[
            "/etc/sudoers.d/_packer_env",
            "/etc/sudoers.d/*packer*",
            "/etc/sudoers.d/99_tmp_*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "second-factors",
        heading: "Second factors",
        explain: "Seeds and key handles of TOTP and U2F logins. Users enrol again.",
        sources: &[Source::Outscale("O4"), Source::Attackers, Source::Own],
        find: Find::files(&[
            "~/.google_authenticator",
            "~/.config/Yubico/*",
            "~/.yubico/*",
            "/etc/users.oath",
            "/var/yubico/*",
        ]),
        action: Action::Remove,
        default: true,
    },
];
