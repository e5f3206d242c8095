//! What the OpenSSH server accepts: settings that both guidelines ask for.

use crate::{Action, Also, Find, Kinds, Rule, Source, edits::EditId};

/// Every file that the configuration reaches.
const CONFIGURATION: Find = Find {
    paths: &["/etc/ssh/sshd_config"],
    kinds: Kinds::Files,
    also: Some(Also::SshdConfig),
    ..Find::NOTHING
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "sshd-root-login",
        heading: "No root login with a password over SSH",
        explain: "PermitRootLogin becomes `prohibit-password` wherever it is `yes`: in sshd_config, in every file \
                  that it includes, and in Match blocks, so that the order of files does not matter. Where no line \
                  is for everybody, one is added in the place of the commented default, or in front of the first \
                  Match. `no`, `forced-commands-only` and all other lines stay. An OpenSSH older than 7.0, and one \
                  whose version its program does not tell, gets `without-password`, the older word for the same. \
                  Root still comes in with a key. A configuration that sshd would not understand is left alone \
                  whole, and noted.",
        sources: &[Source::Aws("A2"), Source::Outscale("O7")],
        find: CONFIGURATION,
        action: Action::Edit(EditId::SshdRootLogin),
        default: false,
    },
    Rule {
        id: "sshd-pubkey",
        heading: "Logins with keys over SSH",
        explain: "PubkeyAuthentication becomes `yes`, as under `sshd-root-login`, so that the new owner's key works. A \
                  `no` in a Match block for some accounts or addresses takes something away from them: it stays, \
                  and is noted.",
        sources: &[Source::Aws("A6"), Source::Outscale("O7")],
        find: CONFIGURATION,
        action: Action::Edit(EditId::SshdPubkey),
        default: false,
    },
    Rule {
        id: "sshd-no-passwords",
        heading: "No logins with passwords over SSH",
        explain: "PasswordAuthentication and KbdInteractiveAuthentication become `no`, as under `sshd-root-login`, in \
                  cloud-init's drop-in and in Match blocks too. Before OpenSSH 8.7, and where the version is not \
                  known, ChallengeResponseAuthentication is what decides over keyboard-interactive: then that is \
                  added. Where AuthenticationMethods lets nobody in without a password, no rule changes anything in the \
                  configuration, and that is noted: sshd would let nobody in at all. Off by default: without cloud-init or an agent that \
                  brings a key, a password may be the only way in. `ssh_pwauth: true` in cloud-init's configuration or \
                  the user data of an instance brings passwords back.",
        sources: &[Source::Outscale("O7"), Source::Aws("A6")],
        find: CONFIGURATION,
        action: Action::Edit(EditId::SshdNoPasswords),
        default: false,
    },
    Rule {
        id: "sshd-no-dns",
        heading: "No look-up of clients' names by sshd",
        explain: "UseDNS becomes `no`, as under `sshd-root-login`, so that a broken DNS does not delay logins. Since \
                  OpenSSH 6.8 that is the default. Off in all policies: the AWS guidelines call it optional, and `from=` \
                  with host names in authorized_keys needs the look-up.",
        sources: &[Source::Aws("A8")],
        find: CONFIGURATION,
        action: Action::Edit(EditId::SshdNoDns),
        default: false,
    },
];
