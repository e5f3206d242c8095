//! Physical volumes that other projects test with. Needs a checkout of the corpora (see `DISKSCRUB_CORPORA`); without
//! one, says so and passes.

use std::{path::PathBuf, process::Command};

use filesystem::layout;

use super::scrub::clean;

#[test]
fn other_projects_groups_are_read() {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora"));
    let dir = std::env::var_os("DISKSCRUB_CORPORA").map_or_else(default, PathBuf::from);
    if !dir.join("INDEX.tsv").is_file() {
        println!("not run: no corpora at {}", dir.display());
        return;
    }
    let two = [
        ("LVM2_member", ""),
        ("ext", "test_volume_group/test_logical_volume1"),
        ("empty", "test_volume_group/test_logical_volume2"),
    ];
    let cases: [(&str, &[(&str, &str)]); 3] = [
        ("dfvfs/lvm.raw.zst", &two),
        ("plaso/lvm.raw.zst", &two),
        ("util-linux/images-fs/lvm2.img.zst", &two[..1]),
    ];
    for (name, expected) in cases {
        let output =
            Command::new("zstd").arg("-qdc").arg(dir.join(name)).output().expect("zstd has to be installed");
        assert!(output.status.success(), "zstd -qdc {name}");
        let found = layout(&output.stdout, None).unwrap();
        let volumes: Vec<_> =
            found.volumes.iter().map(|volume| (volume.content.to_string(), volume.name.as_str())).collect();
        let expected: Vec<_> =
            expected.iter().map(|(content, name)| ((*content).to_owned(), *name)).collect();
        assert_eq!(volumes, expected, "{name}");
        assert!(found.volumes.iter().all(|volume| volume.reason.is_none()));
        clean(&output.stdout);
    }
}
