//! Which bytes of an image file are of use, and whose the others are: see [`crate::container`].
//!
//! What is of use comes from the same reader that reads for the guest, and from checked numbers; the reasons for all
//! other bytes come from tables that may be wrong. So the first are exact, or an error, and the second only names.

mod clusters;
mod label;
mod live;
mod refcounts;
mod runs;

use super::Qcow2Image;
use crate::{Extent, Result, container::ContainerUse, raw::RawImage};

use clusters::Clusters;
use refcounts::Refcounts;

/// Which of an image's own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The qcow2 file.
    Image,
    /// The external data file.
    Data,
}

impl Qcow2Image {
    /// Whether it has an external data file.
    pub(crate) fn has_data_file(&self) -> bool {
        self.data.is_some()
    }

    /// One of its own files.
    pub(crate) fn side(&self, side: Side) -> &RawImage {
        match side {
            Side::Image => &self.file,
            Side::Data => self.data(),
        }
    }

    /// See [`crate::container::Container::unused`].
    pub(crate) fn unused(
        &self,
        side: Side,
        visit: &mut dyn FnMut(Extent, ContainerUse) -> Result<()>,
    ) -> Result<()> {
        let file = self.side(side);
        let mut clusters = Clusters::new(file, self.geometry.cluster_bits, self.geometry.extended)?;
        live::guest(self, side, &mut clusters)?;
        label::active(self, side, &mut clusters)?;
        let mut refcounts = None;
        if side == Side::Image {
            live::tables(self, &mut clusters)?;
            label::snapshots(self, &mut clusters)?;
            label::bitmaps(self, &mut clusters)?;
            refcounts = Some(Refcounts::new(self));
        }
        let mut counted = |cluster| refcounts.as_mut().map_or(Ok(false), |counts| counts.counted(cluster));
        clusters.unused(&mut counted, visit)
    }
}
