//! Scripts that SysV's init or OpenRC start in the runlevel of a normal boot.

use std::collections::{BTreeMap, HashSet};

use block::Result;
use filesystem::FileKind;

use super::{Service, Starter, systemd};
use crate::System;

/// Runlevels of a normal boot, where inittab(5) does not tell: Debian's, and Red Hat's.
const RUNLEVELS: &str = "2345";

/// Whether there is an init to start scripts: its directories of runlevels, or its table.
pub(super) fn is_there(system: &System<'_, '_>) -> Result<bool> {
    Ok(system.first(&["/etc/inittab", "/etc/rc2.d", "/etc/rc.d/rc3.d", "/etc/runlevels/default"])?.is_some())
}

/// Scripts that are started, but those that have a unit of systemd's, enabled or not: systemd goes by the unit.
pub(super) fn enabled(system: &System<'_, '_>, units: &[Service]) -> Result<Vec<Service>> {
    let mut found = BTreeMap::new();
    let inittab = system.text("/etc/inittab")?.unwrap_or_default();
    let default = inittab.lines().find_map(|line| line.strip_prefix("id:")?.strip_suffix(":initdefault:"));
    for level in default.unwrap_or(RUNLEVELS).chars().filter(|level| RUNLEVELS.contains(*level)) {
        for directory in [format!("/etc/rc{level}.d"), format!("/etc/rc.d/rc{level}.d")] {
            for item in system.list(directory.as_bytes())? {
                let name = String::from_utf8_lossy(&item.name).into_owned();
                // S20name
                let Some(name) = name.strip_prefix('S').and_then(|rest| rest.get(2..)) else { continue };
                if system.resolve(&item.path.to_string())?.is_some_and(|node| node.kind == FileKind::File) {
                    found.entry(name.to_owned()).or_insert(item.path);
                }
            }
        }
    }
    for level in ["sysinit", "boot", "default"] {
        for item in system.list(format!("/etc/runlevels/{level}").as_bytes())? {
            let name = String::from_utf8_lossy(&item.name).into_owned();
            found.entry(name).or_insert(item.path);
        }
    }
    let mut native = HashSet::new();
    if !units.is_empty() {
        for directory in systemd::DIRECTORIES {
            // A mask, too, whether it leads somewhere or not.
            native.extend(system.list(directory.as_bytes())?.into_iter().map(|item| item.name));
        }
    }
    let mut services = Vec::new();
    for (name, path) in found {
        if !native.contains(format!("{name}.service").as_bytes()) {
            services.push(Service { name, starter: Starter::Script, path, line: None, listens: Vec::new() });
        }
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    fn names(tree: &str) -> Vec<String> {
        with_system(tree, |system| {
            let units = systemd::enabled(system).unwrap();
            enabled(system, &units).unwrap().into_iter().map(|s| format!("{} {}", s.name, s.path)).collect()
        })
    }

    #[test]
    fn scripts_of_the_runlevel() {
        let scripts = "/etc/init.d/a\n/etc/init.d/b\n/etc/rc2.d/S20a -> ../init.d/a\n/etc/rc5.d/S20b -> ../init.d/b\n\
                       /etc/rc2.d/K20b -> ../init.d/b\n/etc/rc2.d/S30gone -> ../init.d/gone";
        assert_eq!(names(scripts), ["a /etc/rc2.d/S20a", "b /etc/rc5.d/S20b"]);
        let inittab = format!("{scripts}\n/etc/inittab = id:2:initdefault:\\n");
        assert_eq!(names(&inittab), ["a /etc/rc2.d/S20a"]);
        assert_eq!(
            names("/etc/runlevels/default/sshd -> /etc/init.d/sshd"),
            ["sshd /etc/runlevels/default/sshd"]
        );
    }

    #[test]
    fn a_unit_decides_for_its_script() {
        let tree = "/usr/lib/systemd/systemd\n/usr/lib/systemd/system/x.service = [Service]\n\
                    /usr/lib/systemd/system/graphical.target = [Unit]\\nWants=x.service\n\
                    /etc/init.d/a\n/etc/init.d/b\n/etc/rc2.d/S01a -> ../init.d/a\n/etc/rc2.d/S01b -> ../init.d/b\n\
                    /etc/systemd/system/b.service -> /dev/null";
        assert_eq!(names(tree), ["a /etc/rc2.d/S01a"]);
    }
}
