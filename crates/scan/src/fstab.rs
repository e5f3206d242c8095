//! fstab(5), and which volume a line of it names.

use filesystem::Summary;

use crate::DeviceName;

/// The first field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    Uuid(String),
    Label(String),
    PartUuid(String),
    PartLabel(String),
    /// A device, or a swap file.
    Path(String),
}

/// A line with a source, a place and a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) device: Device,
    /// Absolute, without a trailing slash; `/` for the root; `none` for swap.
    pub(crate) mount_point: Vec<u8>,
    pub(crate) kind: String,
    /// The source is a directory that is to be seen here, too.
    pub(crate) bind: bool,
}

/// Reads what can be read; other lines say nothing about volumes.
pub(crate) fn parse(text: &[u8]) -> Vec<Line> {
    let text = String::from_utf8_lossy(text);
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let (Some(device), Some(mount_point), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if device.starts_with('#') {
            continue;
        }
        let mut mount_point = unescape(mount_point);
        while mount_point.len() > 1 && mount_point.ends_with('/') {
            mount_point.pop();
        }
        lines.push(Line {
            device: device_of(&unescape(device)),
            mount_point: mount_point.into_bytes(),
            kind: kind.to_owned(),
            bind: fields
                .next()
                .is_some_and(|options| options.split(',').any(|o| matches!(o, "bind" | "rbind"))),
        });
    }
    lines
}

fn device_of(text: &str) -> Device {
    let value = |text: &str| text.trim_matches('"').to_owned();
    type Make = fn(String) -> Device;
    let forms: [(&str, Make); 8] = [
        ("UUID=", Device::Uuid),
        ("LABEL=", Device::Label),
        ("PARTUUID=", Device::PartUuid),
        ("PARTLABEL=", Device::PartLabel),
        ("/dev/disk/by-uuid/", Device::Uuid),
        ("/dev/disk/by-label/", Device::Label),
        ("/dev/disk/by-partuuid/", Device::PartUuid),
        ("/dev/disk/by-partlabel/", Device::PartLabel),
    ];
    for (prefix, make) in forms {
        if let Some(rest) = text.strip_prefix(prefix) {
            return make(value(rest));
        }
    }
    Device::Path(text.to_owned())
}

/// `\040` and the like: fstab writes blanks in octal.
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// Whether the first field of a line names this volume.
pub(crate) fn names(device: &Device, summary: &Summary, names: &[DeviceName]) -> bool {
    match device {
        Device::Uuid(uuid) => !uuid.is_empty() && uuid.eq_ignore_ascii_case(&summary.uuid),
        Device::Label(label) => !label.is_empty() && *label == summary.label,
        Device::PartUuid(uuid) => {
            names.iter().any(|name| matches!(name, DeviceName::PartUuid(n) if n.eq_ignore_ascii_case(uuid)))
        }
        Device::PartLabel(label) => {
            names.iter().any(|name| matches!(name, DeviceName::PartLabel(n) if n == label))
        }
        Device::Path(path) => names.iter().any(|name| match name {
            DeviceName::Path(n) => n == path,
            DeviceName::Number(number) => partition_number(path).is_some_and(|(_, named)| named == *number),
            DeviceName::OnDisk { disk, number } => partition_number(path) == Some((Some(*disk), *number)),
            _ => false,
        }),
    }
}

/// The last resort: which disk it is, from 0 on, if that can be told, and the number at the end of a disk's partition.
/// `/dev/dm-2` and `/dev/md0` are no partitions.
fn partition_number(path: &str) -> Option<(Option<usize>, u32)> {
    let name = path.strip_prefix("/dev/")?;
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (disk, number) = name.split_at(name.len() - digits);
    let plain = ["sd", "vd", "xvd", "hd"].iter().find_map(|prefix| {
        let unit = disk.strip_prefix(prefix)?;
        (!unit.is_empty() && unit.chars().all(|c| c.is_ascii_lowercase())).then_some(unit)
    });
    if let Some(unit) = plain {
        let one = unit.bytes().next().filter(|_| unit.len() == 1).map(|letter| usize::from(letter - b'a'));
        return Some((one, number.parse().ok()?));
    }
    let unit =
        ["nvme", "mmcblk", "loop"].iter().find_map(|prefix| disk.strip_prefix(prefix))?.strip_suffix('p')?;
    if !unit.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Of nvme0n1, the controller counts the disks; each has one namespace where machines are virtual.
    let digits = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((unit[..digits].parse().ok(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_in_use() {
        let text = b"# c\nUUID=ab-c /  ext4 defaults 0 1\nLABEL=\"cloud\\040root\" /mnt/a\\040b/ xfs\n/swapfile none swap sw\nbroken\n";
        let lines = parse(text);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].device, Device::Uuid("ab-c".into()));
        assert_eq!(lines[1].mount_point, b"/mnt/a b");
        assert_eq!(lines[2].device, Device::Path("/swapfile".into()));
    }

    #[test]
    fn counts_partitions() {
        for (path, number) in [
            ("/dev/sda2", Some((Some(0), 2))),
            ("/dev/vdc7", Some((Some(2), 7))),
            ("/dev/sdaa1", Some((None, 1))),
            ("/dev/nvme0n1p15", Some((Some(0), 15))),
            ("/dev/nvme1n1p2", Some((Some(1), 2))),
            ("/dev/mmcblk0p1", Some((Some(0), 1))),
            ("/dev/xvda1", Some((Some(0), 1))),
            ("/dev/nvmep1", None),
            ("/dev/nvme0n1", None),
            ("/dev/dm-2", None),
            ("/dev/sda", None),
            ("/dev/mapper/vg-root", None),
            ("/dev/sda99999999999", None),
        ] {
            assert_eq!(partition_number(path), number, "{path}");
        }
    }
}
