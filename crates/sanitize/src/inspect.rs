//! What is in an image: layout, filesystems, operating system, users. Opaque volumes are named, not refused.

use filesystem::{Result, Summary};
use scan::{Overrides, Policy, Selection};
use serde::Serialize;

use crate::{
    View,
    plan::plan,
    progress::Progress,
    request::{OpaqueVolumes, Request},
};

/// What is in an image. Field names are the JSON's; names from the image are escaped where not printable.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// Kind of partition table.
    pub table: String,
    /// Disk identifier.
    pub disk_id: String,
    /// Bytes in a logical sector.
    pub sector_size: u32,
    /// The same of every disk: of this one first, then of those that are joined to it.
    pub tables: Vec<InspectedTable>,
    /// Its volumes.
    pub volumes: Vec<InspectedVolume>,
    /// The operating system's own name.
    pub system: Option<String>,
    /// The accounts of passwd.
    pub users: Vec<InspectedUser>,
    /// What there is to say.
    pub notes: Vec<String>,
}

/// The table of one disk.
#[derive(Debug, Serialize)]
pub struct InspectedTable {
    /// Where the disk begins; 0 unless it is joined to another.
    pub start: u64,
    /// Kind of partition table.
    pub table: String,
    /// Disk identifier.
    pub disk_id: String,
    /// Bytes in a logical sector.
    pub sector_size: u32,
}

/// One volume.
#[derive(Debug, Serialize)]
pub struct InspectedVolume {
    /// Partition number; 0: the whole disk, or a gap.
    pub number: u32,
    /// Offset on the disk in bytes.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
    /// The type that the table declares.
    pub type_name: String,
    /// The name that the table gives it; `group/name` of a logical volume.
    pub name: String,
    /// What it holds.
    pub content: String,
    /// Where the guest mounts it.
    pub mount_point: Option<String>,
    /// What its filesystem says of itself.
    pub filesystem: Option<InspectedFilesystem>,
}

/// One filesystem.
#[derive(Debug, Serialize)]
pub struct InspectedFilesystem {
    /// Label.
    pub label: String,
    /// UUID.
    pub uuid: String,
    /// Bytes in a block or cluster.
    pub block_size: u32,
    /// Features, by the names of its own tools.
    pub features: Vec<String>,
    /// Whether a journal has to be replayed.
    pub dirty: bool,
}

/// One account.
#[derive(Debug, Serialize)]
pub struct InspectedUser {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Home.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

impl From<&Summary> for InspectedFilesystem {
    fn from(summary: &Summary) -> Self {
        Self {
            label: block::printable(&summary.label),
            uuid: summary.uuid.clone(),
            block_size: summary.block_size,
            features: summary.features.clone(),
            dirty: summary.dirty,
        }
    }
}

/// Looks at an image. Journals are replayed in the overlay, so that what is shown is what a guest would see.
pub fn inspect(view: &mut View, sector_size: Option<u32>, progress: &dyn Progress) -> Result<Inspection> {
    let nothing = Policy::built_in("none").expect("the policy is built in");
    let selection = Selection::new(&nothing, &Overrides::default()).expect("nothing is selected");
    let request = Request {
        selection: &selection,
        create: &[],
        opaque: OpaqueVolumes::Keep,
        drop_unowned: true,
        sector_size,
        list_files: false,
        workers: 1,
    };
    let mut plan = plan(view, &request, progress)?;
    plan.notes.retain(|note| !note.ends_with("NOT CLEANED"));
    let reasons =
        plan.layout.volumes.iter().filter_map(|volume| Some((volume.number, volume.reason.as_ref()?)));
    plan.notes.extend(reasons.map(|(number, reason)| format!("volume {number}: {reason}")));
    let volumes = plan.layout.volumes.iter().zip(&plan.volumes).map(|(volume, facts)| InspectedVolume {
        number: volume.number,
        start: volume.extents.first().map_or(0, |extent| extent.start),
        size: plan.layout.size_of(volume),
        type_name: volume.type_name.clone(),
        name: block::printable(&volume.name),
        content: facts.summary.as_ref().map_or_else(|| volume.content.to_string(), |s| s.kind.to_owned()),
        mount_point: facts.mount_point.as_ref().map(ToString::to_string),
        filesystem: facts.summary.as_ref().map(InspectedFilesystem::from),
    });
    let tables = plan.layout.of_each_disk(&*view).into_iter().map(|(extent, layout)| InspectedTable {
        start: extent.start,
        table: layout.table.to_string(),
        disk_id: layout.disk_id,
        sector_size: layout.sector_size,
    });
    Ok(Inspection {
        table: plan.layout.table.to_string(),
        disk_id: plan.layout.disk_id.clone(),
        sector_size: plan.layout.sector_size,
        tables: tables.collect(),
        volumes: volumes.collect(),
        system: plan.system.as_ref().map(|system| block::printable(&system.pretty_name)),
        users: plan
            .users
            .iter()
            .map(|user| InspectedUser {
                name: block::printable(&user.name),
                uid: user.uid,
                home: user.home.to_string(),
                shell: block::printable(&user.shell),
            })
            .collect(),
        notes: plan.notes,
    })
}
