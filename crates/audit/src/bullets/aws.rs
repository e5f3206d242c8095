//! AWS, "Guidelines for shared Linux AMIs": headings and paragraphs in the order of the document.

use super::ALL_SECRETS;
use crate::{
    Bullet,
    Question::{Check, Readable, Residue, Rules, Secrets, Undecidable, UserKeys},
};

pub(crate) const BULLETS: &[Bullet] = &[
    Bullet {
        id: "A1",
        asks: "Update the AMI tools at boot time.",
        does: "Says how old the installed packages are. What a guest downloads when it starts is not in an image.",
        questions: &[
            Check("package-age"),
            Undecidable(
                "updates happen at boot: build from current packages, or let cloud-init upgrade them",
            ),
        ],
    },
    Bullet {
        id: "A2",
        asks: "Disable password-based remote logins for root.",
        does: "Sets PermitRootLogin to prohibit-password wherever sshd would take another value from.",
        questions: &[Rules, Check("sshd-root"), Check("cloud-init-passwords")],
    },
    Bullet {
        id: "A3",
        asks: "Disable local root access: lock root's password.",
        does: "Locks every account's password, root's too, as `passwd -l` does, and drops the old hashes.",
        questions: &[
            Readable("password-hashes", &["/etc/passwd", "/etc/shadow", "/etc/tcb/root/shadow"]),
            Check("root-password"),
        ],
    },
    Bullet {
        id: "A4",
        asks: "Remove SSH host key pairs.",
        does: "Removes them, wherever HostKey says they are, and looks whether the first boot makes new ones.",
        questions: &[Rules, Check("host-key-maker")],
    },
    Bullet {
        id: "A5",
        asks: "Hidden copies of removed files may be left: journal, snapshots, backups, caches.",
        does: "Copies nothing but live bytes, and reads the result byte by byte.",
        questions: &[Residue],
    },
    Bullet {
        id: "A6",
        asks: "Install public key credentials at boot, so that somebody can log in.",
        does: "Looks for what installs the key of the instance's owner, and for an account that it opens.",
        questions: &[Rules, Check("login-key"), Check("login")],
    },
    Bullet {
        id: "A7",
        asks: "Clear authorized_keys before rebundling.",
        does: "Removes them in every home, and where AuthorizedKeysFile says.",
        questions: &[Rules],
    },
    Bullet {
        id: "A8",
        asks: "Disable sshd's DNS checks (optional).",
        does: "Says what UseDNS is; the rule `sshd-no-dns` sets it to no where that is wanted.",
        questions: &[Check("sshd-dns")],
    },
    Bullet {
        id: "A9",
        asks: "Leave out directories with secrets, users' key pairs and authorized_keys above all.",
        does: "Removes them by rule, by --remove GLOB, and looks for secrets by content.",
        questions: &[Rules, ALL_SECRETS],
    },
    Bullet {
        id: "A10",
        asks: "Leave out all user-owned SSH key pairs.",
        does: "Removes them in every home, and looks by content anywhere for SSH's private keys, and for those in PEM but \
               where programs have theirs.",
        questions: &[Rules, UserKeys],
    },
    Bullet {
        id: "A11",
        asks: "Delete the shell history.",
        does: "Removes every shell's history in every home.",
        questions: &[Rules],
    },
    Bullet {
        id: "A12",
        asks: "Shells write their history again at logout.",
        does: "Works on an image that nobody is logged in to, so nothing is written afterwards.",
        questions: &[Rules],
    },
    Bullet {
        id: "A13",
        asks: "Other programs write histories, too: remove needless dot files.",
        does: "Removes the histories of editors, database clients, interpreters and pagers.",
        questions: &[Rules],
    },
    Bullet {
        id: "A14",
        asks: "Keep the private key and X.509 certificate of bundling, and other credentials, out of the image.",
        does: "Removes pk-*.pem and cert-*.pem, and looks for AWS credentials and private keys by content: a TLS \
               server's, too, is one of the other credentials.",
        questions: &[
            Rules,
            Secrets(&[
                "Private keys",
                "aws-access-key-id",
                "aws-secret-access-key",
                "aws-session-token",
                "aws-bedrock-key",
            ]),
        ],
    },
    Bullet {
        id: "A15",
        asks: "Identify yourself: describe the AMI where users look for it.",
        does: "Writes a description to paste: system, packages, what was checked.",
        questions: &[Check("identity"), Undecidable("publishing the description is the publisher's")],
    },
    Bullet {
        id: "A16",
        asks: "AWS looks for host keys in public AMIs, and makes those private that have some.",
        does: "Exits with 1 while one is left, so that a pipeline stops first.",
        questions: &[Rules],
    },
];
