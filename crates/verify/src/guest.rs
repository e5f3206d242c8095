//! A disk's volumes with trees, laid out as its guest mounts them.

use filesystem::{Filesystem, Layout, Result, Volume};
use scan::{DeviceName, Guest, VolumeSource};

/// A volume with a tree, and its index in the layout.
pub(crate) type Tree<'a> = (usize, &'a Volume, Box<dyn Filesystem + 'a>);

/// The guest; its volumes are numbered as in the layout.
pub(crate) fn guest<'a>(layout: &Layout, trees: &'a [Tree<'_>]) -> Result<Guest<'a>> {
    let sources = trees.iter().map(|(index, volume, filesystem)| VolumeSource {
        volume: *index,
        filesystem: &**filesystem,
        names: DeviceName::of(layout, volume),
    });
    Guest::open(sources.collect())
}
