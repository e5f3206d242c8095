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
        "truncate -s 400M image; export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1; mkfs.xfs -q -K {make} image"
    ));
    let work = format!("{work}\ncd ..; xfs_io -x -c 'shutdown -f' mnt");
    images.mounted("image", options, &work);
    assert!(images.is_dirty("image"), "{make}: nothing to replay");
    Some(images)
}

/// Recovers it and compares the tree with what the kernel makes of it.
fn like_the_kernel(images: &Images, what: &str) -> Recovered {
    images.copy("image", "theirs");
    images.mounted("theirs", "", ":");
    images.copy("image", "ours");
    let recovered = images.recover("ours").unwrap_or_else(|error| panic!("{what}: {error}"));
    println!("{what}: {} transactions, {} writes", recovered.transactions, recovered.writes);
    assert!(recovered.transactions > 0 && recovered.writes > 0, "{what}: {recovered:?}");
    assert!(!images.is_dirty("ours"));
    assert_eq!((recovered.rebuild.len(), recovered.unlinked.len()), (0, 0), "{what}");
    // Again: nothing changes.
    images.run("sha256sum ours > before");
    assert_eq!(images.recover("ours").unwrap().transactions, 0);
    images.run("sha256sum ours | cmp - before");
    images.judge("ours");
    images.same_tree("ours", "theirs");
    recovered
}

const WORK: &str = r#"
    burst() {
        mkdir -p d$1/sub; for i in $(seq 250); do echo "data $i $1" > d$1/file$i; done
        for i in $(seq 1 3 250); do rm d$1/file$i; done
        for i in $(seq 2 12 250); do mv d$1/file$i d$1/sub/renamed$i 2>/dev/null || true; done
        ln -s $(printf 'target%.0s' $(seq 40)) d$1/long; ln -s short d$1/short; ln d$1/sub/renamed2 d$1/hard
        mkfifo d$1/pipe; mknod d$1/null c 1 3
        setfattr -n user.small -v value d$1/sub; setfattr -n user.big -v $(head -c 3000 /dev/zero | tr '\0' v) d$1/file3
        for i in $(seq 30); do setfattr -n user.attribute$i -v $(head -c 150 /dev/zero | tr '\0' a) d$1/file6; done
        for i in $(seq 0 2 120); do echo $i | dd of=d$1/frag bs=4096 seek=$i conv=notrunc status=none; done
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
    }
}
