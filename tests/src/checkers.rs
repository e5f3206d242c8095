//! The filesystems' own checkers, on every volume of an image. Silence is the only good answer.

use std::path::Path;

use filesystem::Content;

use crate::{
    Result,
    image::{self, Volume},
    program::{command, lossy, output, run},
};

/// Asks qemu-img of the container, sgdisk of a GPT, e2fsck and fsck.fat of the volumes. Lists what they say
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
    for volume in image::volumes(raw)? {
        found.extend(volume_complaints(raw, &volume, scratch)?);
    }
    Ok(found)
}

/// What sgdisk says against a GPT.
fn table(raw: &Path) -> Result<Option<String>> {
    let kind = run("blkid", ["-p".as_ref(), "-o".as_ref(), "export".as_ref(), raw.as_os_str()]);
    if !kind.is_ok_and(|text| text.contains("PTTYPE=gpt")) {
        return Ok(None);
    }
    let text = run("sgdisk", [Path::new("-v"), raw])?;
    // A disk whose end was not aligned in the first place is none of our doing.
    let silent = text.contains("No problems found") && !text.contains("Caution: invalid");
    Ok((!silent).then(|| format!("sgdisk -v: {text}")))
}

/// What a volume's own checker says against it.
pub fn volume_complaints(raw: &Path, volume: &Volume, scratch: &Path) -> Result<Option<String>> {
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
        _ => return Ok(None),
    };
    let said = output(&mut checker)?;
    let text = lossy(&said.stdout) + &lossy(&said.stderr);
    // fsck.fat ends with 0 although it would repair the dirty bit: its words count.
    let silent = said.status.success() && !text.contains("Dirty bit") && !text.contains("differences");
    Ok((!silent).then(|| format!("{checker:?}: {text}")))
}
