//! What vgck(8), vgs(8), lvs(8) and vgcfgbackup(8) say of metadata that we made, and of what is left of it. They want
//! block devices: where there are no loop devices, says so and passes; a continuous integration has them.

use std::{fs, path::Path, process::Command};

use super::{
    sample::{PV, group, linear, lv, pv},
    scrub::clean,
};

fn can() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let can = root && Path::new("/dev/loop-control").exists();
    assert!(can || std::env::var_os("CI").is_none(), "loop devices are needed: run as root");
    if !can {
        println!("not run: no root, or no loop devices");
    }
    can
}

fn run(tool: &str, arguments: &[&str]) -> String {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(tool)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .env("LVM_SUPPRESS_FD_WARNINGS", "1")
        .output()
        .unwrap_or_else(|error| panic!("{tool} has to be installed (Debian: lvm2, mount): {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {said}{errors}");
    said
}

/// Physical volumes on loop devices.
struct Loops(Vec<String>, tempfile::TempDir);

impl Loops {
    fn of(images: &[&[u8]]) -> Self {
        let mut loops = Self(Vec::new(), tempfile::tempdir().unwrap());
        for (number, image) in images.iter().enumerate() {
            let path = loops.1.path().join(format!("pv{number}"));
            fs::write(&path, image).unwrap();
            loops.0.push(run("losetup", &["-f", "--show", path.to_str().unwrap()]).trim().to_owned());
        }
        loops
    }

    /// A tool of lvm2 that sees these devices and nothing else of the host.
    fn lvm(&self, tool: &str, arguments: &[&str]) -> String {
        let accept: Vec<String> = self.0.iter().map(|device| format!("\"a|^{device}$|\"")).collect();
        let filter = format!("[{},\"r|.*|\"]", accept.join(","));
        let dir = self.1.path().display();
        let config = format!(
            "devices{{use_devicesfile=0 filter={filter} global_filter={filter}}} \
             global{{locking_dir=\"{dir}/lock\" event_activation=0 use_lvmpolld=0}} \
             activation{{udev_sync=0 udev_rules=0 monitoring=0}} backup{{backup=0 archive=0}}"
        );
        run(tool, &[&["--config", &config][..], arguments].concat())
    }

    /// The text as vgcfgbackup(8) writes it, without what it says of itself.
    fn backup(&self) -> String {
        let file = self.1.path().join("backup");
        self.lvm("vgcfgbackup", &["-f", file.to_str().unwrap(), "t-vg"]);
        let text = fs::read_to_string(file).unwrap();
        let group = text.find("t-vg {").unwrap();
        let devices = |line: &&str| !line.contains("device = ");
        text[group..].lines().filter(devices).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for device in &self.0 {
            let _ = Command::new("losetup").args(["-d", device]).status();
        }
    }
}

#[test]
fn the_tools_of_lvm2_see_the_same() {
    if !can() {
        return;
    }
    let two = "type = \"striped\"\nstripe_count = 2\nstripe_size = 8\nstripes = [\"pv0\", 20, \"pv1\", 8]";
    let raid = "type = \"raid1\"\ndevice_count = 2\nregion_size = 8\n\
                raids = [\"r_rmeta_0\", \"r_rimage_0\", \"r_rmeta_1\", \"r_rimage_1\"]";
    let logical = [
        lv("root", true, &[(4, &linear(0, 0)), (2, &linear(1, 0))]),
        lv("data", true, &[(4, two)]),
        lv("r", true, &[(2, raid)]),
        lv("r_rmeta_0", false, &[(1, &linear(0, 40))]),
        lv("r_rimage_0", false, &[(2, &linear(0, 41))]),
        lv("r_rmeta_1", false, &[(1, &linear(1, 40))]),
        lv("r_rimage_1", false, &[(2, &linear(1, 41))]),
    ];
    let text = group(2, &logical.concat());
    // The tools pass over devices of less than 2 MiB.
    let parts = [pv(PV[0], 600, Some(&text)), pv(PV[1], 600, Some(&text))];
    let before = Loops::of(&[&parts[0], &parts[1]]);
    before.lvm("vgck", &["t-vg"]);
    let disk = super::sample::disk(&[&parts[0], &parts[1]]);
    let copy = clean(&disk);
    let base = 1 << 20;
    let (a, b) = copy[base..].split_at(parts[0].len());
    let after = Loops::of(&[a, b]);
    after.lvm("vgck", &["t-vg"]);
    assert_eq!(after.backup(), before.backup());
    let pvs =
        |loops: &Loops| loops.lvm("pvs", &["--noheadings", "-O", "pv_uuid", "-o", "pv_uuid,vg_name,pv_used"]);
    assert_eq!(pvs(&after), pvs(&before));
    let lvs = ["--noheadings", "-a", "-o", "lv_full_name,lv_uuid,lv_size,seg_type,seg_pe_ranges"];
    assert_eq!(before.lvm("lvs", &lvs).lines().count(), 8);
    for device in &after.0 {
        after.lvm("pvck", &[device]);
        assert!(!after.lvm("pvck", &["--dump", "metadata_all", device]).contains("SECRET"));
    }
    // They go on from there.
    after.lvm("vgchange", &["--addtag", "later", "t-vg"]);
    after.lvm("vgck", &["t-vg"]);
    assert!(after.backup().contains("seqno = 8"));
}
