//! Which format a file has, by its magic numbers. Formats that are not read are recognised, so that none of them
//! is taken for a raw disk.

use crate::{BlockRead, Error, Object, Result, Unsupported, open::Format, raw::RawImage, to_u64};

/// Bytes from the front that the magic numbers lie in.
const FRONT: u64 = 128;
/// A fixed VHD and an UDIF image are known by their last sector.
const FOOTER: u64 = 512;

/// Offset and bytes of a magic number, and the format's name.
const UNREAD: &[(usize, &[u8], &str)] = &[
    (0, b"KDMV", "VMDK"),
    (0, b"COWD", "VMDK"),
    (0, b"# Disk DescriptorFile", "VMDK"),
    (0, b"vhdxfile", "VHDX"),
    (0, b"conectix", "VHD"),
    (64, &[0x7f, 0x10, 0xda, 0xbe], "VDI"),
    (0, b"QED\0", "QED"),
    (0, b"WithoutFreeSpace", "Parallels"),
    (0, b"WithouFreSpacExt", "Parallels"),
    (0, b"Bochs Virtual HD Image", "Bochs"),
    (0, b"EVF\x09\x0d\x0a\xff\x00", "EWF"),
    (0, b"EVF2\x0d\x0a\x81\x00", "EWF2"),
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
];

const UNREAD_FOOTERS: &[(&[u8], &str)] = &[(b"conectix", "VHD"), (b"koly", "DMG")];

/// `Raw` is what no magic number speaks against.
pub(crate) fn probe(file: &RawImage) -> Result<Format> {
    let front = crate::raw::read_up_to(file, Object::the("image's header"), 0, FRONT)?;
    if front.starts_with(b"QFI\xfb") {
        return Ok(Format::Qcow2);
    }
    for (offset, magic, name) in UNREAD {
        if front.get(*offset..).is_some_and(|bytes| bytes.starts_with(magic)) {
            return Err(unread(name));
        }
    }
    if file.size() >= FOOTER {
        let footer =
            crate::raw::read_up_to(file, Object::the("image's footer"), file.size() - FOOTER, FOOTER)?;
        debug_assert_eq!(to_u64(footer.len()), FOOTER);
        if let Some((_, name)) = UNREAD_FOOTERS.iter().find(|(magic, _)| footer.starts_with(magic)) {
            return Err(unread(name));
        }
    }
    Ok(Format::Raw)
}

fn unread(name: &str) -> Error {
    Unsupported::new(Object::the("image"), format!("{name} format")).into()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt};

    use super::*;

    fn probe_with(offset: u64, magic: &[u8]) -> Result<Format> {
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        file.write_all_at(magic, offset).unwrap();
        probe(&RawImage::new(file).unwrap())
    }

    #[test]
    fn every_magic_is_known() {
        assert_eq!(probe_with(0, b"").unwrap(), Format::Raw);
        assert_eq!(probe_with(0, b"QFI\xfb\0\0\0\x03").unwrap(), Format::Qcow2);
        for (offset, magic, name) in UNREAD {
            let error = probe_with(to_u64(*offset), magic).unwrap_err();
            assert_eq!(error.to_string(), format!("image: {name} format is not supported"));
        }
        let error = probe_with(4096 - 512, b"conectix").unwrap_err();
        assert_eq!(error.to_string(), "image: VHD format is not supported");
        let empty = RawImage::new(tempfile::tempfile().unwrap()).unwrap();
        assert_eq!(probe(&empty).unwrap(), Format::Raw);
    }
}
