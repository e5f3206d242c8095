//! A random FAT, made and compared by mkfs.fat and mtools alone: no kernel is needed for it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::Numbers;
use crate::{
    Result,
    image::Volume,
    manifest,
    program::{command, lossy, output, run},
};

/// mtools without the user's configuration, and without their own opinion on sizes.
fn mtools(program: &str) -> Command {
    let mut mtools = command(program);
    mtools.env("MTOOLSRC", "/dev/null").env("MTOOLS_SKIP_CHECK", "1").env("MTOOLS_LOWER_CASE", "0");
    mtools
}

fn done(tool: &mut Command) -> Result<String> {
    let said = output(tool)?;
    match said.status.success() {
        true => Ok(lossy(&said.stdout)),
        false => Err(format!("{tool:?}: {}{}", lossy(&said.stdout), lossy(&said.stderr))),
    }
}

/// A FAT in a file of its own, with files that were removed again.
pub fn make(scratch: &Path, numbers: &mut Numbers, token: &str) -> Result<PathBuf> {
    let io = |error: std::io::Error| error.to_string();
    let fat = scratch.join("fat");
    let (bits, mebibytes, sectors) = *numbers.pick(&[("12", 3, "2"), ("16", 16, "4"), ("32", 36, "1")]);
    File::create(&fat).and_then(|file| file.set_len(mebibytes << 20)).map_err(io)?;
    let id = format!("{:08x}", numbers.any() >> 32);
    let tables = if numbers.chance(80) { "2" } else { "1" };
    let name = if numbers.chance(50) { "EFI SYS" } else { "NO NAME" };
    run(
        "mkfs.fat",
        ["-F", bits, "-s", sectors, "-f", tables, "-i", &id, "-n", name]
            .map(AsRef::<std::ffi::OsStr>::as_ref)
            .into_iter()
            .chain([fat.as_os_str()]),
    )?;
    let tree = scratch.join("fat.tree");
    for dir in ["EFI/BOOT", "EFI/a directory with a long name", "wide"] {
        fs::create_dir_all(tree.join(dir)).map_err(io)?;
    }
    let mut doomed = Vec::new();
    for at in 0..10 + numbers.below(90) {
        let dir = *numbers.pick(&["EFI/BOOT", "EFI/a directory with a long name", "wide", "wide", "."]);
        let goes = numbers.chance(35);
        let word = if goes { token } else { "stays" };
        let name = match numbers.below(4) {
            0 if !goes => format!("S{at}.EFI"),
            1 => format!(
                "{word} {at} ü with a name that takes many entries {}x",
                "x".repeat(block::to_usize(at))
            ),
            2 => format!("{word}{at}.lower.case"),
            _ => format!("{word}-{at}"),
        };
        let len = *numbers.pick(&[0, 1, 500, 512, 2000, 9000]);
        let path = format!("{dir}/{name}");
        fs::write(tree.join(&path), numbers.text(word, len)).map_err(io)?;
        if goes {
            doomed.push(format!("::{}", path.trim_start_matches("./")));
        }
    }
    let tops: Vec<PathBuf> = fs::read_dir(&tree).map_err(io)?.flatten().map(|entry| entry.path()).collect();
    let mut sorted = tops;
    sorted.sort();
    done(mtools("mcopy").arg("-i").arg(&fat).args(["-s", "-m", "-Q"]).args(&sorted).arg("::"))?;
    fs::remove_dir_all(&tree).map_err(io)?;
    if !doomed.is_empty() {
        done(mtools("mdel").arg("-i").arg(&fat).args(&doomed))?;
    }
    if numbers.chance(50) {
        done(mtools("mattrib").arg("-i").arg(&fat).args(["+h", "+s", "+r", "-a", "::EFI/BOOT"]))?;
    }
    Ok(fat)
}

/// What mtools say of a FAT's names, attributes, times and free room, and of all contents.
pub fn facts(raw: &Path, volume: &Volume, scratch: &Path) -> Result<String> {
    let image = format!("{}@@{}", raw.display(), volume.start);
    let mut all = done(mtools("mdir").args(["-i", &image, "-a", "-/", "::"]))?;
    all += &done(mtools("mattrib").args(["-i", &image, "-/", "::"]))?;
    let copy = tempfile::tempdir_in(scratch).map_err(|error| error.to_string())?;
    done(mtools("mcopy").args(["-i", &image, "-s", "-n", "-m", "::"]).arg(copy.path()))?;
    for (path, facts) in manifest::read(copy.path())? {
        let content = facts.get("content").map_or("-", String::as_str);
        all += &format!("{} {content} {}\n", path.display(), facts["mtime"]);
    }
    Ok(all)
}
