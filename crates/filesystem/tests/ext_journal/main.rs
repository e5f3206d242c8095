//! Recovery of ext3 and ext4 against the tools that define it: e2fsck, debugfs, and the kernel itself.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod corrupt;
#[path = "../common/file.rs"]
mod file;
mod kernel;
mod tools;

use tools::{Image, compare_replay, recover, sh};

/// A filesystem with journal features of choice, and files to journal over.
fn made(features: &str, journal: &str) -> Image {
    let image = Image::new();
    sh(
        &format!(
            "mkdir tree; for i in $(seq 40); do seq $i 400 > tree/file$i; done
             mke2fs -qF -t ext4 -J size=4 {features} -d tree image 16M
             {journal}"
        ),
        image.dir(),
    );
    image
}

/// Blocks for debugfs to write through the journal: one of them starts with the journal's own magic.
const PAYLOAD: &str = "
    head -c $((3 * BS)) /dev/urandom > payload
    printf '\\xc0\\x3b\\x39\\x98' | dd of=payload bs=1 seek=$BS conv=notrunc status=none
    first=$(debugfs -R 'bmap file1 0' image 2>/dev/null)
    free=$(debugfs -R 'ffb 8' image 2>/dev/null | tail -n 1 | sed 's/.*: //; s/ .*//')
    set -- $(debugfs -R 'ffb 8' image 2>/dev/null | tr ' ' '\\n' | grep -E '^[0-9]+$')";

/// debugfs writes journals of each checksum version, with escaped blocks, revocations and UUIDs between tags.
#[test]
fn journals_of_debugfs() {
    for (features, block_size, open) in [
        ("-b 1024 -O ^metadata_csum,^64bit", 1024, ""),
        ("-b 4096 -O ^metadata_csum,64bit", 4096, ""),
        ("-b 1024 -O metadata_csum,64bit", 1024, "-c -v 3"),
        ("-b 4096 -O metadata_csum,^64bit", 4096, "-c -v 3"),
        ("-b 4096 -O metadata_csum,64bit", 4096, "-c -v 2"),
        ("-b 1024 -O metadata_csum,^64bit", 1024, "-c -v 2"),
    ] {
        let image = made(features, "");
        sh(
            &format!(
                "BS={block_size} {PAYLOAD}
                 printf 'jo {open}\\njw -b %s,%s,%s payload\\njw -r %s\\njw -b %s,%s payload\\njc\\n' \
                     $1 $2 $3 $2 $4 $5 | debugfs -w -f - image > log 2>&1"
            ),
            image.dir(),
        );
        let recovery = compare_replay(&image, features);
        assert_eq!(recovery.transactions, 3, "{features} {open}");
        assert_eq!(recovery.blocks, 4, "{features} {open}: five written, one of them revoked");
    }
}

/// A filesystem that is clean keeps every byte; recovering twice changes nothing.
#[test]
fn a_clean_filesystem_stays() {
    for features in ["-O ^has_journal", "-b 1024", "-O orphan_file", "-O fast_commit"] {
        let image = Image::new();
        sh(&format!("mke2fs -qF -t ext4 {features} image 16M"), image.dir());
        let before = image.read();
        let (_, after) = recover(before.clone()).unwrap();
        assert!(after == before, "{features}");
    }
}

/// Orphans: unlinked ones, and two that only have to be cut, one of them in the middle of a map of several
/// levels.
#[test]
fn orphans_made_with_debugfs() {
    for features in [
        "-O ^has_journal,^extent,^64bit",
        "-b 1024",
        "-O bigalloc -C 16384",
        "-O quota",
        "-O ^metadata_csum,uninit_bg",
    ] {
        let image = Image::new();
        sh(
            &format!(
                "mkdir tree; seq 300000 > tree/gone; seq 300000 > tree/short; seq 9 > tree/stays; cp tree/short tree/holes
                 ln -s $(head -c 80 /dev/zero | tr '\\0' x) tree/link
                 mke2fs -qF -t ext4 {features} -d tree image 16M
                 number() {{ debugfs -R \"stat $1\" image 2>/dev/null | sed -n 's/^Inode: \\([0-9]*\\).*/\\1/p'; }}
                 gone=$(number gone); short=$(number short); link=$(number link)
                 holes=$(number holes); bs=$(dumpe2fs -h image 2>/dev/null | sed -n 's/^Block size: *//p')
                 for i in $(seq 1 4 400); do echo punch holes $i $i; done > commands; debugfs -w -f commands image > log 2>&1
                 for i in $(seq 1 4 400); do dd if=/dev/zero of=tree/holes bs=$bs count=1 seek=$i conv=notrunc status=none; done
                 e2fsck -fy image > log 2>&1 || true
                 printf 'sif <%s> size %s\\nsif <%s> dtime %s\\nunlink gone\\nunlink link\\nsif <%s> links_count 0\\nsif <%s> links_count 0\\n' $holes $((bs * 300 + 7)) $holes $gone $gone $link > commands
                 printf 'sif <%s> size 5000\\nsif <%s> dtime %s\\nsif <%s> dtime %s\\n' $short $gone $short $short $link >> commands
                 printf 'sif <%s> dtime 0\\nssv last_orphan %s\\n' $link $holes >> commands
                 debugfs -w -f commands image > log 2>&1
                 head -c 5000 tree/short > cut; mv cut tree/short; head -c $((bs * 300 + 7)) tree/holes > cut; mv cut tree/holes; rm tree/gone tree/link; mkdir tree/lost+found"
            ),
            image.dir(),
        );
        let (recovery, after) = recover(image.read()).unwrap();
        assert_eq!(recovery.orphans, 4, "{features}");
        image.write("ours", &after);
        sh("e2fsck -fn ours; mkdir out; debugfs -R 'rdump / out' ours; diff -r tree out", image.dir());
        let (again, same) = recover(after.clone()).unwrap();
        assert!(again == filesystem::Recovery::default() && same == after, "{features}");
    }
}

/// Journals that others collected. Each is recovered as e2fsck does it, or refused.
#[test]
fn corpora() {
    let Some(corpora) = tools::corpora() else { return };
    for (name, transactions, orphans) in [
        ("f_clear_orphan_file", 2, 19),
        ("f_jnl_64bit", 3, 0),
        ("f_orphan", 0, 5),
        ("f_orphan_extents_inode", 0, 1),
        ("f_orphan_indirect_inode", 0, 1),
        ("j_corrupt_commit_tid", 0, 0),
        ("j_corrupt_descr_tid", 0, 0),
        ("j_recover_csum3_64bit", 2, 0),
        ("j_recover_fast_commit", 2, 0),
    ] {
        let image = Image::unpack(&corpora, name);
        let (recovery, after) = recover(image.read()).unwrap();
        assert_eq!((recovery.transactions, recovery.orphans), (transactions, orphans), "{name}");
        image.write("ours", &after);
        sh("e2fsck -fn ours", image.dir());
    }
    for (name, error) in [
        ("d_corrupt_journal_nr_users", "journal superblock: s_nr_users is 9999, expected 0 or 1"),
        ("f_miss_journal", "inode 8: journal is no file in use, expected a regular file"),
        (
            "j_corrupt_commit_csum",
            "journal transaction 3: commit checksum is 0xffffffff, expected 0x1c670138",
        ),
        ("j_corrupt_descr_csum", "journal block 1: checksum is 0xffffffff, expected 0x7d320dbb"),
        ("j_corrupt_sb_csum", "journal superblock: checksum is 0xffffffff, expected 0x8fe90cdf"),
        ("j_corrupt_sb_magic", "journal superblock: magic is 0xffffffff, expected 0xc03b3998"),
    ] {
        let image = Image::unpack(&corpora, name);
        assert_eq!(
            recover(image.read()).map(|(recovery, _)| recovery).unwrap_err().to_string(),
            error,
            "{name}"
        );
    }
}
