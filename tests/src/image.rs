//! Image files: where their volumes lie, as raw bytes, and as digests.

use std::{
    fs,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use filesystem::{Content, Extent, Layout, PhysicalVolume};

use crate::{
    Result,
    program::{diskscrub, run},
};

/// A volume with a filesystem.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Partition number.
    pub number: u32,
    /// What it holds.
    pub content: Content,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Where it lies on the disk, if in more than one piece or in several copies: of each copy the pieces, in their
    /// order.
    pub pieces: Vec<Vec<Extent>>,
}

/// The image as a raw file: itself, or a copy that qemu-img makes in `scratch`.
pub fn raw(image: &Path, scratch: &Path, name: &str) -> Result<PathBuf> {
    let mut magic = [0; 4];
    let mut file = fs::File::open(image).map_err(|error| format!("{}: {error}", image.display()))?;
    let whole = file.read_exact(&mut magic).is_ok();
    if !whole || magic != *b"QFI\xfb" {
        return Ok(image.to_owned());
    }
    let raw = scratch.join(name);
    run("qemu-img", [Path::new("convert"), Path::new("-O"), Path::new("raw"), image, &raw])?;
    Ok(raw)
}

/// The volumes of a raw image.
pub fn volumes(raw: &Path) -> Result<Vec<Volume>> {
    let image =
        block::open(raw, &block::OpenOptions { format: Some(block::Format::Raw), ..Default::default() })
            .map_err(|error| format!("{}: {error}", raw.display()))?;
    let layout: Layout =
        filesystem::layout(&image.device, None).map_err(|error| format!("{}: {error}", raw.display()))?;
    Ok(volumes_of(layout))
}

/// The volumes of a layout.
pub fn volumes_of(layout: Layout) -> Vec<Volume> {
    let volumes = layout.volumes.into_iter().map(|volume| Volume {
        number: volume.number,
        content: volume.content,
        start: volume.extents.first().map_or(0, |extent| extent.start),
        len: volume.extents.iter().map(|extent| extent.len).sum(),
        pieces: if volume.extents.len() == 1 && volume.copies.is_empty() {
            Vec::new()
        } else {
            [vec![volume.extents], volume.copies].concat()
        },
    });
    volumes.collect()
}

/// A file that holds a volume in one piece, and the volume as it lies there: the image itself, or else a copy that is
/// made in `scratch`. The copies of a mirror must not differ.
pub fn in_one_piece(raw: &Path, volume: &Volume, scratch: &Path, name: &str) -> Result<(PathBuf, Volume)> {
    if volume.pieces.is_empty() {
        return Ok((raw.to_owned(), volume.clone()));
    }
    let gather = |pieces: &[Extent]| -> io::Result<Vec<u8>> {
        let mut from = fs::File::open(raw)?;
        let mut bytes = Vec::new();
        for piece in pieces {
            from.seek(io::SeekFrom::Start(piece.start))?;
            from.by_ref().take(piece.len).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    let file = scratch.join(name);
    let mut first = None;
    for pieces in &volume.pieces {
        let bytes = gather(pieces).map_err(|error| format!("{}: {error}", raw.display()))?;
        match &first {
            None => first = Some(bytes),
            // Legs of an input may differ where nothing lies.
            Some(first) if name.starts_with("after") && *first != bytes => {
                return Err(format!("volume {}: its legs differ", volume.number));
            }
            Some(_) => {}
        }
    }
    let bytes = first.unwrap_or_default();
    fs::write(&file, bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok((file, Volume { start: 0, pieces: Vec::new(), ..volume.clone() }))
}

/// The LVM2 physical volumes of a raw image.
pub fn physical(raw: &Path) -> Result<Vec<PhysicalVolume>> {
    let options = block::OpenOptions { format: Some(block::Format::Raw), ..Default::default() };
    let layout = block::open(raw, &options).and_then(|image| filesystem::layout(&image.device, None));
    Ok(layout.map_err(|error| format!("{}: {error}", raw.display()))?.physical)
}

/// A volume's bytes as a file of its own, with holes where they are zero.
pub fn extract(raw: &Path, volume: &Volume, to: &Path) -> Result<()> {
    let (from, to) = (format!("if={}", raw.display()), format!("of={}", to.display()));
    let (skip, count) = (format!("skip={}", volume.start), format!("count={}", volume.len));
    let flags = ["iflag=skip_bytes,count_bytes", "conv=sparse", "bs=64K", "status=none"];
    run("dd", [&*from, &*to, &*skip, &*count].into_iter().chain(flags))?;
    // What is sparse at the end is not there yet.
    let file = fs::OpenOptions::new().write(true).open(&to[3..]).and_then(|file| file.set_len(volume.len));
    file.map_err(|error| format!("{to}: {error}"))
}

/// The digest of a file's bytes.
pub fn digest(path: &Path) -> Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    hasher.update_reader(file).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(hasher.finalize())
}

/// Cleans `image`, which has to succeed.
pub fn clean(image: &Path, output: &Path, arguments: &[&str]) -> Result<String> {
    let mut all: Vec<&std::ffi::OsStr> = vec!["clean".as_ref(), "--quiet".as_ref(), image.as_ref()];
    all.extend(["-o".as_ref(), output.as_os_str()]);
    all.extend(arguments.iter().map(std::ffi::OsStr::new));
    run(&diskscrub().to_string_lossy(), all)
}
