//! 3DS OUTSCALE, "Guidelines for Building OUTSCALE Machine Images": bullets in the order of the document.
//!
//! O14 to O24 stand under Windows. Some of them can be asked of Linux, too, and are; none of them is ever met here,
//! because what they ask of Windows is not read yet.

use crate::{
    Bullet,
    Question::{Check, NotYet, Residue, Rules, Secrets, Undecidable, UserKeys},
};

const WINDOWS: &str = "Nothing yet: registry and event logs of Windows are not read.";

pub(crate) const BULLETS: &[Bullet] = &[
    Bullet {
        id: "O1",
        asks: "Disable services and protocols that authenticate users in clear text.",
        does: "Names enabled servers of telnet, rsh, FTP, TFTP, SNMP v1 and v2, POP and IMAP without TLS, and others.",
        questions: &[Rules, Check("clear-text-services")],
    },
    Bullet {
        id: "O2",
        asks: "Start no needless network service at creation.",
        does: "Names every enabled service and socket that listens, beyond those that administration needs.",
        questions: &[Check("network-services")],
    },
    Bullet {
        id: "O3",
        asks: "Securely delete all OUTSCALE credentials.",
        does: "Removes the files of OUTSCALE's tools, looks for its keys by content, and copies no deleted byte.",
        questions: &[
            Rules,
            Secrets(&["outscale-access-key", "outscale-secret-key", "aws-secret-access-key"]),
            Residue,
        ],
    },
    Bullet {
        id: "O4",
        asks: "Securely delete any third-party credentials.",
        does: "Removes what a hundred programs keep them in, looks for tokens by content, and copies no deleted byte.",
        questions: &[
            Rules,
            Secrets(&[
                "Stores of keys and passwords",
                "Clouds",
                "Source code, packages, builds",
                "Services",
                "Networks",
                "The web",
            ]),
            Check("registered-agents"),
            Residue,
        ],
    },
    Bullet {
        id: "O5",
        asks: "Securely delete any additional certificates or key material.",
        does: "Removes private keys and key stores, looks for them by content, and copies no deleted byte.",
        questions: &[
            Rules,
            Secrets(&["Private keys", "Stores of keys and passwords"]),
            Check("certificates"),
            Residue,
        ],
    },
    Bullet {
        id: "O6",
        asks: "No default internal accounts and passwords in installed software.",
        does: "Tries the usual passwords on every hash, and names accounts without one, and twins of root.",
        questions: &[Rules, Check("default-passwords"), Check("uid-zero"), Check("sudo-rights")],
    },
    Bullet {
        id: "O7",
        asks: "Let sshd take public keys only.",
        does: "Sets PubkeyAuthentication, PasswordAuthentication and KbdInteractiveAuthentication wherever sshd would \
               take another value from.",
        questions: &[Rules, Check("sshd-passwords"), Check("cloud-init-passwords")],
    },
    Bullet {
        id: "O8",
        asks: "Make a unique SSH host key when the VM is created.",
        does: "Removes those of the build, and looks for what makes new ones.",
        questions: &[Rules, Check("host-key-maker")],
    },
    Bullet {
        id: "O9",
        asks: "Remove and disable the passwords of all accounts.",
        does: "Locks them all, keeping the accounts, and drops the old hashes.",
        questions: &[Rules, Secrets(&["Hashes of passwords"]), Check("cloud-init-passwords")],
    },
    Bullet {
        id: "O10",
        asks: "Securely delete all users' SSH key pairs.",
        does: "Removes them in every home, looks by content for SSH's private keys, and for those in PEM but where programs \
               have theirs, and copies no deleted byte.",
        questions: &[Rules, UserKeys, Residue],
    },
    Bullet {
        id: "O11",
        asks: "Securely delete shell histories and logs with sensitive data.",
        does: "Removes every history and every log, and copies no deleted byte.",
        questions: &[Rules, Residue],
    },
    Bullet {
        id: "O12",
        asks: "Remove SSH host key pairs.",
        does: "Removes them, wherever HostKey says they are, and copies no deleted byte.",
        questions: &[Rules, Residue],
    },
    Bullet {
        id: "O13",
        asks: "Install public key credentials at boot, so that somebody can log in.",
        does: "Looks for what installs the key of the VM's owner, and for an account that it opens.",
        questions: &[Rules, Check("login-key"), Check("login")],
    },
    Bullet {
        id: "O14",
        asks: "Windows: new random passwords for all enabled accounts on creation.",
        does: WINDOWS,
        questions: &[NotYet],
    },
    Bullet {
        id: "O15",
        asks: "Windows: the guest account is disabled.",
        does: WINDOWS,
        questions: &[NotYet],
    },
    Bullet { id: "O16", asks: "Windows: the event log is cleared.", does: WINDOWS, questions: &[NotYet] },
    Bullet { id: "O17", asks: "Windows: not joined to a domain.", does: WINDOWS, questions: &[NotYet] },
    Bullet {
        id: "O18",
        asks: "Windows: no file shares that anybody can reach.",
        does: WINDOWS,
        questions: &[NotYet],
    },
    Bullet {
        id: "O19",
        asks: "Windows: a repeatable process to build, update and publish.",
        does: "For Windows, nothing yet. For every image: same input, same policy, same bytes out; the report has \
               both digests.",
        questions: &[NotYet],
    },
    Bullet {
        id: "O20",
        asks: "Windows: the most up-to-date system and packages.",
        does: "For Windows, nothing yet. On Linux, says how old the installed packages are.",
        questions: &[Check("package-age"), NotYet],
    },
    Bullet {
        id: "O21",
        asks: "Windows: no guest and no Remote Desktop accounts.",
        does: WINDOWS,
        questions: &[NotYet],
    },
    Bullet {
        id: "O22",
        asks: "Windows: no needless services and programs.",
        does: "For Windows, nothing yet. On Linux, names setuid and world-writable files that no package brings.",
        questions: &[Check("permissions"), NotYet],
    },
    Bullet {
        id: "O23",
        asks: "Windows: no credentials of the VM, such as its key pair, in the image.",
        does: "For Windows, nothing yet. On Linux, key pairs are O5's and O10's.",
        questions: &[NotYet],
    },
    Bullet {
        id: "O24",
        asks: "Windows: passwords of administrators are fit for sharing.",
        does: WINDOWS,
        questions: &[NotYet],
    },
    Bullet {
        id: "O25",
        asks: "Test the image before sharing it.",
        does: "Checks volumes and trees. Only a start tells whether the system comes up.",
        questions: &[Undecidable("start a VM from the image, log in with its key, and look at its services")],
    },
    Bullet {
        id: "O26",
        asks: "Identify yourself: publish a detailed description.",
        does: "Writes a description to paste: system, packages, what was checked.",
        questions: &[Check("identity"), Undecidable("publishing the description is the publisher's")],
    },
];
