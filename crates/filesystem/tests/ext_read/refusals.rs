//! Every refusal: a good image, one patched field, the exact error.

use std::fs;

use filesystem::{Filesystem, InodeId, ext::Ext};

use super::{
    image::{Lab, run_ok},
    tree,
};

/// What is wrong with an image, by all readers in turn.
fn error(bytes: Vec<u8>) -> String {
    let read = || -> filesystem::Result<()> {
        let ext = Ext::open(bytes)?;
        ext.claims(&mut |_, _| Ok(()))?;
        ext.allocated()?;
        ext.check_names()?;
        tree::ours(&ext)?;
        Ok(())
    };
    read().unwrap_err().to_string()
}

fn patched(image: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = image.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

/// Where a name lies in a directory block.
fn at_name(image: &[u8], block: usize, name: &[u8]) -> usize {
    block + image[block..block + 1024].windows(name.len()).position(|bytes| bytes == name).unwrap()
}

fn inode_number(path: &str, name: &str) -> String {
    let output = run_ok("debugfs", &["-R", &format!("stat {name}"), path]).stdout;
    let text = String::from_utf8(output).unwrap();
    text.split("Inode: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Byte offset of an inode in a filesystem of 1 KiB blocks.
fn inode_at(path: &str, name: &str) -> usize {
    let output = run_ok("debugfs", &["-R", &format!("imap {name}"), path]).stdout;
    let text = String::from_utf8(output).unwrap();
    let (block, rest) = text.split("at block ").nth(1).unwrap().split_once(", offset 0x").unwrap();
    block.parse::<usize>().unwrap() * 1024 + usize::from_str_radix(rest.trim(), 16).unwrap()
}

#[test]
fn superblock_fields() {
    let lab = Lab::new();
    let path = lab.image(
        "plain",
        8192,
        &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg,^has_journal"],
    );
    let image = fs::read(path).unwrap();
    for (at, value, expected) in [
        (0x38, &[0, 0][..], "superblock: s_magic is 0x0000, expected 0xef53"),
        (0x18, &[9], "superblock: s_log_block_size is 9, expected 0 to 6"),
        (0x14, &[0], "superblock: s_first_data_block is 0, expected 1"),
        (
            0x04,
            &[0, 0, 0, 1],
            "superblock: s_blocks_count is 16777216, expected 2 to 8192 (the device's end)",
        ),
        (0x20, &[7, 0], "superblock: s_clusters_per_group is 7, expected a multiple of 8 up to 8192"),
        (0x4C, &[2], "superblock: s_rev_level is 2, expected 0 or 1"),
        (0x58, &[130, 0], "superblock: s_inode_size is 130, expected a power of two from 128 to 1024"),
        (0x28, &[4, 0], "superblock: s_inodes_per_group is 4, expected a multiple of 8 up to 8192"),
        (0x00, &[1, 0], "superblock: s_inodes_count is 1, expected 2048"),
        (0x54, &[3], "superblock: s_first_ino is 3, expected 11 to 2048"),
        (0xFE, &[40], "superblock: s_desc_size is 40, expected a power of two from 64 to 1024"),
        (0x174, &[32], "superblock: s_log_groups_per_flex is 32, expected at most 31"),
        (0xCE, &[255, 255], "superblock: s_reserved_gdt_blocks is 65535, expected 0 to 256"),
        (0x60, &[0xC3], "superblock: feature compression is not supported"),
        (0x60, &[0xCA], "superblock: feature journal_dev (an external journal) is not supported"),
        (0x63, &[0x40], "superblock: unknown incompat feature 0x40000000 is not supported"),
        (0x67, &[0x80], "superblock: unknown ro_compat feature 0x80000000 is not supported"),
        (0x5F, &[0x80], "superblock: unknown compat feature 0x80000000 is not supported"),
    ] {
        assert_eq!(error(patched(&image, 1024 + at, value)), expected);
    }
    assert_eq!(error(vec![0; 100]), "device: size is 100, expected at least 2048");
    assert_eq!(
        error(image[..4 << 20].to_vec()),
        "superblock: s_blocks_count is 8192, expected 2 to 4096 (the device's end)"
    );
}

#[test]
fn structures_without_checksums() {
    let lab = Lab::new();
    let path = lab.image(
        "plain",
        8192,
        &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg,^has_journal"],
    );
    let image = fs::read(&path).unwrap();
    let at = |name: &str| inode_at(path.to_str().unwrap(), name);
    let number = |name: &str| inode_number(path.to_str().unwrap(), name);
    let (file, other) = (at("a/file-5000"), at("a/file-70000"));
    let (inode, second) = (number("a/file-5000"), number("a/file-70000"));
    let directory = number("a");
    for (position, value, expected) in [
        (file + 0x28, &[0, 0][..], format!("inode {inode}: extent header magic is 0x0000, expected 0xf30a")),
        (
            file + 0x28 + 2,
            &[9],
            format!("inode {inode}: extent header eh_entries is 9, expected at most 4, 0 in a leaf only"),
        ),
        (file + 0x28 + 6, &[7], format!("inode {inode}: extent tree depth is 7, expected at most 5")),
        (file + 0x28 + 16, &[0, 0], format!("inode {inode}: extent length is 0, expected 1 to 4294967296")),
        (file + 0x80, &[2], format!("inode {inode}: i_extra_isize is 2, expected a multiple of 4 up to 128")),
        (
            file + 0x1A,
            &[0, 0],
            format!("inode {inode}: i_links_count is 0, expected at least 1, as the bitmap calls it used"),
        ),
        (
            file + 0x1A,
            &[1],
            format!("inode {inode}: i_links_count is 1, expected 2, the number of names that lead to it"),
        ),
        (
            file + 0x1A,
            &[255, 255],
            format!("inode {inode}: i_links_count is 65535, expected 2, the number of names that lead to it"),
        ),
        (
            at("a/short") + 0x28 + 3,
            &[0],
            format!(
                "inode {}: symbolic link's target is with a NUL at byte 3, expected without one",
                number("a/short")
            ),
        ),
        (at("a/short") + 4, &[0], format!("inode {}: i_size is 0, expected 1 to 1023", number("a/short"))),
        (file, &[0, 0x30], format!("inode {inode}: i_mode is 0o30000, expected the type of a file")),
    ] {
        assert_eq!(error(patched(&image, position, value)), expected);
    }
    // A file longer than its filesystem can hold: said before anybody reads it.
    let long = Ext::open(patched(&image, file + 0x6C, &[1, 4])).unwrap();
    assert_eq!(
        long.claims(&mut |_, _| Ok(())).unwrap_err().to_string(),
        format!("inode {inode}: i_size is 4402341483400, expected at most 4398046511104")
    );
    // Two inodes with the same block.
    let block = image[other + 0x28 + 12 + 8..other + 0x28 + 12 + 12].to_vec();
    let number = u32::from_le_bytes(block.clone().try_into().unwrap());
    let (low, high) = if file < other { (&inode, &second) } else { (&second, &inode) };
    assert_eq!(
        error(patched(&image, file + 0x28 + 12 + 8, &block)),
        format!("inode {high}: block is {number}, which inode {low} has, expected a block of its own")
    );
    // The first entry of a directory leads out of its block.
    let extent = at("a") + 0x28 + 12 + 8;
    let dir =
        usize::try_from(u32::from_le_bytes(image[extent..extent + 4].try_into().unwrap())).unwrap() * 1024;
    // Its own entry leads elsewhere, its first name to an inode that is free, and what is what it is not.
    assert_eq!(
        error(patched(&image, dir, &[0, 8, 0, 0])),
        format!("inode {directory}: inode that . leads to is 2048, expected {directory}")
    );
    assert_eq!(
        error(patched(&image, dir + 12, &[0, 8, 0, 0])),
        format!("inode {directory}: inode that .. leads to is 2048, expected 2")
    );
    assert_eq!(
        error(patched(&image, dir + 24, &[0, 8, 0, 0])),
        format!(
            "inode {directory}: directory entry's inode is 2048, which is free, expected one that is in use"
        )
    );
    assert_eq!(
        error(patched(&image, dir + 24, &[2, 0, 0, 0])),
        format!(
            "inode {directory}: directory entry's inode is 2, a directory with a name already, expected one that it \
             alone leads to"
        )
    );
    let named = Ext::open(patched(&image, dir + 24 + 8, b"/")).unwrap();
    assert_eq!(
        named.check_names().unwrap_err().to_string(),
        format!(
            "inode {directory}: directory entry's name is empty or with a slash or NUL (byte 24), expected a file name"
        )
    );
    // Two names become one.
    let (one, other) = (at_name(&image, dir, b"link59"), at_name(&image, dir, b"link60"));
    let message = error(patched(&image, other, b"link59"));
    assert!(one != other && message.contains("directory entry's name is the same for inodes "), "{message}");
    assert_eq!(
        error(patched(&image, dir + 7, &[254])),
        format!("inode {directory}: directory entry's file_type is 254 (block 0, byte 0), expected 0 to 7")
    );
    assert_eq!(
        error(patched(&image, dir + 7, &[6])),
        format!(
            "inode {directory}: directory entry's kind is a socket for inode {directory}, expected a directory"
        )
    );
    let message = error(patched(&image, dir + 12 + 4, &[0, 8]));
    assert!(
        message.ends_with(
            "directory entry length is 2048 (block 0, byte 12), expected a multiple of 4 from 12 to 1012"
        ),
        "{message}"
    );
}

/// A file that is longer than what its inode holds goes on with zeros, as for the kernel; a symbolic link does not.
#[test]
fn inline_content_ends_in_its_inode() {
    let lab = Lab::new();
    let options = ["-t", "ext4", "-b", "1024", "-O", "inline_data,^metadata_csum,^has_journal"];
    let path = lab.image("inline", 8192, &options);
    let image = fs::read(&path).unwrap();
    let file = inode_at(path.to_str().unwrap(), "a/file-1");
    let long = Ext::open(patched(&image, file + 4, &[0, 1])).unwrap();
    long.claims(&mut |_, _| Ok(())).unwrap();
    let inode = InodeId(inode_number(path.to_str().unwrap(), "a/file-1").parse().unwrap());
    let mut content = [7; 300];
    let good = Ext::open(image.clone()).unwrap();
    assert_eq!(good.read(inode, 0, &mut content).unwrap(), 1);
    let first = content[0];
    assert_eq!(long.read(inode, 0, &mut content).unwrap(), 256);
    assert_eq!((content[0], &content[60..256]), (first, &[0; 196][..]));
    assert_eq!(long.read(inode, 200, &mut content).unwrap(), 56);
    assert_eq!(long.read(inode, 256, &mut content).unwrap(), 0);
    let link = inode_at(path.to_str().unwrap(), "a/link60");
    let message = error(patched(&image, link + 4, &[0, 1]));
    assert!(message.contains(": i_size is 256, expected at most the "), "{message}");
}

#[test]
fn every_checksum_is_checked() {
    let lab = Lab::new();
    let path = lab.image("sums", 8192, &["-t", "ext4", "-b", "1024", "-O", "metadata_csum,^has_journal"]);
    let image = fs::read(&path).unwrap();
    let descriptor = &image[2048..2112];
    let place = |at: usize| {
        usize::try_from(u32::from_le_bytes(descriptor[at..at + 4].try_into().unwrap())).unwrap() * 1024
    };
    let root = inode_at(path.to_str().unwrap(), "<2>");
    let extent = root + 0x28 + 12 + 8;
    let dir =
        usize::try_from(u32::from_le_bytes(image[extent..extent + 4].try_into().unwrap())).unwrap() * 1024;
    for (position, expected) in [
        (1024 + 0x78, "superblock: checksum is "),
        (2048 + 0x12, "group 0: descriptor checksum is "),
        (place(0) + 3, "group 0: block bitmap checksum is "),
        (place(4) + 3, "group 0: inode bitmap checksum is "),
        (root + 0x10, "inode 2: checksum is "),
        (dir + 100, "inode 2: directory block checksum is "),
    ] {
        let message = error(patched(&image, position, &[image[position] ^ 4]));
        assert!(message.starts_with(expected), "{message}, not {expected}");
    }
}

#[test]
fn wrong_kinds_and_numbers() {
    let lab = Lab::new();
    let path = lab.image("kinds", 8192, &["-t", "ext2", "-b", "1024"]);
    let ext = super::open(&path);
    let inodes = 2048;
    let asked = |number| ext.metadata(InodeId(number)).unwrap_err().to_string();
    assert_eq!(asked(0), format!("inode 0: number is 0, expected 1 to {inodes}"));
    assert_eq!(asked(1 << 40), format!("inode {0}: number is {0}, expected 1 to {inodes}", 1u64 << 40));
    let root = InodeId(2);
    assert_eq!(
        ext.read(root, 0, &mut [0]).unwrap_err().to_string(),
        "inode 2: reading other than a regular file is not supported"
    );
    assert_eq!(
        ext.link_target(root).unwrap_err().to_string(),
        "inode 2: reading the target of what is no symbolic link is not supported"
    );
}
