//! One walk over everything that a guest has on its volumes. Each directory once, to a bounded depth.

use std::{collections::HashSet, rc::Rc};

use block::Result;
use filesystem::{Entry, FileKind, Metadata};
use scan::GuestPath;

use crate::System;

/// Deepest directory that is followed.
const MAX_DEPTH: usize = 512;
/// What a booted guest mounts over, and what holds other systems with accounts of their own.
const LEFT_OUT: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/lib/lxc",
    "/var/lib/lxd",
    "/var/lib/incus",
    "/var/lib/machines",
    "/var/lib/flatpak",
    "/ostree",
];

struct Pending {
    path: Rc<[u8]>,
    inode: filesystem::InodeId,
    depth: usize,
}

/// Calls `visit` for every name but what is [left out](LEFT_OUT): its path, and what its inode says.
pub(crate) fn walk(
    system: &System<'_, '_>,
    visit: &mut dyn FnMut(&GuestPath, &Metadata) -> Result<()>,
) -> Result<()> {
    for mount in system.guest().mounts() {
        let Some(root) = mount.filesystem.root() else { continue };
        let start = mount.mount_point.strip_suffix(b"/").unwrap_or(&mount.mount_point);
        let mut seen = HashSet::from([root]);
        let mut stack = vec![Pending { path: Rc::from(start), inode: root, depth: 0 }];
        while let Some(directory) = stack.pop() {
            let mut entries = Vec::new();
            mount.filesystem.entries(directory.inode, &mut |entry| {
                entries.push(entry);
                Ok(())
            })?;
            let mut below = Vec::new();
            for Entry { name, inode, kind } in entries {
                let path = GuestPath([&*directory.path, b"/", &name].concat());
                if LEFT_OUT.iter().any(|left_out| left_out.as_bytes() == path.0) {
                    continue;
                }
                visit(&path, &mount.filesystem.metadata(inode)?)?;
                // With a second name for a directory, the number of paths has no bound.
                if kind == FileKind::Directory && directory.depth < MAX_DEPTH && seen.insert(inode) {
                    below.push(Pending { path: Rc::from(path.0), inode, depth: directory.depth + 1 });
                }
            }
            stack.extend(below.into_iter().rev());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn every_name_once() {
        with_system("/a/b/c\n/proc/x\n/srv/d -> /a", |system| {
            let mut seen = Vec::new();
            walk(system, &mut |path, _| {
                seen.push(path.to_string());
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, ["/a", "/etc", "/srv", "/a/b", "/a/b/c", "/etc/os-release", "/srv/d"]);
        });
    }
}
