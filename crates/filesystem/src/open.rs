//! A volume's filesystem by what the volume holds.

use block::{BlockRead, BlockWrite, Object, Result, Unsupported};

use crate::{Content, Filesystem, FilesystemMut, ext::Ext, fat::Fat};

/// Opens the filesystem of a volume for reading.
///
/// `Unsupported` names the content if it is none that diskscrub reads.
pub fn open<'d>(device: impl BlockRead + 'd, content: Content) -> Result<Box<dyn Filesystem + 'd>> {
    match content {
        Content::Ext => Ok(Box::new(Ext::open(device)?)),
        Content::Fat => Ok(Box::new(Fat::open(device)?)),
        other => Err(unreadable(other)),
    }
}

/// Opens the filesystem of a view of a volume for editing.
pub fn open_mut<'d>(device: impl BlockWrite + 'd, content: Content) -> Result<Box<dyn FilesystemMut + 'd>> {
    match content {
        Content::Fat => Ok(Box::new(Fat::open(device)?)),
        other => Err(unreadable(other)),
    }
}

fn unreadable(content: Content) -> block::Error {
    Unsupported::new(Object::the("volume"), content.to_string()).into()
}
