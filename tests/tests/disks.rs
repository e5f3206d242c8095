//! Several disks of one machine, a volume group across them: cleaned together into one output each, or not at all.

#![allow(clippy::unwrap_used, reason = "this file is tests throughout")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use block::{BlockRead, Format, Joined, OpenOptions};
use filesystem::{Content, Extent, PhysicalVolume};
use tests::{
    checkers, image,
    program::{command, diskscrub, lossy, output, run, workspace},
    secrets, xfs_db,
};

/// The disks of `tests/disks/make.sh`: `a` has /boot and a part of the group, `b` and `b.qcow2` are a physical volume.
struct Disks(tempfile::TempDir);

impl Disks {
    fn new() -> Self {
        let disks = Self(tempfile::tempdir().unwrap());
        let root = workspace();
        let script =
            "source tests/cases/lib.sh; recipe=$PWD/tests/disks/make.sh; cd \"$1\"; source \"$recipe\"";
        let mut recipe = command("bash");
        recipe.args(["-euo", "pipefail", "-c", script, "make"]).arg(disks.0.path()).current_dir(root);
        let made = output(recipe.env("ROOT", root).env("CASE", "disks")).unwrap();
        assert!(made.status.success(), "{}{}", lossy(&made.stdout), lossy(&made.stderr));
        disks
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs diskscrub among them: exit code and what it said on stderr.
    fn diskscrub(&self, arguments: &str) -> (i32, String) {
        let mut program = command(diskscrub());
        program.args(arguments.split(' ')).current_dir(self.0.path());
        let output = output(&mut program).unwrap();
        (output.status.code().unwrap(), lossy(&output.stderr))
    }

    fn digests(&self, names: &[&str]) -> Vec<blake3::Hash> {
        names.iter().map(|name| image::digest(&self.at(name)).unwrap()).collect()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.0.path()).unwrap().count()
    }

    /// The two disks as raw files.
    fn raw(&self, first: &str, second: &str) -> [PathBuf; 2] {
        let raw = |name: &str| image::raw(&self.at(name), self.0.path(), &format!("{name}.raw")).unwrap();
        [raw(first), raw(second)]
    }
}

fn joined(disks: &[PathBuf]) -> Joined {
    let options = OpenOptions { format: Some(Format::Raw), ..OpenOptions::default() };
    let open = |path: &PathBuf| block::open(path, &options).unwrap().device;
    Joined::new(disks.iter().map(open).collect()).unwrap()
}

#[test]
fn a_group_across_two_disks_is_cleaned_whole() {
    let disks = Disks::new();
    let before = disks.digests(&["a", "b.qcow2"]);
    let clean = "clean --quiet a --disk b.qcow2 -o oa -o ob.qcow2 --verify content --report report.json";
    assert_eq!(disks.diskscrub(clean), (0, String::new()));
    assert_eq!(disks.digests(&["a", "b.qcow2"]), before, "the inputs changed");

    let raw = disks.raw("oa", "ob.qcow2");
    let list = secrets::parse(&fs::read_to_string(disks.at("tokens.tsv")).unwrap()).unwrap();
    let read = |path: &Path| fs::read(path).unwrap();
    let found = |files: &[&Path], goes: bool| {
        let bytes: Vec<u8> = files.iter().flat_map(|path| read(path)).collect();
        secrets::found(&list, &bytes).into_iter().filter(|secret| secret.goes == goes).count()
    };
    assert!(found(&[&disks.at("a"), &disks.at("b")], true) > 20, "the recipe planted little");
    assert_eq!(found(&[&raw[0], &raw[1], &disks.at("ob.qcow2")], true), 0, "a secret is left");
    let kept = found(&[&disks.at("a"), &disks.at("b")], false);
    assert_eq!(found(&[&raw[0], &raw[1]], false), kept, "content is gone");
    let report = fs::read_to_string(disks.at("report.json")).unwrap();
    assert!(report.contains("b.qcow2 is joined: its bytes count from 79691776 on"), "{report}");

    judge(&disks, &raw);
    let verify = "verify --quiet oa --disk ob.qcow2 --readers content";
    assert_eq!(disks.diskscrub(verify), (0, String::new()));
    assert_eq!(disks.diskscrub("clean --quiet oa --disk ob.qcow2 -o oa2 -o ob2.qcow2").0, 0);
    assert_eq!(
        disks.digests(&["oa", "ob.qcow2"]),
        disks.digests(&["oa2", "ob2.qcow2"]),
        "the second run writes other bytes"
    );
    // Raw and qcow2, and whatever the output is: the same disks.
    assert_eq!(disks.diskscrub("clean --quiet a --disk b -o oa3 -o ob3").0, 0);
    assert_eq!(disks.digests(&["oa3", "ob3"]), [&raw[0], &raw[1]].map(|path| image::digest(path).unwrap()));
    assert_eq!(fs::metadata(disks.at("ob3")).unwrap().len(), fs::metadata(disks.at("b")).unwrap().len());
}

/// Every volume's own checker, xfs_db's reading, and vgck with both physical volumes.
fn judge(disks: &Disks, raw: &[PathBuf; 2]) {
    let device: Arc<dyn BlockRead> = Arc::new(joined(raw));
    let layout = filesystem::layout(&device, None).unwrap();
    let places = device.disks();
    let on_its_disk = |one: &PhysicalVolume| {
        let at = places.iter().position(|disk| disk.contains_byte(one.extent.start)).unwrap();
        let extent = Extent { start: one.extent.start - places[at].start, ..one.extent };
        (raw[at].as_path(), PhysicalVolume { extent, ..one.clone() })
    };
    let physical: Vec<_> = layout.physical.iter().map(on_its_disk).collect();
    assert_eq!(physical.len(), 2);
    assert_eq!(checkers::groups(&physical).unwrap(), Vec::<String>::new());

    let all = disks.at("joined");
    run(
        "sh",
        ["-c", "cat \"$1\" \"$2\" > \"$3\"", "cat"].iter().map(AsRef::as_ref).chain([
            raw[0].as_os_str(),
            raw[1].as_os_str(),
            all.as_os_str(),
        ]),
    )
    .unwrap();
    let mut kinds = Vec::new();
    for volume in image::volumes_of(layout) {
        kinds.push(volume.content);
        if !matches!(volume.content, Content::Xfs | Content::Ext) {
            continue;
        }
        assert_eq!(checkers::volume_complaints(&all, &volume, disks.0.path()).unwrap(), None);
        if volume.content == Content::Xfs {
            let (file, volume) = image::in_one_piece(&all, &volume, disks.0.path(), "after.volume").unwrap();
            let alone = disks.at("alone.xfs");
            image::extract(&file, &volume, &alone).unwrap();
            assert_eq!(xfs_db::disagreements(&alone).unwrap(), Vec::<String>::new());
        }
    }
    assert_eq!(kinds, [Content::Xfs, Content::Lvm2, Content::Lvm2, Content::Xfs, Content::Ext]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let disks = Disks::new();
    let files = disks.files();
    let missing = "on another disk";
    for (arguments, code, why) in [
        ("clean --quiet a -o oa", 65, missing),
        ("clean --quiet b.qcow2 -o ob.qcow2", 65, missing),
        ("clean --quiet a --disk a -o oa -o ob", 2, "a: is a, which is named already"),
        ("clean --quiet a --disk b -o oa", 2, "2 disks and 1 output"),
        ("clean --quiet a -o oa -o ob", 2, "1 disk and 2 outputs"),
        ("clean --quiet a --disk b -o oa -o ./oa", 2, "./oa: is named for two disks"),
        ("clean --quiet a --disk b -o oa -o b", 2, "b"),
        ("clean --quiet a --disk b -o oa -o ob.qcow2", 2, "ob.qcow2: the output would be raw"),
        // The same physical volume twice.
        (
            "clean --quiet a --disk b --disk b.qcow2 -o oa -o ob -o ob.qcow2 --output-format raw",
            65,
            "that of two",
        ),
        ("clean --quiet a --disk tokens.tsv -o oa -o ob", 65, ""),
        ("clean --quiet a --disk b --in-place --yes", 2, "cannot be used with"),
    ] {
        let (exit, said) = disks.diskscrub(arguments);
        assert!(exit == code && said.contains(why), "{arguments}: {exit}: {said}");
        assert_eq!(disks.files(), files, "{arguments} left a file");
    }
    let (exit, said) = disks.diskscrub("clean --quiet a -o oa");
    assert!(exit == 65 && said.contains("on another disk") && said.contains("--disk adds it"), "{said}");
}
