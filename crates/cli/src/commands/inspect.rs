//! `diskscrub inspect`: what is in an image, without judging it.

use std::{fmt::Write, path::Path, process::ExitCode};

use block::{ImageInfo, Overlay};
use sanitize::Inspection;
use serde::Serialize;

use super::Input;
use crate::{
    args::InspectArgs,
    bar::Bar,
    confine,
    failure::Failure,
    human::{self, line},
    output,
};

#[derive(Serialize)]
struct InspectReport {
    container: Container,
    /// The disks that were joined to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further: Vec<Further>,
    #[serde(flatten)]
    inspection: Inspection,
}

/// The image file itself.
#[derive(Serialize)]
struct Container {
    format: String,
    virtual_size: u64,
    file_size: u64,
    allocated_size: u64,
    cluster_size: Option<u64>,
    backing: Vec<String>,
    snapshots: Vec<String>,
    bitmaps: Vec<String>,
    notes: Vec<String>,
}

/// A further disk's file.
#[derive(Serialize)]
struct Further {
    path: String,
    #[serde(flatten)]
    container: Container,
}

impl Further {
    fn new(path: &Path, info: &ImageInfo) -> Self {
        Self {
            path: block::visible(&path.display().to_string()).into_owned(),
            container: Container::new(info),
        }
    }
}

impl Container {
    fn new(info: &ImageInfo) -> Self {
        let version = info.version.map_or_else(String::new, |version| format!(" v{version}"));
        Self {
            format: format!("{}{version}", info.format),
            virtual_size: info.virtual_size,
            file_size: info.file_size,
            allocated_size: info.allocated_size,
            cluster_size: info.cluster_size,
            backing: info
                .backing
                .iter()
                .map(|path| block::visible(&path.display().to_string()).into_owned())
                .collect(),
            snapshots: info.snapshots.iter().map(|snapshot| block::printable(&snapshot.name)).collect(),
            bitmaps: info.bitmaps.iter().map(|name| block::printable(name)).collect(),
            notes: info.notes.clone(),
        }
    }
}

/// Shows an image's layout, filesystems, operating system and users.
pub(crate) fn run(args: &InspectArgs) -> Result<ExitCode, Failure> {
    let input = Input::open(&args.input)?;
    let device = input.device()?;
    let sector_size = super::sector_size(&args.input, &device);
    confine::files(input.reach());
    let mut view = Overlay::new(device);
    let bar = Bar::new(args.input.json);
    let inspection = input.steadily(|| {
        sanitize::inspect(&mut view, sector_size, &bar)
            .map_err(|error| Failure::image(&args.input.label(), &error))
    })?;
    drop(bar);
    let further = input.images().skip(1).map(|(path, image)| Further::new(path, &image.info));
    let report = InspectReport {
        container: Container::new(&input.first().info),
        further: further.collect(),
        inspection,
    };
    if args.input.json {
        output::print_json(&report)?;
    } else {
        output::show(&text(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn container(text: &mut String, name: &str, container: &Container) {
    let Container { format, virtual_size, allocated_size, .. } = container;
    let (size, allocated) = (human::size(*virtual_size), human::size(*allocated_size));
    line!(text, "{name}{format}, {size} disk, {allocated} allocated");
    for (what, names) in [
        ("backing file", &container.backing),
        ("internal snapshot", &container.snapshots),
        ("bitmap", &container.bitmaps),
    ] {
        names.iter().for_each(|name| line!(text, "  {what} {name}"));
    }
}

fn text(report: &InspectReport) -> String {
    let mut text = String::new();
    container(&mut text, "", &report.container);
    for one in &report.further {
        container(&mut text, &format!("{}: ", one.path), &one.container);
    }
    let inspection = &report.inspection;
    for table in &inspection.tables {
        let id = match &*table.disk_id {
            "" => String::new(),
            id => format!(" {id}"),
        };
        let place = match table.start {
            0 => String::new(),
            start => format!("disk at {}: ", human::size(start)),
        };
        line!(text, "{place}{}{id}, sectors of {} bytes", table.table, table.sector_size);
    }
    for volume in &inspection.volumes {
        let name = if volume.name.is_empty() { String::new() } else { format!(" {:?}", volume.name) };
        line!(
            text,
            "  {} {} at {}, {}{name} ({})",
            volume.number,
            volume.content,
            human::size(volume.start),
            human::size(volume.size),
            volume.type_name
        );
        if let Some(filesystem) = &volume.filesystem {
            let dirty = if filesystem.dirty { ", journal to be replayed" } else { "" };
            let label = if filesystem.label.is_empty() { "no label" } else { &filesystem.label };
            line!(text, "      {}, {}, blocks of {}{dirty}", label, filesystem.uuid, filesystem.block_size);
            if !filesystem.features.is_empty() {
                line!(text, "      {}", filesystem.features.join(" "));
            }
            if let Some(place) = &volume.mount_point {
                line!(text, "      mounted on {place}");
            }
        }
    }
    line!(text, "{}", inspection.system.as_deref().unwrap_or("no operating system"));
    for user in &inspection.users {
        line!(text, "  {} {} {} {}", user.uid, user.name, user.home, user.shell);
    }
    let further = report.further.iter().flat_map(|one| &one.container.notes);
    for note in report.container.notes.iter().chain(further).chain(&inspection.notes) {
        line!(text, "note: {note}");
    }
    text
}
