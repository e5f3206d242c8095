//! What an image needs on its first boot, made where nothing else does it.

use crate::{Action, Find, Helper, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "first-boot-host-keys",
        heading: "A unit that makes SSH host keys",
        explain: "Where sshd and systemd are installed, and neither cloud-init (unless it is disabled) nor a distribution's own unit makes host \
                  keys: a unit that runs `ssh-keygen -A` before sshd if there is no key. Without it sshd does not \
                  start once the keys of the build are gone. Nothing is made where something else does it.",
        sources: &[Source::Outscale("O8"), Source::Aws("A4")],
        find: Find::NOTHING,
        action: Action::Create(Helper::HostKeys),
        default: false,
    },
    Rule {
        id: "first-boot-login-key",
        heading: "A unit that brings the owner's key",
        explain: "Where neither cloud-init (unless it is disabled) nor a cloud's agent is installed: a unit and a script that ask the metadata \
                  service (both versions) for the public key of the instance, check that it is one, and add it to \
                  root's authorized_keys, once for each instance. It needs curl or wget, and an sshd that lets \
                  root in with a key: under `PermitRootLogin no`, or where AllowUsers and its kin keep root out, \
                  nothing is made, and that is said. Nor is anything made where rc.local asks the metadata service. A unit of \
                  one's own that does so is not known: `--skip` this rule then.",
        sources: &[Source::Aws("A6"), Source::Outscale("O13")],
        find: Find::NOTHING,
        action: Action::Create(Helper::LoginKey),
        default: false,
    },
];
