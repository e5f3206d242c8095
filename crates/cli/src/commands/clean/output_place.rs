//! Where the copying mode writes: a file that has no name until it is good, or a block device.
//!
//! A device has no second place to keep an unfinished image in. Its first mebibyte is written last, and is made zero
//! again if the image turns out not to be good: no failure leaves a device that looks like an image.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use block::{
    AHEAD_PIECE, BlockRead, DirectRead, Extent, FileId, Format, Image, ImageWriter, Medium, OpenOptions,
    OutputFile, RawImage, Target, Window, is_zero, read_ahead, to_usize,
    write::{DeviceWriter, FRONT, OutputFormat, RawWriter},
};
use filesystem::{Layout, Result, TableKind};

use super::confirm;
use crate::{args::CleanArgs, failure::Failure, human};

pub(super) enum OutputPlace {
    File(OutputFile),
    Device(Target),
}

impl OutputPlace {
    /// Starts an output of the disk of `size` bytes in the image at `from`. A device is claimed, and nothing is written to it yet.
    pub(super) fn create(
        args: &CleanArgs,
        from: &Path,
        path: &Path,
        inputs: &[FileId],
        size: u64,
    ) -> Result<Self, Failure> {
        let output_failure = |error: io::Error| Failure::output(path, &error);
        if !block::is_device(path) {
            let output =
                OutputFile::create(path, args.force, inputs).map_err(|error| Failure::naming(&error))?;
            narrow(&output, from).map_err(output_failure)?;
            return Ok(Self::File(output));
        }
        confirm::can_ask(args.overwriting.yes, path)?;
        let target = Target::open(path).map_err(|error| Failure::target(path, error))?;
        if target.shares_bytes_with(inputs).map_err(output_failure)? {
            return Err(Failure::usage(format_args!(
                "{}: is the input, has its bytes, or is what it builds on: --in-place cleans an image where it lies",
                path.display()
            )));
        }
        if target.size() < size {
            return Err(Failure::usage(format_args!(
                "{}: the image needs {size} bytes, the device has {}",
                path.display(),
                target.size()
            )));
        }
        let all = human::size(target.size());
        confirm::ask(
            args.overwriting.yes,
            format_args!("{}: all {all} will be overwritten.", path.display()),
        )?;
        Ok(Self::Device(target))
    }

    /// The file that has no name yet, if it is one.
    pub(super) fn unnamed(&self) -> Option<&OutputFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Device(_) => None,
        }
    }

    /// What whoever reads a device will not find on it: partitions are counted in sectors, and looked for by the device's.
    pub(super) fn sector_note(&self, layout: &Layout) -> Option<String> {
        let Self::Device(target) = self else { return None };
        let device = target.sector_size().filter(|&device| device != layout.sector_size)?;
        (layout.table != TableKind::None).then(|| {
            format!(
                "the partition table counts sectors of {} bytes, and the device has sectors of {device}: no system finds \
                 its partitions there",
                layout.sector_size
            )
        })
    }

    /// Whether both are the same place.
    pub(super) fn is(&self, other: &Self) -> io::Result<bool> {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one.same_name(other),
            (Self::Device(one), Self::Device(other)) => Ok(one.id()? == other.id()?),
            _ => Ok(false),
        }
    }

    /// The open file.
    pub(super) fn handle(&self) -> &File {
        match self {
            Self::File(file) => file.file(),
            Self::Device(target) => target.file(),
        }
    }

    pub(super) fn writer(
        &self,
        format: OutputFormat,
        size: u64,
        threads: usize,
        input: Option<&File>,
    ) -> Result<Box<dyn ImageWriter>> {
        match self {
            Self::File(file) => {
                let file = file.file().try_clone()?;
                Ok(match (format, input) {
                    (OutputFormat::Raw, Some(input)) => Box::new(RawWriter::new(file, size)?.sharing(input)?),
                    _ => block::write::create(file, format, size, threads)?,
                })
            }
            Self::Device(target) => Ok(Box::new(DeviceWriter::new(Box::new(target.medium()?), size)?)),
        }
    }

    /// What was written, read again; of a device, past the system's memory, and up to the device's end.
    pub(super) fn written(&self, format: Format, size: u64) -> Result<Image> {
        let options = OpenOptions { format: Some(format), ..OpenOptions::default() };
        RawImage::without_read_ahead(self.handle());
        let mut image = block::open_file(self.handle().try_clone()?, &options)?;
        if let Self::Device(target) = self {
            let device: Arc<dyn BlockRead> = Arc::new(DirectRead::new(target.file())?);
            check_tail(&device, size)?;
            image.device = Arc::new(Window::new(device, &[Extent::between(0, size)])?);
        }
        Ok(image)
    }

    /// Gives a file its name.
    pub(super) fn publish(self, path: &Path) -> io::Result<()> {
        match self {
            Self::File(file) => file.publish(),
            Self::Device(target) => target.file().sync_all().map_err(|error| {
                io::Error::new(error.kind(), format!("{}: syncing it to disk: {error}", path.display()))
            }),
        }
    }

    /// Leaves nothing that could be taken for an image.
    pub(super) fn discard(self) -> Result<(), Failure> {
        let Self::Device(target) = self else { return Ok(()) };
        let clear = || {
            let mut medium = target.medium()?;
            medium.zero(Extent::between(0, FRONT.min(target.size())))?;
            medium.flush()
        };
        clear()
            .map_err(|error| Failure::output(target.path(), &error).but("it holds an image that is not good"))
    }

    /// The same after a failure that came when all was written.
    pub(super) fn spoil(self, failure: Failure) -> Failure {
        if self.unnamed().is_some() {
            return failure;
        }
        match self.discard() {
            Ok(()) => failure.but("the device holds no image"),
            Err(worse) => worse,
        }
    }
}

/// Behind the image, a device is zero.
fn check_tail(device: &Arc<dyn BlockRead>, size: u64) -> io::Result<()> {
    let starts = (size..device.size()).step_by(to_usize(AHEAD_PIECE));
    let pieces = starts.map(|start| Ok((Extent::between(start, device.size().min(start + AHEAD_PIECE)), ())));
    let read = |offset: u64, buf: &mut [u8]| device.read_at(offset, buf);
    read_ahead(&read, pieces, |piece, (), bytes| match is_zero(bytes?) {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "the device does not read as zero behind the image, from offset {} on",
            piece.start
        ))),
    })
}

/// The output can be read by nobody who could not read the input: what stays in it may be private, too.
fn narrow(output: &OutputFile, input: &Path) -> io::Result<()> {
    let input = fs::metadata(input)?;
    let file = output.file();
    let mut permissions = file.metadata()?.permissions();
    if input.is_file() {
        permissions.set_mode(permissions.mode() & input.permissions().mode());
        // Whoever runs this can write the output.
        permissions.set_mode(permissions.mode() | 0o600);
        file.set_permissions(permissions)?;
    }
    Ok(())
}
