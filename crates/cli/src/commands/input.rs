//! The disks that the command line names, opened read-only: one, or several of a machine that are read as one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use block::{BlockRead, Cached, FileId, Image, Joined, Window};
use filesystem::Layout;
use sandbox::Reach;

use super::open_options;
use crate::{args::InputArgs, failure::Failure, reports};

impl InputArgs {
    /// Every disk, in the order in which they are joined.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.input).chain(&self.disk).map(PathBuf::as_path)
    }

    /// What a message calls them all.
    pub(crate) fn label(&self) -> PathBuf {
        let paths: Vec<String> = self.paths().map(|path| path.display().to_string()).collect();
        paths.join(", ").into()
    }

    /// Another image, to be read alone and for what it is.
    pub(crate) fn of(&self, image: &Path) -> Self {
        Self { input: image.to_owned(), disk: Vec::new(), format: None, ..self.clone() }
    }
}

/// Open images, in the order of the command line; at least one.
#[derive(Clone)]
pub(crate) struct Input(Arc<[(PathBuf, Image)]>);

impl Input {
    /// Opens what the command line names. Each file counts once.
    pub(crate) fn open(args: &InputArgs) -> Result<Self, Failure> {
        let mut images: Vec<(PathBuf, Image)> = Vec::new();
        for path in args.paths() {
            let image =
                block::open(path, &open_options(args)).map_err(|error| Failure::image(path, &error))?;
            let same = |other: &(PathBuf, Image)| other.1.info.files.first() == image.info.files.first();
            if let Some((other, _)) = images.iter().find(|other| same(other)) {
                return Err(Failure::usage(format_args!(
                    "{}: is {}, which is named already",
                    path.display(),
                    other.display()
                )));
            }
            images.push((path.to_owned(), image));
        }
        Ok(Self(images.into()))
    }

    /// The first image.
    pub(crate) fn first(&self) -> &Image {
        &self.0[0].1
    }

    /// Each image, and how it was named.
    pub(crate) fn images(&self) -> impl ExactSizeIterator<Item = (&Path, &Image)> {
        self.0.iter().map(|(path, image)| (path.as_path(), image))
    }

    /// Does what reads the images, and refuses what came of it if one was written to meanwhile: an error of a reader is
    /// then no word on the image, and a result is of none that ever was. Who writes to a device is not seen.
    pub(crate) fn steadily<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let outcome = work();
        for (path, image) in self.images() {
            match image.changed() {
                Ok(None) => {}
                Ok(Some(changed)) => return Err(Failure::changed(changed)),
                // What failed before says more.
                Err(error) => return outcome.and(Err(Failure::image(path, &error.into()))),
            }
        }
        outcome
    }

    /// The files that were opened, which may be opened again.
    pub(crate) fn reach(&self) -> Reach {
        let mut reach = Reach::default();
        self.reach_too(&mut reach);
        reach
    }

    /// The same, added to others.
    pub(crate) fn reach_too(&self, reach: &mut Reach) {
        self.images().flat_map(|(_, image)| image.paths()).for_each(|path| {
            reach.read(path);
        });
    }

    /// All disks as one, which remembers small reads.
    pub(crate) fn device(&self) -> Result<Arc<dyn BlockRead>, Failure> {
        let disks: Vec<_> = self.images().map(|(_, image)| Arc::clone(&image.device)).collect();
        if let [disk] = &disks[..] {
            return Ok(Arc::new(Cached::new(Arc::clone(disk))));
        }
        let joined = Joined::new(disks).map_err(|error| Failure::image(&self.0[0].0, &error.into()))?;
        Ok(Arc::new(Cached::new(joined)))
    }

    /// Every file that was opened.
    pub(crate) fn files(&self) -> Vec<FileId> {
        self.images().flat_map(|(_, image)| image.info.files.iter().copied()).collect()
    }

    /// What a report says of them.
    pub(crate) fn about(&self, args: &InputArgs) -> report::Image {
        let sizes = self.images().map(|(_, image)| image.device.size());
        reports::image(&args.label(), self.first().info.format, sizes.sum())
    }
}

/// How volumes and offsets of further disks are to be read, a sentence for each.
pub(crate) fn further(paths: &[&Path], layout: &Layout) -> Vec<String> {
    let behind = paths.iter().skip(1).zip(&layout.further);
    let sentence = |(path, disk): (&&Path, &filesystem::Disk)| {
        format!(
            "{} is joined: its bytes count from {} on, its partitions as volumes from {} on",
            block::visible(&path.display().to_string()),
            disk.extent.start,
            disk.above.saturating_add(1)
        )
    };
    behind.map(sentence).collect()
}

/// Brings home what a volume's journal holds, for whoever only reads: one that was unmounted is left as it is.
pub(crate) fn replay(view: &mut sanitize::View, volume: &filesystem::Volume) -> filesystem::Result<()> {
    let mut filesystem = filesystem::open_mut(Window::new(view, &volume.extents)?, volume.content)?;
    if filesystem.summary()?.dirty {
        filesystem.recover()?;
    }
    Ok(())
}
