//! Where the copying mode writes each disk: one output for each that was given, all of them or none.
//!
//! Every output is complete and verified, with all the others, before the first gets its name.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use block::{
    BlockRead, Cached, Extent, Image, ImageWriter, Joined, OutputFile, Parted, to_u64, write::OutputFormat,
};
use filesystem::{Layout, Result};
use sandbox::Reach;

use super::{file_format, output_format, output_place::OutputPlace};
use crate::{args::CleanArgs, commands::Input, confine, failure::Failure, human, reports};

/// The outputs, in the order of the disks; at least one.
pub(super) struct Outputs(Vec<Output>);

struct Output {
    path: PathBuf,
    format: OutputFormat,
    /// Of its disk, among the disks that are joined.
    extent: Extent,
    place: OutputPlace,
}

impl Outputs {
    /// Starts one output for each disk of `device`.
    pub(super) fn create(args: &CleanArgs, input: &Input, device: &dyn BlockRead) -> Result<Self, Failure> {
        let disks = device.disks();
        if args.output.len() != disks.len() {
            let (disks, outputs) = (to_u64(disks.len()), to_u64(args.output.len()));
            let (disks, outputs) = (human::count(disks, "disk"), human::count(outputs, "output"));
            return Err(Failure::usage(format_args!(
                "{disks} and {outputs}: each disk needs one --output, in the order of the disks"
            )));
        }
        let files = input.files();
        let mut outputs: Vec<Output> = Vec::with_capacity(disks.len());
        for (((from, image), path), extent) in input.images().zip(&args.output).zip(disks) {
            let format = output_format(args, path, &image.info)?;
            let place = OutputPlace::create(args, from, path, &files, extent.len)?;
            for other in &outputs {
                if place.is(&other.place).map_err(|error| Failure::output(path, &error))? {
                    return Err(Failure::usage(format_args!("{}: is named for two disks", path.display())));
                }
            }
            outputs.push(Output { path: path.clone(), format, extent, place });
        }
        Ok(Self(outputs))
    }

    /// What a message calls them all.
    pub(super) fn label(&self) -> PathBuf {
        let paths: Vec<String> = self.0.iter().map(|output| output.path.display().to_string()).collect();
        paths.join(", ").into()
    }

    /// The first, which is all that there is of one disk.
    pub(super) fn first(&self) -> (&Path, &OutputPlace) {
        (&self.0[0].path, &self.0[0].place)
    }

    /// What a report says of them.
    pub(super) fn about(&self) -> report::Image {
        let size = self.0.iter().map(|output| output.extent.len).sum();
        reports::image(&self.label(), file_format(self.0[0].format), size)
    }

    /// The files that have no names yet.
    pub(super) fn unnamed(&self) -> Vec<&OutputFile> {
        self.0.iter().filter_map(|output| output.place.unnamed()).collect()
    }

    /// What has to stay in reach for them to be finished.
    pub(super) fn reach(&self, reach: &mut Reach) {
        for output in &self.0 {
            match output.place.unnamed() {
                Some(file) => confine::names(reach, [file]),
                None => confine::device(reach, &output.path),
            }
        }
    }

    /// Whether one of them is a device.
    pub(super) fn have_device(&self) -> bool {
        self.0.iter().any(|output| output.place.unnamed().is_none())
    }

    /// What whoever reads their devices will not find there, by the layout of the disks in `device`.
    pub(super) fn sector_notes(&self, device: &dyn BlockRead, layout: &Layout) -> Vec<String> {
        let each = self.0.iter().zip(layout.of_each_disk(device));
        each.filter_map(|(output, (_, layout))| output.place.sector_note(&layout)).collect()
    }

    /// Writes all disks, front to back. Each may share what is the same with its input.
    pub(super) fn writer(&self, input: &Input, threads: usize) -> Result<Box<dyn ImageWriter>> {
        let writer = |(output, (_, image)): (&Output, (&Path, &Image))| {
            output.place.writer(output.format, output.extent.len, threads, image.raw())
        };
        let mut each = self.0.iter().zip(input.images());
        if each.len() == 1 {
            return writer(each.next().expect("there is one"));
        }
        let each = each.map(|each| Ok((each.0.extent, writer(each)?)));
        Ok(Box::new(Parted::new(each.collect::<Result<_>>()?)))
    }

    /// What was written, read again: the images, and their disks as one.
    pub(super) fn written(&self) -> Result<(Vec<Image>, Arc<dyn BlockRead>)> {
        let read = |output: &Output| output.place.written(file_format(output.format), output.extent.len);
        let images: Vec<Image> = self.0.iter().map(read).collect::<Result<_>>()?;
        let device: Arc<dyn BlockRead> = match &images[..] {
            [image] => Arc::new(Cached::new(Arc::clone(&image.device))),
            images => {
                let disks = images.iter().map(|image| Arc::clone(&image.device)).collect();
                Arc::new(Cached::new(Joined::new(disks)?))
            }
        };
        Ok((images, device))
    }

    /// Gives each file its name. If one cannot have it, those before it have theirs, and are complete.
    pub(super) fn publish(self) -> Result<(), Failure> {
        let mut done: Vec<String> = Vec::new();
        for output in self.0 {
            let named = output.place.publish(&output.path);
            if let Err(error) = named {
                let failure = Failure::naming(&error);
                return Err(match &done[..] {
                    [] => failure,
                    done => failure.but(format_args!("complete: {}", done.join(", "))),
                });
            }
            done.push(output.path.display().to_string());
        }
        Ok(())
    }

    /// Leaves nothing that could be taken for an image.
    pub(super) fn discard(self) -> Result<(), Failure> {
        self.0.into_iter().map(|output| output.place.discard()).collect::<Vec<_>>().into_iter().collect()
    }

    /// The same after a failure that came when all was written.
    pub(super) fn spoil(self, failure: Failure) -> Failure {
        self.0.into_iter().fold(failure, |failure, output| output.place.spoil(failure))
    }
}
