//! Version 4, which this kernel no longer mounts: filled by mkfs, judged by xfs_repair and read back.

use filesystem::{Change, Filesystem, FilesystemMut};

use crate::{
    create::create_all,
    images::{Lab, target},
};

/// As CentOS 6 and RHEL 7.2 and earlier made them; and what mkfs of Amazon Linux 2 makes with `crc=0`.
const VARIANTS: [(&str, &str); 4] = [
    ("centos6", "-m crc=0,finobt=0 -i size=256"),
    ("ftype", "-m crc=0,finobt=0 -n ftype=1 -i size=512"),
    ("block512", "-m crc=0,finobt=0 -b size=512"),
    ("block64k", "-m crc=0,finobt=0 -b size=65536"),
];

/// Names of the filler, so many that directories take every form.
fn prototype() -> String {
    let mut text = "/\n0 0\nd--755 0 0\n".to_owned();
    for (directory, count) in [("empty", 0), ("few", 4), ("block", 60), ("leaf", 300), ("node", 2500)] {
        text += &format!("{directory} d--755 0 0\n");
        for at in 0..count {
            text += &format!("PLANTED-{directory}-{at}-{} ---644 0 0 source\n", "y".repeat(at % 30));
        }
        text += "$\n";
    }
    text += "link l--777 0 0 /PLANTED/target\nkept ---600 0 0 source\n$\n";
    text
}

#[test]
fn every_edit_of_version_4_leaves_xfs_repair_silent() {
    for (variant, options) in VARIANTS {
        println!("{variant}");
        let lab = Lab::new();
        std::fs::write(lab.path("prototype"), prototype()).unwrap();
        std::fs::write(lab.path("source"), "PLANTED ".repeat(1500)).unwrap();
        lab.run(&format!("truncate -s 1G image; mkfs.xfs -q {options} -p prototype image 2>/dev/null"));
        lab.judge("image");
        let mut xfs = lab.open("image");
        xfs.recover().unwrap();
        for at in (0..2500).step_by(5) {
            lab.change(&mut xfs, &format!("node/PLANTED-node-{at}-{}", "y".repeat(at % 30)), &Change::Remove);
        }
        for at in 5..300 {
            lab.change(&mut xfs, &format!("leaf/PLANTED-leaf-{at}-{}", "y".repeat(at % 30)), &Change::Remove);
        }
        xfs.complete().unwrap();
        drop(xfs);
        lab.judge("image");
        let mut xfs = lab.open("image");
        for directory in ["empty", "few", "block", "leaf", "node", "link"] {
            lab.change(&mut xfs, directory, &Change::Remove);
        }
        lab.change(&mut xfs, "kept", &Change::Overwrite(b"clean".to_vec()));
        if variant != "block64k" {
            create_all(&mut xfs);
        }
        xfs.scrub().unwrap();
        assert_eq!(xfs.scrub().unwrap(), 0, "{variant}");
        xfs.tails(&mut |extent, tail| panic!("{variant}: {tail:?} at {extent:?} was left")).unwrap();
        let kept = target(&xfs, "kept").inode;
        assert_eq!(xfs.metadata(kept).unwrap().size, 5);
        drop(xfs);
        lab.judge("image");
        lab.live_copy("image", "clean");
        lab.judge("clean");
        assert_eq!(lab.marks("clean"), 0, "{variant}");
    }
}
