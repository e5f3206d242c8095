//! Filesystems copied while the kernel has them mounted: what a snapshot of a running machine holds.

use filesystem::Recovery;

use crate::tools::{Image, compare_replay, recover, sh};

/// Makes a filesystem, mounts it, runs `work` in it and copies it while it is still mounted.
/// `None`, with a word to the reader, where the machine does not let us mount.
fn snapshot(make: &str, options: &str, work: &str) -> Option<Image> {
    take(make, options, work, "sync -f mnt; blockdev --flushbufs $loop")
}

/// As [`snapshot`]; `last` is run before the copy is made.
fn take(make: &str, options: &str, work: &str, last: &str) -> Option<Image> {
    let image = Image::new();
    let can = "test $(id -u) = 0 && losetup -f >/dev/null 2>&1";
    if !std::process::Command::new("sh").args(["-c", can]).status().unwrap().success() {
        assert!(std::env::var_os("CI").is_none(), "mounting an image needs root and loop devices");
        println!("not run: mounting an image needs root and loop devices");
        return None;
    }
    let script = format!(
        "mke2fs -qF -t ext4 {make}; mkdir mnt; top=$PWD
         loop=$(losetup -f --show disk)
         trap 'cd /; exec 3<&- 4<&- 5<&-; umount $top/mnt || true; losetup -d $loop' EXIT
         mount -t ext4 -o commit=300{options} $loop mnt
         cd mnt
         commit() {{ echo $1 > committed; sync -f .; }}
         {work}
         cd ..; {last}; cp --sparse=always disk image"
    );
    sh(&script, image.dir());
    Some(image)
}

/// The image as the kernel recovers it, in `reference`.
fn recover_by_kernel(image: &Image) {
    sh(
        "cp image reference; mkdir ref; loop=$(losetup -f --show reference)
         trap 'umount ref || true; losetup -d $loop' EXIT
         mount -t ext4 $loop ref",
        image.dir(),
    );
}

/// Recovers it and compares the tree with what the kernel makes of it.
fn like_the_kernel(image: &Image, what: &str) -> Recovery {
    let (recovery, ours) = recover(image.read()).unwrap_or_else(|error| panic!("{what}: {error}"));
    image.write("ours", &ours);
    sh("e2fsck -fn ours", image.dir());
    recover_by_kernel(image);
    image.same_tree("ours", "reference");
    recovery
}

const FILES: &str = "mkdir -p a/b; for i in $(seq 60); do echo $i > a/b/f$i; done; sync -f .
    rm a/b/f*1; for i in $(seq 20); do seq 2000 > a/g$i; done; commit 1";

#[test]
fn every_checksum_and_block_size() {
    for (make, options) in [
        ("-b 4096 -O 64bit,metadata_csum", ""),
        ("-b 1024 -O 64bit,metadata_csum", ""),
        ("-b 1024 -O ^64bit,metadata_csum", ""),
        ("-b 4096 -O ^64bit,^metadata_csum", ""),
        ("-b 1024 -O ^64bit,^metadata_csum,^extent,^flex_bg", ",data=ordered"),
        ("-b 2048 -O ^metadata_csum", ",journal_checksum"),
        ("-b 1024 -O ^metadata_csum", ",data=writeback,journal_async_commit"),
        ("-b 4096 -O metadata_csum", ",data=writeback,journal_async_commit"),
        ("-b 4096 -O bigalloc -C 16384", ""),
        ("-b 4096 -O inline_data,ea_inode -I 512", ""),
    ] {
        let what = format!("{make} {options}");
        let Some(image) = snapshot(&format!("{make} -J size=4 disk 24M"), options, FILES) else { return };
        let recovery = compare_replay(&image, &what);
        assert!(recovery.transactions >= 2 && recovery.blocks > 4, "{what}: {recovery:?}");
        like_the_kernel(&image, &what);
    }
}

/// So many transactions that the log goes round its ring.
#[test]
fn a_log_that_wraps_around() {
    let work = "for i in $(seq 300); do
            mkdir d$i; for j in 1 2 3 4 5 6; do echo $i > d$i/f$j; done; commit $i
            test $((i % 5)) = 0 || continue
            debugfs -R logdump ../disk 2>/dev/null |
                awk '/at block/ { if ($NF < last) wraps = 1; if (!wraps) before++; last = $NF + 0 }
                     END { exit !(wraps && before > 20) }' && break
        done; test $i -lt 300";
    let Some(image) = snapshot("-b 1024 -J size=1 disk 24M", "", work) else { return };
    let recovery = compare_replay(&image, "wrapped");
    // The kernel may have written some of them to their places since the log was looked at.
    assert!(recovery.transactions > 10, "{recovery:?}");
    like_the_kernel(&image, "wrapped");
}

/// Journaled directories whose blocks are freed and hold unjournaled data by the end.
#[test]
fn freed_metadata_does_not_come_back() {
    let work = "for i in $(seq 400); do mkdir d$i; echo x > d$i/f; done; commit 1
        rm -r d*; commit 2; head -c 14000000 /dev/urandom > big; commit 3
        for i in $(seq 100); do mkdir e$i; done; commit 4; rm -r e*; head -c 3000000 /dev/urandom > big2; commit 5";
    for features in ["metadata_csum", "^metadata_csum,^64bit"] {
        let make = format!("-b 1024 -O {features} -J size=8 disk 32M");
        let Some(image) = snapshot(&make, "", work) else { return };
        sh("debugfs -R 'logdump -S' image 2>/dev/null | grep -q 'revoke table'", image.dir());
        compare_replay(&image, "revoked");
        like_the_kernel(&image, "revoked");
    }
}

/// Journaled content that looks like the journal's own blocks.
#[test]
fn escaped_blocks() {
    let work = "head -c 4092 /dev/zero > rest; (for i in $(seq 30); do printf '\\300\\073\\071\\230'; cat rest; done) > magic
        commit 1; cp magic again; commit 2";
    for block_size in [1024, 4096] {
        let make = format!("-b {block_size} -J size=4 disk 24M");
        let Some(image) = snapshot(&make, ",data=journal", work) else { return };
        compare_replay(&image, "escaped");
        like_the_kernel(&image, "escaped");
    }
}

/// Files that are unlinked but open when the copy is made.
#[test]
fn unlinked_but_open() {
    for (make, large) in [
        ("-b 1024", ":"),
        ("-b 4096 -O ^orphan_file", ":"),
        ("-b 4096 -O orphan_file", ":"),
        ("-b 1024 -O orphan_file,^metadata_csum", ":"),
        ("-b 1024 -O ^extent,^64bit", ":"),
        // The same value on two files is kept once, in an inode that both share.
        (
            "-b 4096 -O ea_inode,inline_data -I 256",
            "setfattr -n user.large -v $(value 9000) gone keep1 keep2",
        ),
    ] {
        let work = format!(
            "for i in $(seq 40); do echo $i > keep$i; done
            head -c 3000000 /dev/urandom > gone; value() {{ head -c $1 /dev/zero | tr '\\0' v; }}
            setfattr -n user.block -v $(value 700) gone keep1
            {large}; mkdir dir; commit 1
            exec 3<gone 4<keep2 5<dir; rm gone keep2; rmdir dir; commit 2"
        );
        let Some(image) = snapshot(&format!("{make} -J size=4 disk 24M"), "", &work) else { return };
        let recovery = like_the_kernel(&image, make);
        assert_eq!(recovery.orphans, 3, "{make}");
    }
}

/// Prints the tree below a directory.
const LIST: &str = r#"list() { (cd $1; find . -type d -printf '%p %m\n' -o -printf '%p %y %m %s %l\n' | sort
    find . -type f -print0 | sort -z | xargs -0r sha256sum); }; list"#;

/// What fast commits record: files and directories that are made, written, renamed, linked, cut and removed, each
/// followed by fsync of a file.
#[test]
fn fast_commits() {
    let python = "python3 - <<'END'
import os, subprocess
def put(name, data, at=0):
    f = os.open(name, os.O_RDWR | os.O_CREAT); os.pwrite(f, data, at); os.fsync(f); os.close(f)
put('start', b'x' * 9000); os.mkdir('sub'); put('sub/old', b'old' * 5000); put('goes', b'g' * 70000)
for i in range(MANY): put('sub/many-%d-%s' % (i, 'n' * 60), b'm')
subprocess.run(['sync', '-f', '.'], check=True)
WORK
END
";
    let work = [
        "put('new', b'n' * 20000)",
        "put('start', b'y' * 30000, 4000); put('start', b'z' * 5, 200000)",
        "os.mkdir('made'); os.mkdir('made/deep'); put('made/deep/file', b'1' * 100); put('made/file', b'2' * 100)",
        "os.link('start', 'sub/linked'); put('start', b'q'); os.rename('sub/old', 'renamed'); put('renamed', b'r')",
        "os.unlink('goes'); put('start', b'u'); put('goes', b'again' * 300)",
        "os.truncate('goes', 5000); f = os.open('goes', os.O_RDWR); os.fsync(f)",
        "os.symlink('short', 'link'); put('start', b's')",
        "os.mkdir('passing'); os.rmdir('passing'); put('start', b't')",
        "[put('sub/added-%d-%s' % (i, 'a' * 60), b'a' * i) for i in range(60)]",
        "[put('holes', b'h' * 100, i * 20000) for i in range(40)]",
        "f = os.open('pre', os.O_RDWR | os.O_CREAT); os.posix_fallocate(f, 0, 100000); os.pwrite(f, b'w' * 9000, 20000); os.fsync(f)",
    ];
    let mut replayed = 0;
    // Every kind of record alone, then all of them in one, over directories with and without an index.
    let all = work.join("\n");
    let cases = (work.iter().copied().map(|work| ("-b 4096", "90", work)))
        .chain([("-b 1024 -O inline_data -I 256", "2", work[9])])
        .chain(
            ["-b 4096", "-b 1024 -O ^metadata_csum", "-b 1024 -O inline_data -I 256"]
                .map(|make| (make, "2", &*all)),
        );
    for (make, many, work) in cases {
        let what = format!("{make} {many} {work}");
        let work = python.replace("MANY", many).replace("WORK", work);
        let make = format!("{make} -O fast_commit -J size=8 disk 48M");
        // A sync would turn the fast commits into a full one. All was fsynced, so what the kernel shows now is
        // the truth. (Its own replay loses the start of a file whose inline data moved out.)
        let Some(image) = take(&make, "", &work, &format!("{LIST} mnt > live")) else { return };
        let (recovery, ours) = recover(image.read()).unwrap_or_else(|error| panic!("{what}: {error}"));
        image.write("ours", &ours);
        sh(
            &format!(
                "e2fsck -fn ours; mkdir out; loop=$(losetup -f --show -r ours)
                 trap 'umount out || true; losetup -d $loop' EXIT
                 mount -o ro,noload $loop out; {LIST} out > list; diff live list"
            ),
            image.dir(),
        );
        let (again, same) = recover(ours.clone()).unwrap();
        assert!(again == Recovery::default() && same == ours, "{what}: a second recovery changes something");
        replayed += recovery.transactions;
    }
    assert!(replayed > 100, "{replayed}");
}
