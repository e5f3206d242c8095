//! Residue planted byte by byte where older kernels and other writers leave it, on filesystems without
//! checksums, so that a plain write is enough.

use std::{fs, path::Path, process::Output};

use super::{
    assert_cleans,
    image::{Lab, assert_clean, run_ok},
    open, tree,
};

const TOKEN: &[u8] = b"SECRETTOKEN";

fn debugfs(image: &Path, request: &str) -> String {
    let Output { stdout, .. } = run_ok("debugfs", &["-w", "-R", request, image.to_str().unwrap()]);
    String::from_utf8_lossy(&stdout).into_owned()
}

/// Byte offset of an inode, from `located at block 38, offset 0x0b00`.
fn inode_at(image: &Path, path: &str, block: usize) -> usize {
    let text = debugfs(image, &format!("imap {path}"));
    let rest = text.split("located at block ").nth(1).unwrap_or_else(|| panic!("{text}"));
    let (number, rest) = rest.split_once(", offset 0x").unwrap();
    number.parse::<usize>().unwrap() * block + usize::from_str_radix(rest.trim(), 16).unwrap()
}

fn blocks_of(image: &Path, path: &str) -> Vec<usize> {
    debugfs(image, &format!("blocks {path}")).split_whitespace().map(|word| word.parse().unwrap()).collect()
}

#[test]
fn residue_in_every_kind_of_slack_is_gone() {
    for (name, block, options) in [
        (
            "ext4",
            4096,
            &["-t", "ext4", "-b", "4096", "-O", "^metadata_csum,^uninit_bg,^flex_bg", "-g", "8192"][..],
        ),
        ("ext4-1k", 1024, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"][..]),
        ("ext2", 1024, &["-t", "ext2", "-b", "1024", "-I", "256"][..]),
        ("inline", 4096, &["-t", "ext4", "-b", "4096", "-O", "^metadata_csum,^uninit_bg,inline_data"][..]),
    ] {
        let lab = Lab::new();
        let path = lab.image(name, 65536, options);
        let inline = name == "inline";
        let extents = name != "ext2";
        if !inline {
            debugfs(&path, "ea_set a/file-1 user.inner value-in-the-inode");
            debugfs(&path, &format!("ea_set a/file-1 user.big {}", "q".repeat(600)));
        }
        if extents && !inline {
            // Five extents need a tree block.
            for hole in [2, 8, 16, 24, 32] {
                debugfs(&path, &format!("punch a/file-300001 {hole} {hole}"));
            }
        }
        assert_clean(&path, name);
        let expected = tree::ours(&open(&path)).unwrap();
        let mut image = fs::read(&path).unwrap();
        let mut planted = 0;
        let mut plant = |at: usize, image: &mut Vec<u8>| {
            image[at..at + TOKEN.len()].copy_from_slice(TOKEN);
            planted += 1;
        };
        // s_last_mounted and s_last_error_func; the second backup's too.
        plant(1024 + 0x88, &mut image);
        plant(1024 + 0x1E0, &mut image);
        let groups = if block == 4096 { 8192 } else { 8193 };
        plant(groups * block + 0x88, &mut image);
        plant(groups * block + 0x1A8, &mut image);
        // Behind the last descriptor, in the primary and in the backup.
        let gdt = if block == 1024 { 2 } else { 1 };
        plant((gdt + 1) * block - 32, &mut image);
        plant((groups + 2) * block - 32, &mut image);
        // Inode 1's body, the fast symlink's tail, the root of an extent tree.
        plant(inode_at(&path, "a/short", block) + 0x28 + 20, &mut image);
        plant(inode_at(&path, "a/short", block) + 256 - 40, &mut image);
        plant(inode_at(&path, "a/file-1", block) + 0xA0 + 4 + 24 + 8, &mut image);
        if extents {
            plant(inode_at(&path, "a/file-5000", block) + 0x28 + 12 + 24, &mut image);
        }
        if inline {
            plant(inode_at(&path, "a/file-1", block) + 0x28 + 20, &mut image);
            plant(inode_at(&path, "a/b/c", block) + 0x28 + 20, &mut image);
        } else if extents {
            let text = debugfs(&path, "dump_extents a/file-300001");
            let node = text.lines().nth(1).unwrap().split_whitespace().nth(7).unwrap();
            plant(node.parse::<usize>().unwrap() * block + block - 200, &mut image);
            plant(node.parse::<usize>().unwrap() * block + block - 11, &mut image);
        }
        // Behind the last name of a directory, and in the gap that a deleted first name left.
        let dir = blocks_of(&path, "a/b");
        if !dir.is_empty() {
            plant(dir[0] * block + block - 40, &mut image);
        }
        let many = blocks_of(&path, "many");
        plant(many[many.len() - 1] * block + block - 32, &mut image);
        // Between the entries and the values of an xattr block.
        let text = debugfs(&path, "stat a/file-1");
        let acl = text.split("File ACL: ").nth(1).unwrap().split_whitespace().next().unwrap();
        if let Ok(number @ 1..) = acl.parse::<usize>() {
            plant(number * block + 128, &mut image);
        }
        // File slack, and the block before the superblock.
        plant(blocks_of(&path, "a/file-1025").last().unwrap() * block + block - 100, &mut image);
        plant(200, &mut image);
        assert!(planted >= 12, "{planted}");
        fs::write(&path, &image).unwrap();
        tree::assert_same(&tree::ours(&open(&path)).unwrap(), &expected, name);
        assert_cleans(&path, &expected, &[TOKEN, b"PREFILL"], name);
    }
}

#[test]
fn a_boot_sector_before_the_superblock_stays() {
    let lab = Lab::new();
    for (name, options) in [("1k", &["-t", "ext4", "-b", "1024"][..]), ("4k", &["-t", "ext4", "-b", "4096"])]
    {
        let path = lab.image(name, 16384, options);
        let mut image = fs::read(&path).unwrap();
        image[..16].copy_from_slice(b"boot code, stays");
        image[510..512].copy_from_slice(&[0x55, 0xAA]);
        image[1000..1004].copy_from_slice(b"more");
        fs::write(&path, &image).unwrap();
        let expected = tree::ours(&open(&path)).unwrap();
        assert_cleans(&path, &expected, &[], name);
        assert!(fs::read(&path).unwrap()[..1024] == image[..1024], "{name}: the boot sector has changed");
    }
}
