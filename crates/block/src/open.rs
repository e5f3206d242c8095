//! Opens an image file as a device, with everything it stands on.
//!
//! Only the named file is opened unless the caller allows more: an image comes from someone else, and the names in
//! it could point at any file of this machine. Every file is opened read-only. No name reaches the network.

use std::{
    ffi::OsStr,
    fs::File,
    io, iter,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    BlockRead, Error, FileId, Object, Result, Unsupported,
    container::Container,
    probe::probe,
    qcow2::{Caches, Compression, Qcow2File, Qcow2Image, Side, Snapshot},
    raw::RawImage,
    to_usize,
    watch::Watched,
};

/// Longest chain of images, the first one included.
const CHAIN_MAX: u32 = 64;

/// The format of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes, from the first to the last.
    Raw,
    /// QEMU's copy-on-write format, versions 2 and 3.
    Qcow2,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        })
    }
}

/// What [`open`] may do. The default: tell the format by its magic number, and open no other file.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The image's format, whatever it looks like. A raw disk can be made to look like anything by its guest.
    pub format: Option<Format>,
    /// Whether files that the image names (backing files, a data file) may be opened.
    pub allow_backing: bool,
    /// The format of a backing file whose image does not record it. Never guessed: a guest that can write to a raw
    /// backing file could make it look like an image that names any file.
    pub backing_format: Option<Format>,
}

/// An open image.
pub struct Image {
    /// What a guest would see.
    pub device: Arc<dyn BlockRead>,
    /// What the image says of itself.
    pub info: ImageInfo,
    /// The file itself, where it is the disk, byte for byte.
    raw: Option<File>,
    /// The qcow2 files of the chain, the image itself first.
    layers: Vec<(PathBuf, Arc<Qcow2Image>)>,
    /// Every file that was opened.
    watched: Vec<Watched>,
}

impl Image {
    /// The open file, if it is the disk byte for byte: its blocks are the disk's.
    #[must_use]
    pub fn raw(&self) -> Option<&File> {
        self.raw.as_ref()
    }

    /// The files of the chain that hold more than a disk's bytes, one after the other. A raw file does not.
    pub fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        self.layers.iter().flat_map(|(path, image)| {
            let data = image.data_path().map(|path| Container { path, image, side: Side::Data });
            iter::once(Container { path, image, side: Side::Image }).chain(data)
        })
    }

    /// The names by which the files of the chain were opened, the image's first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.watched.iter().map(Watched::path)
    }

    /// The first file of the chain that is not as it was when it was opened: what was read of it before and after does
    /// not belong together. Of block devices this says nothing.
    pub fn changed(&self) -> io::Result<Option<&Path>> {
        for file in &self.watched {
            if file.has_changed()? {
                return Ok(Some(file.path()));
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What an image says of itself. Names are as they stand in the image, unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Format of the file that was opened.
    pub format: Format,
    /// Size of the disk in bytes.
    pub virtual_size: u64,
    /// Length of the file in bytes.
    pub file_size: u64,
    /// Bytes that the file takes in its filesystem; less than its length if it is sparse.
    pub allocated_size: u64,
    /// qcow2: 2 or 3.
    pub version: Option<u32>,
    /// qcow2: bytes of a cluster.
    pub cluster_size: Option<u64>,
    /// qcow2: how compressed clusters, if there are any, are compressed.
    pub compression: Option<Compression>,
    /// The files below this one, from the next to the last.
    pub backing: Vec<PathBuf>,
    /// qcow2: the file that holds the clusters of the image itself.
    pub data_file: Option<PathBuf>,
    /// Every file that was opened, data files of backing files included. None of them may be written.
    pub files: Vec<FileId>,
    /// qcow2: internal snapshots. The device does not show them.
    pub snapshots: Vec<Snapshot>,
    /// qcow2: names of persistent bitmaps. The device does not show them.
    pub bitmaps: Vec<String>,
    /// Anything else worth a sentence.
    pub notes: Vec<String>,
}

/// One file of the chain, opened; what it names is not.
enum Layer {
    Raw(RawImage),
    Qcow2 { image: Box<Qcow2File>, data: Option<(PathBuf, RawImage)> },
}

impl Layer {
    /// Its external data file.
    fn data(&self) -> Option<&(PathBuf, RawImage)> {
        match self {
            Self::Qcow2 { data, .. } => data.as_ref(),
            Self::Raw(_) => None,
        }
    }
}

/// Opens the image at `path`, and with `options.allow_backing` the files it stands on.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Image> {
    open_layers(RawImage::open(path)?, path, options, None)
}

/// Opens the disk of an internal snapshot of the image at `path`: the one of that number in
/// [`ImageInfo::snapshots`]. Its memory, if it has any, is no part of the disk.
pub fn open_snapshot(path: &Path, options: &OpenOptions, number: usize) -> Result<Image> {
    open_layers(RawImage::open(path)?, path, options, Some(number))
}

/// Opens an image by its file, which needs no name: one that is not published yet. It must stand alone.
pub fn open_file(file: File, options: &OpenOptions) -> Result<Image> {
    let options = OpenOptions { allow_backing: false, ..options.clone() };
    open_layers(RawImage::new(file)?, Path::new(""), &options, None)
}

fn open_layers(
    first: RawImage,
    path: &Path,
    options: &OpenOptions,
    snapshot: Option<usize>,
) -> Result<Image> {
    // Watched before the first byte is read.
    let mut seen = vec![Watched::new(path, first.file())?];
    let format = options.format.map_or_else(|| probe(&first), Ok)?;
    let metadata = first.file().metadata()?;
    let (file_size, allocated_size) = (first.size(), metadata.blocks().saturating_mul(512));
    let raw = (format == Format::Raw).then(|| first.file().try_clone()).transpose()?;

    let mut below = Vec::new();
    let mut layers = vec![layer(first, format, path, options)?];
    match (snapshot, &mut layers[0]) {
        (None, _) => {}
        (Some(number), Layer::Qcow2 { image, .. }) => image.select(number)?,
        (Some(_), Layer::Raw(_)) => return Err(unsupported("a snapshot of a raw image")),
    }
    while let Some(Layer::Qcow2 { image, .. }) = layers.last()
        && let Some((name, format)) = backing_of(image, options)?
    {
        let path = resolve(below.last().map_or(path, PathBuf::as_path), &name);
        let file = open_named("backing file", &path)?;
        let watched = Watched::new(&path, file.file())?;
        if seen.iter().any(|other| other.id() == watched.id()) {
            return Err(chain().corrupt(
                "backing file",
                shown(&name),
                "a file that is not in the chain already",
            ));
        }
        if seen.len() == usize::try_from(CHAIN_MAX).expect("64 fits") {
            return Err(unsupported(format!("a chain of more than {CHAIN_MAX} files")));
        }
        seen.push(watched);
        layers.push(layer(file, format, &path, options)?);
        below.push(path);
    }

    let data = layers.iter().filter_map(Layer::data);
    let data = data.map(|(path, file)| Watched::new(path, file.file()));
    seen.extend(data.collect::<io::Result<Vec<_>>>()?);
    let mut info = ImageInfo {
        format,
        virtual_size: 0,
        file_size,
        allocated_size,
        version: None,
        cluster_size: None,
        compression: None,
        backing: below,
        data_file: None,
        files: seen.iter().map(Watched::id).collect(),
        snapshots: Vec::new(),
        bitmaps: Vec::new(),
        notes: Vec::new(),
    };
    let caches = Caches::new();
    let mut qcow2 = Vec::new();
    let mut device: Option<Box<dyn BlockRead>> = None;
    for (number, layer) in (0..).zip(layers).collect::<Vec<(u32, Layer)>>().into_iter().rev() {
        device = Some(match layer {
            Layer::Raw(file) => Box::new(file),
            Layer::Qcow2 { image, data } => {
                let image = Arc::new(image.attach(data, device.take(), number, &caches));
                if number == 0 {
                    info.data_file = image.data_path().map(Path::to_owned);
                    describe(&image, &mut info)?;
                }
                let path = number.checked_sub(1).map_or(path, |below| &info.backing[to_usize(below.into())]);
                qcow2.push((path.to_owned(), Arc::clone(&image)));
                Box::new(image)
            }
        });
    }
    let device = device.expect("the chain holds at least the image itself");
    info.virtual_size = device.size();
    qcow2.reverse();
    Ok(Image { device: device.into(), info, raw, layers: qcow2, watched: seen })
}

fn describe(image: &Qcow2Image, info: &mut ImageInfo) -> Result<()> {
    info.version = Some(image.version());
    info.cluster_size = Some(image.cluster_size());
    info.compression = Some(image.compression());
    info.snapshots = image.snapshots()?;
    info.bitmaps = image.bitmaps()?;
    info.notes = image.notes();
    Ok(())
}

/// Reads the file's header, and opens its data file.
fn layer(file: RawImage, format: Format, path: &Path, options: &OpenOptions) -> Result<Layer> {
    if format == Format::Raw {
        return Ok(Layer::Raw(file));
    }
    let image = Box::new(Qcow2File::new(file)?);
    if !image.has_data_file() {
        return Ok(Layer::Qcow2 { image, data: None });
    }
    let Some(name) = image.data_file_name() else {
        return Err(unsupported("an external data file whose name is not recorded"));
    };
    check_name("external data file", name, options)?;
    let path = resolve(path, name);
    let data = open_named("external data file", &path)?;
    Ok(Layer::Qcow2 { image, data: Some((path, data)) })
}

/// Name and format of the image's backing file, if it has one and it may be opened.
fn backing_of(image: &Qcow2File, options: &OpenOptions) -> Result<Option<(Vec<u8>, Format)>> {
    let Some(name) = image.backing_name() else { return Ok(None) };
    check_name("backing file", name, options)?;
    let format = match image.backing_format() {
        Some(b"qcow2") => Format::Qcow2,
        Some(b"raw" | b"file" | b"host_device") => Format::Raw,
        Some(other) => {
            return Err(unsupported(format!("backing file {} of format {}", shown(name), shown(other))));
        }
        None => options.backing_format.ok_or_else(|| {
            let name = shown(name);
            unsupported(format!("backing file {name} of unrecorded format (say which with --backing-format)"))
        })?,
    };
    Ok(Some((name.to_vec(), format)))
}

/// Refuses what may not be opened, before it is.
fn check_name(what: &str, name: &[u8], options: &OpenOptions) -> Result<()> {
    // As in QEMU: a colon before any slash ends a protocol's name.
    let special = name.iter().find(|&&byte| byte == b'/' || byte == b':');
    if special == Some(&b':') {
        return Err(unsupported(format!("{what} {}, which names a protocol,", shown(name))));
    }
    if !options.allow_backing {
        return Err(unsupported(format!("{what} {} without --allow-backing", shown(name))));
    }
    Ok(())
}

/// A relative name starts at the directory of the file that holds it.
fn resolve(holder: &Path, name: &[u8]) -> PathBuf {
    holder.parent().unwrap_or(Path::new("")).join(OsStr::from_bytes(name))
}

fn open_named(what: &str, path: &Path) -> Result<RawImage> {
    RawImage::open(path)
        .map_err(|error| Error::Io(std::io::Error::new(error.kind(), format!("{what} {path:?}: {error}"))))
}

fn chain() -> Object {
    Object::the("qcow2 image")
}

fn unsupported(feature: impl Into<String>) -> Error {
    Unsupported::new(chain(), feature).into()
}

/// A name from the image, quoted and printable.
fn shown(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}
