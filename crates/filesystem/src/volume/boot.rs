//! Boot code outside of filesystems: the MBR's own, and what it loads from behind the table.
//!
//! Code that is not understood is not guessed at. If unknown code could load what lies in the gap, or a board's
//! firmware could, the gap becomes an opaque volume, so that the caller has to decide about it.

use block::{
    BlockRead, Extent, ExtentSet, Object, Result, Unsupported,
    field::{Le16, Le64},
    to_u64, to_usize,
};

use super::{Content, LiveKind, LiveRegion, OpaqueKind, Volume, gpt::Geometry, guid, mbr::BOOT_CODE_LEN};

/// Where GRUB's boot.img has the address to load to: tells GRUB 2 from GRUB Legacy.
const KERNEL_ADDRESS: Le16 = Le16(0x5a);
/// Where boot.img has the sector to load: the first of the core image.
const KERNEL_SECTOR: Le64 = Le64(0x5c);
/// Value of [`KERNEL_ADDRESS`].
const LOADED_TO: u16 = 0x8000;
/// GRUB counts in BIOS sectors.
const BIOS_SECTOR: u64 = 512;
/// diskboot.img's block list: 12-byte records that grow down from here, ended by a count of zero.
const LAST_RECORD: usize = 0x1f4;
const RECORD_LEN: usize = 12;
const START: Le64 = Le64(0);
const COUNT: Le16 = Le16(8);
/// Below this lies diskboot.img's code: 0x1f4 less 14 records is far more than any core image needs.
const FIRST_RECORD: usize = 0x14c;

/// What the boot code in the MBR is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    /// All zero.
    None,
    /// GRUB 2's boot.img, which loads the sector at this BIOS sector number.
    Grub(u64),
    /// Loads the boot sector of a partition and nothing else.
    Chain(&'static str),
    Unknown,
}

/// What boot code needs, and what there is to say of it.
#[derive(Debug, Default)]
pub(super) struct Boot {
    pub(super) live: Vec<LiveRegion>,
    pub(super) notes: Vec<String>,
    /// A gap that may hold a boot loader.
    pub(super) gap: Option<Volume>,
}

/// Loaders that a board's boot ROM reads from fixed places of a disk.
const RAW_LOADERS: &[(&str, u64, &[u8])] = &[
    ("U-Boot SPL (Allwinner)", 8 << 10, b"eGON.BT0"),
    ("U-Boot SPL (Allwinner)", 128 << 10, b"eGON.BT0"),
    ("U-Boot (Rockchip)", 64 * 512, b"\x3b\x8c\xdc\xfc\xbe\x9f\x9d\x51"),
    ("U-Boot (Rockchip)", 64 * 512, b"RKNS"),
    ("U-Boot (i.MX)", 1 << 10, b"\xd1\0\x20\x40"),
    ("U-Boot (i.MX)", 1 << 10, b"\xd1\0\x20\x41"),
    ("U-Boot (i.MX)", 33 << 10, b"\xd1\0\x20\x41"),
    ("U-Boot (Amlogic)", 512 + 16, b"@AML"),
];

/// Finds what boot code needs. `gap` is what no table has before the first partition; `volumes` are all
/// partitions, of which BIOS boot and PReP ones get their content here.
pub(super) fn find(
    disk: &dyn BlockRead,
    geometry: Geometry,
    sector: &[u8],
    gap: &ExtentSet,
    volumes: &mut [Volume],
) -> Result<Boot> {
    let mut boot = Boot::default();
    let code = classify(&sector[..BOOT_CODE_LEN])?;
    if code != Code::None {
        boot.live.push(LiveRegion {
            extent: Extent { start: 0, len: to_u64(BOOT_CODE_LEN) },
            kind: LiveKind::BootCode,
        });
        boot.notes.push(format!("boot code in the MBR: {}, kept", describe(code)));
    }
    if let Code::Grub(first) = code {
        grub(disk, geometry, first, gap, volumes, &mut boot)?;
    }
    let live: ExtentSet = boot.live.iter().map(|region| region.extent).collect();
    for volume in volumes.iter_mut() {
        match volume.type_id.as_str() {
            guid::PREP | "41" => keep_whole(volume, &mut boot),
            guid::BIOS_BOOT => bios_boot(disk, code, &live, volume, &mut boot)?,
            _ => {}
        }
    }
    let unused = non_zero(disk, gap.difference(&live).iter())?;
    let loader = raw_loader(disk, gap)?;
    if let Some(name) = loader {
        boot.notes.push(format!("gap before the first partition: holds {name}"));
    }
    let grub_is_here = !gap.intersection(&live).is_empty();
    if unused > 0 && (loader.is_some() || code == Code::Unknown) && !grub_is_here {
        boot.notes.push(format!("gap before the first partition: {unused} bytes that may be a boot loader"));
        boot.gap = Some(Volume {
            extents: gap.iter().collect(),
            type_name: loader.unwrap_or("gap before the first partition").to_owned(),
            content: Content::Opaque(OpaqueKind::Unknown),
            ..Volume::default()
        });
    } else if unused > 0 {
        boot.notes.push(format!("gap before the first partition: {unused} non-zero bytes dropped"));
    }
    Ok(boot)
}

fn describe(code: Code) -> &'static str {
    match code {
        Code::None => "none",
        Code::Grub(_) => "GRUB 2",
        Code::Chain(name) => name,
        Code::Unknown => "unknown",
    }
}

/// Names boot code by the texts in it.
fn classify(code: &[u8]) -> Result<Code> {
    let has = |text: &[u8]| code.windows(text.len()).any(|window| window == text);
    if block::is_zero(code) {
        return Ok(Code::None);
    }
    if has(b"GRUB \0Geom\0Hard Disk\0Read\0") {
        if KERNEL_ADDRESS.get(code) != LOADED_TO {
            return Err(Unsupported::new(Object::the("MBR"), "boot code of GRUB Legacy").into());
        }
        return Ok(Code::Grub(KERNEL_SECTOR.get(code)));
    }
    // Written by libparted, without any text.
    let parted = b"\xfa\xb8\x00\x10\x8e\xd0\xbc\x00\xb0\xb8\x00\x00\x8e\xd8\x8e\xc0\xfb";
    Ok(if code.starts_with(parted) {
        Code::Chain("parted's")
    } else if has(b"Missing operating system.") && has(b"Operating system load error.") {
        Code::Chain("Syslinux'")
    } else if has(b"Missing OS") {
        Code::Chain("Syslinux' for GPT")
    } else if has(b"Invalid partition table") && has(b"Missing operating system") {
        Code::Chain("Windows'")
    } else {
        Code::Unknown
    })
}

/// GRUB 2's core image: the sector that the boot code loads, and the sectors that its block list names. These
/// include the Reed-Solomon redundancy behind the image proper.
fn grub(
    disk: &dyn BlockRead,
    geometry: Geometry,
    first: u64,
    gap: &ExtentSet,
    volumes: &[Volume],
    boot: &mut Boot,
) -> Result<()> {
    if geometry.sector != BIOS_SECTOR {
        let feature = format!("GRUB boot code on sectors of {} bytes", geometry.sector);
        return Err(Unsupported::new(Object::the("MBR"), feature).into());
    }
    let object = Object::the("GRUB core image");
    let place = |lba: u64, count: u64| {
        geometry.extent(lba, count).ok_or_else(|| {
            object.corrupt(
                "range of sectors",
                format_args!("{count} from {lba}"),
                format_args!("at most {}", geometry.last_lba),
            )
        })
    };
    let start = place(first, 1)?;
    if let Some(volume) = in_filesystem(volumes, start) {
        boot.notes.push(format!("GRUB core image: a file in partition {volume}"));
        return Ok(());
    }
    let mut sector = [0; 512];
    disk.read_object(Object::the("boot code"), start.start, &mut sector)?;
    let mut extents = vec![start];
    let mut at = LAST_RECORD;
    loop {
        let record = &sector[at..at + RECORD_LEN];
        let count = COUNT.get(record);
        if count == 0 {
            break;
        }
        extents.push(place(START.get(record), count.into())?);
        if at <= FIRST_RECORD {
            return Err(object.corrupt("block list", "without an end", "an end after at most 14 records"));
        }
        at -= RECORD_LEN;
    }
    if extents.len() == 1 {
        return Err(object.corrupt("block list", "empty", "at least one record"));
    }
    let homes: ExtentSet = volumes
        .iter()
        .filter(|volume| volume.type_id == guid::BIOS_BOOT)
        .flat_map(|volume| volume.extents.iter().copied())
        .chain(gap.iter())
        .collect();
    for extent in &extents {
        if !homes.contains(*extent) {
            return Err(object.corrupt(
                "range of sectors",
                format_args!("{} from {}", extent.len / BIOS_SECTOR, extent.start / BIOS_SECTOR),
                "inside the gap before the first partition, or a BIOS boot partition",
            ));
        }
    }
    let set = ExtentSet::disjoint(extents).map_err(|overlap| {
        object.corrupt(
            "block list",
            format_args!("LBA {} twice", overlap.extent.start / BIOS_SECTOR),
            "each sector once",
        )
    })?;
    boot.notes.push(format!("GRUB core image: {} sectors, kept", set.total() / BIOS_SECTOR));
    boot.live.extend(set.iter().map(|extent| LiveRegion { extent, kind: LiveKind::GrubCore }));
    Ok(())
}

/// The partition, other than a BIOS boot partition, that has the first byte of `extent`.
fn in_filesystem(volumes: &[Volume], extent: Extent) -> Option<u32> {
    let home =
        volumes.iter().find(|volume| volume.extents.iter().any(|own| !own.intersect(extent).is_empty()))?;
    (home.type_id != guid::BIOS_BOOT).then_some(home.number)
}

/// PReP firmware runs the partition as an ELF file or a raw image of unknown length.
fn keep_whole(volume: &mut Volume, boot: &mut Boot) {
    if volume.content == Content::Empty {
        return;
    }
    volume.content = Content::BootCode;
    boot.notes.push(format!("partition {}: PReP boot code, kept whole", volume.number));
    boot.live.extend(volume.extents.iter().map(|&extent| LiveRegion { extent, kind: LiveKind::Prep }));
}

/// Only GRUB's image is live in a BIOS boot partition; unknown boot code may load something else from it.
fn bios_boot(
    disk: &dyn BlockRead,
    code: Code,
    live: &ExtentSet,
    volume: &mut Volume,
    boot: &mut Boot,
) -> Result<()> {
    if volume.content == Content::Empty {
        return Ok(());
    }
    if code == Code::Unknown {
        boot.notes.push(format!("partition {}: BIOS boot, for unknown boot code in the MBR", volume.number));
        volume.content = Content::Opaque(OpaqueKind::Unknown);
        return Ok(());
    }
    volume.content = Content::BootCode;
    let mut unused = 0;
    for &extent in &volume.extents {
        unused += non_zero(disk, live.gaps(extent))?;
    }
    if unused > 0 {
        boot.notes.push(format!("partition {}: BIOS boot, {unused} non-zero bytes dropped", volume.number));
    }
    Ok(())
}

fn raw_loader(disk: &dyn BlockRead, gap: &ExtentSet) -> Result<Option<&'static str>> {
    for &(name, start, magic) in RAW_LOADERS {
        // An Allwinner header begins with a jump of four bytes.
        let start = if magic.starts_with(b"eGON") { start + 4 } else { start };
        let place = Extent { start, len: to_u64(magic.len()) };
        if !gap.contains(place) {
            continue;
        }
        let mut found = vec![0; magic.len()];
        disk.read_at(start, &mut found)?;
        if found == magic {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// How many bytes of `extents` are not zero.
fn non_zero(disk: &dyn BlockRead, extents: impl Iterator<Item = Extent>) -> Result<u64> {
    let mut buf = vec![0; 1 << 16];
    let mut count = 0;
    for extent in extents {
        let mut at = extent.start;
        while at < extent.end() {
            let run = disk.run_at(at)?;
            let left = run.len.min(extent.end() - at);
            if run.zero {
                at += left;
                continue;
            }
            let len = left.min(to_u64(buf.len()));
            let part = &mut buf[..to_usize(len)];
            disk.read_at(at, part)?;
            if !block::is_zero(part) {
                count += to_u64(part.iter().filter(|&&byte| byte != 0).count());
            }
            at += len;
        }
    }
    Ok(count)
}
