//! The databases of package managers: which files packages brought, and the sums of their content.
//!
//! They are part of the image: whoever changed a file could have changed its sum, and a package may be nobody else's.

mod apk;
mod dpkg;
mod read;

use filesystem::{Filesystem, InodeId, Result};
use scan::Guest;

use read::Kinds;
pub(crate) use read::{Budget, Sum};

/// Bytes of files that are compared with a package's. What is larger than what is left of them is not: a sparse file
/// may be of any size.
pub(crate) const CONTENT: u64 = 4 << 30;
/// Bytes of lists that are read. A distribution's largest have 30 MiB.
const LISTS: u64 = 512 << 20;

/// What a list says of a file.
pub(crate) struct Listed<'a> {
    pub(crate) package: &'a [u8],
    /// Absolute, as the package has it: the guest's links and mounts may lead elsewhere.
    pub(crate) path: &'a [u8],
    pub(crate) sum: Sum,
    /// Made to be changed.
    pub(crate) configuration: bool,
}

type Visit<'a> = dyn FnMut(Listed<'_>) -> Result<()> + 'a;

/// The databases of a guest.
pub(crate) struct Packages<'g> {
    guest: &'g Guest<'g>,
    kinds: Kinds,
}

/// What could not be read of the lists.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread {
    /// Lists that are damaged.
    pub(crate) damaged: u64,
    /// Whether there are more than may be read.
    pub(crate) too_long: bool,
}

impl<'g> Packages<'g> {
    /// Those that can be read; `None` if there is none.
    pub(crate) fn of(guest: &'g Guest<'g>) -> Result<Option<Self>> {
        let kinds = Kinds { md5: dpkg::is_there(guest)?, sha1: apk::is_there(guest)? };
        Ok((kinds != Kinds::default()).then_some(Self { guest, kinds }))
    }

    /// Visits all that is listed with a sum. Fails if the medium does, or `visit`.
    pub(crate) fn visit(&self, visit: &mut Visit<'_>) -> Result<Unread> {
        let mut budget = Budget::new(LISTS);
        let mut damaged = 0;
        if self.kinds.md5 {
            damaged += dpkg::visit(self.guest, &mut budget, visit)?;
        }
        if self.kinds.sha1 {
            damaged += apk::visit(self.guest, &mut budget, visit)?;
        }
        Ok(Unread { damaged, too_long: budget.is_over() })
    }

    /// The sums of a file's content, of the kinds that the lists have; `None` if it is larger than what may still be
    /// read.
    pub(crate) fn sums(
        &self,
        filesystem: &dyn Filesystem,
        inode: InodeId,
        budget: &mut Budget,
    ) -> Result<Option<impl Iterator<Item = Sum> + use<>>> {
        read::sums(filesystem, inode, self.kinds, budget)
    }
}
