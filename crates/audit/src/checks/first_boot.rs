//! What the first boot of a clone does: who makes host keys, who brings the owner's key, and whether it opens anything.

mod host_keys;
mod login;
mod login_key;

pub(super) use host_keys::HOST_KEY_MAKER;
pub(super) use login::LOGIN;
pub(super) use login_key::LOGIN_KEY;

use block::Result;

use crate::{
    System,
    services::{self, Service},
};

/// Servers of SSH.
const SERVERS: &[&str] =
    &["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/usr/sbin/dropbear", "/usr/bin/dropbear"];
/// Their units, sockets and scripts.
const SERVER_UNITS: &[&str] = &["ssh", "sshd", "dropbear", "ssh@", "sshd@", "dropbear@"];
/// Scripts that init runs last, as Red Hat, Debian and OUTSCALE's guideline have them.
const RC_LOCAL: &[&str] = &["/etc/rc.local", "/etc/rc.d/rc.local"];

/// The first enabled service, or rc.local, in whose text every one of these words stands, and that text.
fn says(system: &System<'_, '_>, enabled: &[Service], words: &[&[&str]]) -> Result<Option<(String, String)>> {
    let all = |text: &str| words.iter().all(|any| any.iter().any(|word| text.contains(word)));
    for path in RC_LOCAL {
        let Some(node) = system.resolve(path)? else { continue };
        // systemd runs it only if it may be executed.
        let runs = system.metadata(&node)?.mode & 0o111 != 0;
        if let Some(text) = services::small(system, path.as_bytes())?.filter(|_| runs) {
            let code: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with('#')).collect();
            let code = code.join("\n");
            if all(&code) {
                return Ok(Some(((*path).to_owned(), code)));
            }
        }
    }
    for service in enabled {
        if let Some(text) = services::texts(system, service)?.into_iter().find(|text| all(text)) {
            return Ok(Some((service.path.to_string(), text)));
        }
    }
    Ok(None)
}
