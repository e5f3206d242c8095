//! What a crash leaves to be done: intents without an end, inodes that were open without a name.

use filesystem::FilesystemMut;

use crate::{
    images::Lab,
    kernel::{VARIANTS, differences},
};

/// Work whose log is cut off while it goes on: freed and shared extents are announced, and not done.
const WORK: &str = "
    mkdir d; for i in $(seq 300); do head -c 20000 /dev/urandom > d/f$i; done
    head -c 4000000 /dev/urandom > big; sync
    exec 3> open1 4> open2 5<> open3; echo PLANTED >&3; head -c 300000 /dev/urandom >&4; echo x >&5
    rm open1 open2 open3
    for i in $(seq 1 3 300); do rm d/f$i; done
    for i in $(seq 30); do cp --reflink=auto big copy$i; done
    for i in $(seq 1 2 30); do rm copy$i; done
    for i in $(seq 40); do dd if=/dev/urandom of=copy2 bs=4096 count=1 seek=$((i * 7)) conv=notrunc status=none; done
    fsfreeze -f . && cp --sparse=always ../image ../frozen && fsfreeze -u .
    xfs_io -x -c 'shutdown -f' . ; exec 3<&- 4<&- 5<&-";

#[test]
fn what_a_crash_left_is_as_the_kernel_would_have_it() {
    if !Lab::can_mount() {
        return;
    }
    for (variant, options) in VARIANTS {
        println!("{variant}");
        let lab = Lab::new();
        lab.run(&format!("truncate -s 400M image; mkfs.xfs -q {options} image"));
        lab.mounted("image", "", WORK);
        for crashed in ["image", "frozen"] {
            lab.run(&format!("cp --sparse=always {crashed} kernel"));
            // The kernel replays at this mount.
            lab.mounted("kernel", "", "true");
            let mut xfs = lab.open(crashed);
            let recovery = xfs.recover().unwrap_or_else(|error| panic!("{variant}: {crashed}: {error}"));
            assert!(recovery.transactions > 0, "{variant}: {crashed}");
            assert_eq!(recovery.orphans, 3, "{variant}: {crashed}");
            assert_eq!(xfs.recover().unwrap().orphans, 0);
            xfs.scrub().unwrap();
            drop(xfs);
            lab.judge(crashed);
            let (before, after) = (lab.list("kernel"), lab.list(crashed));
            let none = Vec::<String>::new();
            assert_eq!(
                differences(&before, &after),
                (none.clone(), none.clone(), none),
                "{variant}: {crashed}"
            );
            lab.mounted(crashed, "", "cp -r d e; rm -r d; rm copy*; echo more >> big; sync");
            lab.judge(crashed);
        }
    }
}
