//! Filesystems that were shut down while the kernel had them mounted, as a snapshot of a running machine shows them.

use filesystem::xfs::Recovered;

use crate::tools::Images;

/// Makes a filesystem, mounts it, runs `work` in it and stops it there: what is in the log has not all reached its
/// place. `None` where the machine does not let us mount.
fn crashed(make: &str, options: &str, work: &str) -> Option<Images> {
    let images = Images::new();
    if !Images::can_mount() {
        return None;
    }
    images.run(&format!(
        "truncate -s 256M image; export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1; mkfs.xfs -q -K {make} image"
    ));
    let work = format!("{work}\ncd ..; xfs_io -x -c 'shutdown -f' mnt");
    images.mounted("image", options, &work);
    assert!(images.is_dirty("image"), "{make}: nothing to replay");
    Some(images)
}

/// Recovers it and compares every byte with what the kernel makes of it.
fn like_the_kernel(images: &Images, what: &str) {
    recovered(images, what);
    images.same_bytes("ours", "theirs");
}

/// Recovers it, as `ours`, and has the kernel do so, as `theirs`.
fn recovered(images: &Images, what: &str) {
    images.copy("image", "theirs");
    images.mounted("theirs", "", ":");
    images.copy("image", "ours");
    let recovered = images.recover("ours").unwrap_or_else(|error| panic!("{what}: {error}"));
    println!("{what}: {} transactions, {} writes", recovered.transactions, recovered.writes);
    assert!(recovered.transactions > 0 && recovered.writes > 0, "{what}: {recovered:?}");
    assert_eq!((recovered.rebuild.len(), recovered.unlinked.len()), (0, 0), "{what}");
    assert!(!images.is_dirty("ours"));
    images.judge("ours");
    // Again: nothing changes.
    images.run("sha256sum ours > before");
    assert_eq!(images.recover("ours").unwrap(), Recovered::default());
    images.run("sha256sum ours | cmp - before");
}

const WORK: &str = r#"
    burst() {
        mkdir -p d$1/sub; for i in $(seq 250); do echo "data $i $1" > d$1/file$i; done
        for i in $(seq 1 3 250); do rm d$1/file$i; done
        for i in $(seq 2 12 250); do mv d$1/file$i d$1/sub/renamed$i 2>/dev/null || true; done
        ln -s $(printf 'target%.0s' $(seq 40)) d$1/long; ln -s short d$1/short; ln d$1/sub/renamed2 d$1/hard
        mkfifo d$1/pipe; mknod d$1/null c 1 3
        setfattr -n user.small -v value d$1/sub; setfattr -n user.big -v $(head -c 3000 /dev/zero | tr '\0' v) d$1/file3
        a=$(head -c 150 /dev/zero | tr '\0' a); for i in $(seq 30); do setfattr -n user.attribute$i -v $a d$1/file6; done
        for i in $(seq 0 2 120); do echo "pwrite -q ${i}b 1b"; done | xfs_io -f d$1/frag > /dev/null
        truncate -s 1M d$1/file9; truncate -s 10 d$1/frag
        seq 20000 > d$1/seq; chown 12:34 d$1/file3; chmod 600 d$1/file6
        for i in $(seq 40); do mkdir -p d$1/deep/$i; done; rmdir d$1/deep/1?
    }
    for k in 1 2 3; do burst $k; sync; done; burst 4
    xfs_io -c fsync d4/seq
"#;

#[test]
fn as_distributions_make_them() {
    for make in [
        // RHEL 7, Amazon Linux 2.
        "-m crc=1,finobt=0,reflink=0,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=0",
        // RHEL 8.
        "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=1",
        // RHEL 9, Amazon Linux 2023.
        "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=1,inobtcount=1",
        // What mkfs makes by now.
        "-m crc=1,finobt=1,reflink=1,rmapbt=1,bigtime=1,inobtcount=1 -i nrext64=1",
    ] {
        let Some(images) = crashed(make, "", WORK) else { return };
        like_the_kernel(&images, make);
        images.same_tree("ours", "theirs");
    }
}

/// Records of all lengths, with further headers; logs that have gone round; sectors of 4096 bytes; stripe units.
#[test]
fn records_of_all_lengths() {
    let rounds =
        "for i in $(seq 12); do mkdir r$i; for j in $(seq 200); do echo $j > r$i/f$j; done; sync -f .
            rm -r r$((i - 3)) 2>/dev/null || true; done";
    for (make, options) in [
        ("-l size=10m", ",logbsize=256k"),
        ("-l size=10m", ",logbsize=16k,logbufs=2"),
        ("-l size=20m,su=256k", ",logbsize=256k"),
        ("-l size=10m,su=32k", ""),
        ("-s size=4096 -l size=10m", ",logbsize=64k"),
        ("-l size=7m -d agcount=2", ""),
    ] {
        let Some(images) = crashed(make, options, &format!("{rounds}\n{WORK}")) else { return };
        like_the_kernel(&images, &format!("{make} {options}"));
    }
}

#[test]
fn blocks_and_inodes_of_all_sizes() {
    for make in [
        "-b size=1024 -m rmapbt=1",
        "-b size=1024 -n size=8192",
        "-b size=2048 -i size=1024",
        "-b size=4096 -n size=65536 -i size=1024",
    ] {
        let Some(images) = crashed(make, "", WORK) else { return };
        like_the_kernel(&images, make);
    }
}

/// Metadata whose blocks were freed and hold data by the end, and whole chunks of inodes that went.
#[test]
fn what_was_freed_does_not_come_back() {
    let work = "mkdir a; for i in $(seq 3000); do echo > a/a-name-that-takes-some-space-$i; done; sync -f .
        for i in $(seq 200); do mkdir b$i; setfattr -n user.big -v $(head -c 3000 /dev/zero | tr '\\0' v) b$i; done
        rm -r a b*; sync -f .; head -c 60000000 /dev/urandom > data1; sync -f .
        mkdir c; for i in $(seq 2000); do echo $i > c/f$i; done; sync -f .; rm -r c; head -c 40000000 /dev/urandom > data2
        sync -f .; echo end > last";
    for make in ["-m rmapbt=1", "-d size=200m,agcount=2 -m reflink=0,finobt=0 -i sparse=0"] {
        let Some(images) = crashed(make, "", work) else { return };
        like_the_kernel(&images, make);
        images.same_tree("ours", "theirs");
    }
}

/// Maps in btrees of several levels, shared extents, unwritten ones, attributes of all sizes.
#[test]
fn maps_and_attributes() {
    let work = "for i in $(seq 0 8 16000); do echo pwrite -q ${i}k 4k; done | xfs_io -f frag > /dev/null; sync -f .
        cp --reflink=auto frag shared; for i in $(seq 0 160 16000); do echo pwrite -q ${i}k 4k; done | xfs_io shared > /dev/null;
        sync -f .
        xfs_io -c 'fpunch 40k 400k' -c 'fcollapse 4m 1m' -c 'finsert 2m 1m' frag
        xfs_io -f -c 'falloc 0 20m' -c 'pwrite -q 5m 1m' unwritten; truncate -s 3000000 shared; sync -f .
        touch x; for i in $(seq 400); do setfattr -n user.attribute-number-$i -v $(head -c $((i % 90 + 1)) /dev/zero | tr '\\0' v) x; done
        setfattr -n user.remote -v $(head -c 50000 /dev/zero | tr '\\0' w) x; sync -f .
        for i in $(seq 3 400); do setfattr -x user.attribute-number-$i x; done; setfattr -x user.remote x
        for i in $(seq 100); do ln x l$i; done; cp --reflink=auto frag again; rm frag; sleep 1; sync -f .; echo end > last";
    for make in [
        "-m rmapbt=1,reflink=0 -l size=40m",
        "-b size=1024 -m reflink=1",
        "-m rmapbt=1,reflink=1 -i nrext64=1,size=1024",
    ] {
        let Some(images) = crashed(make, "", work) else { return };
        if make.contains("reflink=0") {
            like_the_kernel(&images, make);
        } else {
            // The kernel gives back the space that was set aside for copies on write and not used. That is no part
            // of the replay, so not every byte can be the same.
            images.copy("image", "theirs");
            images.mounted("theirs", "", ":");
            images.copy("image", "ours");
            assert!(images.finish("ours").unwrap().transactions > 0);
            images.judge("ours");
        }
        images.same_tree("ours", "theirs");
    }
}

/// Where the records of a log that has not gone round begin, in blocks, and where the last one ends.
fn records(images: &Images, name: &str) -> (u64, Vec<u64>) {
    let (start, len, _) = images.log(name);
    let mut found = Vec::new();
    let mut block = 0;
    while block < len / 512 {
        let head = images.read(name, start + block * 512, 512);
        let word = |at: usize| u64::from(u32::from_be_bytes(head[at..at + 4].try_into().unwrap()));
        found.push(block);
        if word(0) != 0xfeed_babe || word(12) == 0 {
            break;
        }
        block += word(320).div_ceil(32768).max(1) + word(12).div_ceil(512);
    }
    (start, found)
}

/// The log cut off behind each of its records: what a crash at that moment would have left.
#[test]
fn a_crash_at_any_moment() {
    let work = "mkdir d e; xfs_io -f -c 'pwrite -q 0 8m' base
        (for i in $(seq 60); do echo $i > d/f$i; mv d/f$i e/g$i; setfattr -n user.a -v b e/g$i; sync -f .; done) &
        (for i in $(seq 40); do cp --reflink=always base copy$i; xfs_io -c 'fpunch 1m 2m' copy$i; rm -f copy$((i - 2)); done) &
        (for i in $(seq 60); do mkdir -p h/$i/$i; ln -s to h/$i/link; rm -rf h/$((i - 3)); done) &
        for i in $(seq 40); do xfs_io -f -c 'pwrite -q 0 64k' t$i; truncate -s 4k t$i; sync -f .; done; wait";
    let Some(images) = crashed("-m rmapbt=1,reflink=1 -l size=40m", "", work) else { return };
    let (start, records) = records(&images, "image");
    let end = start + images.log("image").1;
    let (mut same, mut left, mut refused) = (0, 0, 0);
    let step = records.len().div_ceil(20);
    for &cut in records.iter().rev().step_by(step).filter(|&&cut| cut > 2) {
        images.copy("image", "cut");
        images.run(&format!("fallocate -p -o {} -l {} cut", start + cut * 512, end - start - cut * 512));
        images.copy("cut", "whole");
        images.copy("cut", "theirs");
        images.mounted("theirs", "", ":");
        let recovered = match images.recover("cut") {
            Ok(recovered) => recovered,
            Err(error) => {
                println!("{cut}: {error}");
                refused += 1;
                continue;
            }
        };
        println!(
            "{cut}: {} transactions, {:?} {:?}",
            recovered.transactions, recovered.rebuild, recovered.unlinked
        );
        if recovered.rebuild.is_empty() && recovered.unlinked.is_empty() {
            images.same_bytes("cut", "theirs");
            images.judge("cut");
            same += 1;
        } else {
            images.copy("whole", "cut");
            assert_eq!(images.finish("cut").unwrap().transactions, recovered.transactions);
            images.judge("cut");
            images.same_tree("cut", "theirs");
            left += 1;
        }
    }
    println!("{same} as the kernel has them, {left} with something left to be done, {refused} refused");
    assert!(same > 0);
}

/// Files that are open without a name, and a directory: the list has them, and only them.
#[test]
fn inodes_without_a_name() {
    let work = "mkdir gone; exec 3<> one 4<> two 5< gone; echo content >&3; stat -c %i one two gone | sort -n > ../inodes
        rm one two; rmdir gone; echo end > last; sync -f .";
    let Some(images) = crashed("", "", work) else { return };
    let mut found: Vec<u64> = images.recover("image").unwrap().unlinked.iter().map(|inode| inode.0).collect();
    found.sort_unstable();
    let expected: Vec<u64> = images.run("cat inodes").lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(found, expected);
}

/// A kernel takes an emptied log, goes round it, crashes and recovers, as often as it likes.
#[test]
fn a_kernel_lives_on_with_an_emptied_log() {
    if !Images::can_mount() {
        return;
    }
    let work =
        "for i in $(seq 24); do mkdir -p $1/r$i; for j in $(seq 300); do echo $j > $1/r$i/f$j; done; sync -f .
            rm -r $1/r$((i - 2)) 2>/dev/null || true; done; xfs_io -f -c 'pwrite -q 0 64k' -c fsync $1/end";
    for make in ["-l size=7m -d agcount=2", "-l size=14m,su=32k -d agcount=2 -m rmapbt=1,reflink=1"] {
        let images = Images::new();
        images.run(&format!(
            "truncate -s 160M image; export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1; mkfs.xfs -q -K {make} image"
        ));
        let (mut sparse, mut rounds) = (0, 0);
        for round in 0..6 {
            let last = if round % 2 == 0 { "cd ..; xfs_io -x -c 'shutdown -f' mnt" } else { ":" };
            images.mounted("image", "", &format!("set -- round$((({round} % 3)))\n{work}\n{last}"));
            images.copy("image", "theirs");
            images.mounted("theirs", "", ":");
            let recovered = images.recover("image").unwrap();
            assert_eq!(recovered.transactions > 0, round % 2 == 0, "{make}, round {round}");
            if !recovered.rebuild.is_empty() || !recovered.unlinked.is_empty() {
                // The crash came while the kernel let go of what `rm` had removed, which it does in a thread of its own.
                assert_eq!(round % 2, 0, "{make}, round {round}");
                images.copy("theirs", "image");
                continue;
            }
            let (_, all, needed) = images.log("image");
            let needed = needed.unwrap();
            sparse += usize::from(needed < all);
            rounds += usize::from(needed == all);
            images.judge("image");
            images.same_bytes("image", "theirs");
            // The kernel's own recovery of what it wrote behind our log.
            images.run("xfs_repair -n -f theirs > judged 2>&1 || { cat judged; exit 1; }");
        }
        assert!(sparse > 0 && rounds > 0, "{make}: {sparse} {rounds}");
    }
}
