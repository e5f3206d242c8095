//! Whether a guest's boot runs cloud-init, and whether that brings the network up: what it does is not left to others.

use filesystem::{FileKind, Result};

use crate::Guest;

/// Where the program is.
pub const PROGRAMS: [&str; 3] = ["/usr/bin/cloud-init", "/usr/local/bin/cloud-init", "/usr/sbin/cloud-init"];
/// Units that all others of its need.
const UNITS: [&str; 4] =
    ["cloud-init.target", "cloud-init.service", "cloud-init-network.service", "cloud-init-main.service"];

/// Why it does nothing at boot, as a clause, although it is installed.
pub fn off(guest: &Guest<'_>) -> Result<Option<&'static str>> {
    if guest.resolve(b"/etc/cloud/cloud-init.disabled")?.is_some() {
        return Ok(Some("/etc/cloud/cloud-init.disabled is there"));
    }
    let identify = guest.read_file(b"/etc/cloud/ds-identify.cfg")?.unwrap_or_default();
    let identify = String::from_utf8_lossy(&identify).replace(' ', "");
    if identify.lines().any(|line| line.starts_with("policy:disabled")) {
        return Ok(Some("/etc/cloud/ds-identify.cfg disables it"));
    }
    for unit in UNITS {
        let path = format!("/etc/systemd/system/{unit}");
        let Some(node) = guest.resolve_at(path.as_bytes(), false)? else { continue };
        let Some(filesystem) = guest.filesystem(node.volume).filter(|_| node.kind == FileKind::Symlink)
        else {
            continue;
        };
        if filesystem.link_target(node.inode)? == b"/dev/null" {
            return Ok(Some("its units are masked"));
        }
    }
    Ok(None)
}

/// Whether it is installed and not off.
pub fn runs(guest: &Guest<'_>) -> Result<bool> {
    for program in PROGRAMS {
        if guest.resolve(program.as_bytes())?.is_some() {
            return Ok(off(guest)?.is_none());
        }
    }
    Ok(false)
}

/// Whether it writes the configuration of the network of a new instance: it runs, and no `network: {config: disabled}`
/// leaves that to others.
pub(crate) fn configures_network(guest: &Guest<'_>) -> Result<bool> {
    if !runs(guest)? {
        return Ok(false);
    }
    let mut files = vec![b"/etc/cloud/cloud.cfg".to_vec()];
    if let Some(directory) = guest.resolve(b"/etc/cloud/cloud.cfg.d")? {
        let entries = guest.list(&directory)?.into_iter();
        let names = entries.map(|entry| entry.name).filter(|name| name.ends_with(b".cfg"));
        files.extend(names.map(|name| [b"/etc/cloud/cloud.cfg.d/".as_slice(), &name].concat()));
    }
    for file in files {
        let content = guest.read_file(&file)?.unwrap_or_default();
        // In braces, or on a line of its own.
        let disabled = |line: &str| {
            let line = line.split('#').next().unwrap_or_default().replace([' ', '"', '\''], "");
            line.contains("config:disabled")
        };
        if String::from_utf8_lossy(&content).lines().any(disabled) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use ::tests::sketch::Tree;

    use super::*;
    use crate::VolumeSource;

    #[test]
    fn what_keeps_it_from_running() {
        for (tree, runs_, network) in [
            ("/etc/passwd", false, false),
            ("/usr/bin/cloud-init", true, true),
            ("/usr/bin/cloud-init\n/etc/cloud/cloud-init.disabled =", false, false),
            ("/usr/bin/cloud-init\n/etc/cloud/ds-identify.cfg = policy: disabled\\n", false, false),
            ("/usr/bin/cloud-init\n/etc/systemd/system/cloud-init.service -> /dev/null", false, false),
            ("/usr/bin/cloud-init\n/etc/systemd/system/cloud-init.service -> /usr/lib/x", true, true),
            (
                "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg.d/99.cfg = network: {config: disabled}\\n",
                true,
                false,
            ),
            (
                "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = network:\\n  config: \"disabled\" # x\\n",
                true,
                false,
            ),
            ("/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = # network: {config: disabled}\\n", true, true),
        ] {
            let filesystem = Tree::new(&format!("/etc/os-release = ID=debian\n{tree}"));
            let source = VolumeSource { volume: 0, filesystem: &filesystem, names: Vec::new() };
            let guest = Guest::open(vec![source]).unwrap();
            assert_eq!(
                (runs(&guest).unwrap(), configures_network(&guest).unwrap()),
                (runs_, network),
                "{tree}"
            );
        }
    }
}
