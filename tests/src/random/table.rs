//! Where a volume lies on its disk: alone, or in a GPT or MBR beside a FAT and a swap area, rubbish in between.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    Numbers,
    disk::{MIB, uuid},
    fat,
};
use crate::{
    Result,
    program::{command, output, run},
};

/// Rubbish in `pages` places of a range.
pub(super) fn litter(
    file: &File,
    start: u64,
    len: u64,
    pages: u64,
    numbers: &mut Numbers,
    token: &str,
) -> Result<()> {
    for _ in 0..pages {
        let at = start + numbers.below(len / 4096) * 4096;
        let room = (start + len - at).min(4096);
        file.write_all_at(&numbers.text(token, block::to_usize(room)), at)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Puts the volume on a disk: alone, or in a partition beside others.
pub(super) fn arrange(
    volume: &Path,
    numbers: &mut Numbers,
    token: &str,
    scratch: &Path,
) -> Result<(PathBuf, &'static str)> {
    let image = scratch.join("image");
    let io = |error: std::io::Error| error.to_string();
    let table = *numbers.pick(&["whole disk", "GPT", "MBR"]);
    if table == "whole disk" {
        fs::rename(volume, &image).map_err(io)?;
        let file = OpenOptions::new().write(true).open(&image).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if numbers.chance(50) {
            file.set_len(size + 2 * MIB).map_err(io)?;
            litter(&file, size, 2 * MIB, 20, numbers, token)?;
        }
        return Ok((image, table));
    }
    let mut parts = vec![(volume.to_owned(), "8300", 0x83_u8)];
    if numbers.chance(70) {
        parts.push((fat::make(scratch, numbers, token)?, "ef00", 0xef));
    }
    if numbers.chance(60) {
        let swap = scratch.join("swap");
        let file = File::create(&swap).map_err(io)?;
        file.set_len(2 * MIB).map_err(io)?;
        run("mkswap", ["-q".as_ref(), "-U".as_ref(), uuid(numbers).as_ref(), swap.as_os_str()])?;
        litter(&file, 65_536, 2 * MIB - 65_536, 20, numbers, token)?;
        parts.push((swap, "8200", 0x82));
    }
    // Any of them comes first.
    let turn = block::to_usize(numbers.below(block::to_u64(parts.len())));
    parts.rotate_left(turn);
    let mut at = MIB;
    let mut places = Vec::new();
    for (part, ..) in &parts {
        let len = fs::metadata(part).map_err(io)?.len();
        places.push((at, len));
        at += len.next_multiple_of(MIB) + numbers.below(3) * MIB;
    }
    let size = at + 2 * MIB;
    let file = File::create(&image).map_err(io)?;
    file.set_len(size).map_err(io)?;
    litter(&file, 64 * 1024, size - 128 * 1024, 100, numbers, token)?;
    if table == "GPT" {
        let mut sgdisk = command("sgdisk");
        sgdisk.args(["-a", "1", "-U", &uuid(numbers)]);
        for ((number, (_, kind, _)), (start, len)) in (1..).zip(&parts).zip(&places) {
            sgdisk.args(["-n", &format!("{number}:{}:{}", start / 512, (start + len) / 512 - 1)]);
            sgdisk.args(["-t", &format!("{number}:{kind}"), "-u", &format!("{number}:{}", uuid(numbers))]);
        }
        let made = output(sgdisk.arg(&image))?;
        if !made.status.success() {
            return Err(format!("{sgdisk:?}: {}", String::from_utf8_lossy(&made.stderr)));
        }
    } else {
        let mut record = vec![0; 512];
        for (slot, ((_, _, kind), (start, len))) in parts.iter().zip(&places).enumerate() {
            let entry = &mut record[446 + 16 * slot..][..16];
            entry[4] = *kind;
            let sectors = |bytes: &u64| u32::try_from(bytes / 512).expect("a small disk").to_le_bytes();
            entry[8..12].copy_from_slice(&sectors(start));
            entry[12..].copy_from_slice(&sectors(len));
        }
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        file.write_all_at(&record, 0).map_err(io)?;
    }
    for ((part, ..), (start, _)) in parts.iter().zip(&places) {
        let (from, to) = (format!("if={}", part.display()), format!("of={}", image.display()));
        // All of it: what lies there from an earlier life is not the partition's.
        run(
            "dd",
            [
                &from,
                &to,
                &format!("seek={start}"),
                "oflag=seek_bytes",
                "conv=notrunc",
                "bs=1M",
                "status=none",
            ]
            .map(str::to_owned),
        )?;
        fs::remove_file(part).map_err(io)?;
    }
    // Where dd wrote zeros there are holes again.
    run("fallocate", ["--dig-holes".as_ref(), image.as_os_str()])?;
    Ok((image, table))
}
