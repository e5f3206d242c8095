//! The filesystems' own checkers, on every volume of an image. Silence is the only good answer.

use std::{ffi::OsStr, path::Path};

use filesystem::{Content, PhysicalVolume};

use crate::{
    Result,
    image::{self, Volume},
    program::{can_mount, command, lossy, output, run},
};

/// Asks qemu-img of the container, sgdisk of a GPT, e2fsck, xfs_repair and fsck.fat of the volumes. Lists what they say
/// against the image; `raw` is the same image as a raw file.
pub fn complaints(image: &Path, raw: &Path, scratch: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if image != raw {
        let text = run("qemu-img", [Path::new("check"), image]).unwrap_or_else(|error| error);
        if !text.contains("No errors were found") {
            found.push(format!("qemu-img check: {text}"));
        }
    }
    found.extend(table(raw)?);
    let physical: Vec<_> = image::physical(raw)?.into_iter().map(|one| (raw, one)).collect();
    found.extend(groups(&physical)?);
    for volume in image::volumes(raw)? {
        found.extend(volume_complaints(raw, &volume, scratch)?);
    }
    Ok(found)
}

/// What sgdisk says against a GPT.
pub fn table(raw: &Path) -> Result<Option<String>> {
    let kind = run("blkid", ["-p".as_ref(), "-o".as_ref(), "export".as_ref(), raw.as_os_str()]);
    if !kind.is_ok_and(|text| text.contains("PTTYPE=gpt")) {
        return Ok(None);
    }
    let text = run("sgdisk", [Path::new("-v"), raw])?;
    // A disk whose end was not aligned in the first place is none of our doing.
    let silent = text.contains("No problems found") && !text.contains("Caution: invalid");
    Ok((!silent).then(|| format!("sgdisk -v: {text}")))
}

/// What vgck says against the volume groups of physical volumes, each in a raw image. It wants block devices: elsewhere it is
/// not asked.
pub fn groups(physical: &[(&Path, PhysicalVolume)]) -> Result<Vec<String>> {
    if physical.is_empty() || !can_mount() {
        return Ok(Vec::new());
    }
    let mut devices = Vec::new();
    let asked = (|| -> Result<Vec<String>> {
        for (raw, one) in physical {
            let (offset, size) = (one.extent.start.to_string(), one.extent.len.to_string());
            let arguments = ["-f", "--show", "-r", "-o", &offset, "--sizelimit", &size].map(OsStr::new);
            let device = run("losetup", arguments.into_iter().chain([raw.as_os_str()]))?;
            devices.push(device.trim().to_owned());
        }
        let accept: Vec<String> = devices.iter().map(|device| format!("\"a|^{device}$|\"")).collect();
        let filter = format!("[{},\"r|.*|\"]", accept.join(","));
        // The host's own groups and files are left alone.
        let config = format!(
            "devices{{use_devicesfile=0 filter={filter} global_filter={filter}}} global{{event_activation=0 \
             use_lvmpolld=0 locking_type=4}} activation{{udev_sync=0 udev_rules=0 monitoring=0}} \
             backup{{backup=0 archive=0}}"
        );
        let mut names: Vec<&String> = physical.iter().filter_map(|(_, one)| one.group.as_ref()).collect();
        names.dedup();
        let mut found = Vec::new();
        for name in names {
            let mut vgck = command("vgck");
            vgck.env("LVM_SUPPRESS_FD_WARNINGS", "1").args(["--config", &config, name]);
            let said = output(&mut vgck)?;
            if !said.status.success() {
                found.push(format!("vgck {name}: {}{}", lossy(&said.stdout), lossy(&said.stderr)));
            }
        }
        Ok(found)
    })();
    for device in &devices {
        run("losetup", ["-d", device])?;
    }
    asked
}

/// What a volume's own checker says against it.
pub fn volume_complaints(raw: &Path, volume: &Volume, scratch: &Path) -> Result<Option<String>> {
    if !matches!(volume.content, Content::Ext | Content::Fat | Content::Xfs) {
        return Ok(None);
    }
    let (raw, volume) = image::in_one_piece(raw, volume, scratch, "after.volume")?;
    let (raw, volume) = (raw.as_path(), &volume);
    let mut checker = match volume.content {
        Content::Ext => {
            let mut checker = command("e2fsck");
            checker.arg("-fn").arg(format!("{}?offset={}", raw.display(), volume.start));
            checker
        }
        Content::Fat => {
            let alone = scratch.join("volume.fat");
            image::extract(raw, volume, &alone)?;
            let mut checker = command("fsck.fat");
            checker.arg("-n").arg(alone);
            checker
        }
        Content::Xfs => {
            // Neither it nor xfs_db looks behind an offset.
            let alone = scratch.join("volume.xfs");
            image::extract(raw, volume, &alone)?;
            let mut checker = command("xfs_repair");
            checker.args(["-n", "-f"]).arg(alone);
            checker
        }
        _ => return Ok(None),
    };
    let said = output(&mut checker)?;
    let text = lossy(&said.stdout) + &lossy(&said.stderr);
    // fsck.fat ends with 0 although it would repair the dirty bit, xfs_repair where a log is ahead: their words count.
    let words: &[&str] = match volume.content {
        Content::Xfs => &["would", "ahead of", "bad "],
        _ => &["Dirty bit", "differences"],
    };
    let silent = said.status.success() && !words.iter().any(|word| text.contains(word));
    Ok((!silent).then(|| format!("{checker:?}: {text}")))
}
