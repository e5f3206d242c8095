//! From a volume and what it holds to the filesystem on it.

use block::{BlockRead, BlockWrite, Object, Result, Unsupported};

use crate::{Content, Filesystem, FilesystemMut, Swap, ext::Ext, fat::Fat, xfs::Xfs};

/// Opens what [`identify`](crate::identify) found on a volume, to read.
pub fn open<'d>(device: impl BlockRead + 'd, content: Content) -> Result<Box<dyn Filesystem + 'd>> {
    match content {
        Content::Ext => Ok(Box::new(Ext::open(device)?)),
        Content::Fat => Ok(Box::new(Fat::open(device)?)),
        Content::Xfs => Ok(Box::new(Xfs::open(device)?)),
        Content::Swap => Ok(Box::new(Swap::open(device)?)),
        other => Err(unsupported(other)),
    }
}

/// Opens what [`identify`](crate::identify) found on a volume, on a view that can be edited.
pub fn open_mut<'d>(device: impl BlockWrite + 'd, content: Content) -> Result<Box<dyn FilesystemMut + 'd>> {
    match content {
        Content::Ext => Ok(Box::new(Ext::open(device)?)),
        Content::Fat => Ok(Box::new(Fat::open(device)?)),
        Content::Xfs => Ok(Box::new(Xfs::open(device)?)),
        Content::Swap => Ok(Box::new(Swap::open(device)?)),
        other => Err(unsupported(other)),
    }
}

fn unsupported(content: Content) -> block::Error {
    Unsupported::new(Object::the("volume"), format!("content {content}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpaqueKind;

    #[test]
    fn what_is_not_read_is_named() {
        let error =
            open(vec![0; 4096], Content::Opaque(OpaqueKind::Luks)).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("volume: content crypto_LUKS is not supported"));
    }
}
