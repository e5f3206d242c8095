//! Files that mtools deleted from FAT.

use std::{fs, process::Command};

use filesystem::fat::Fat;

use super::{Told, places};

fn sh(script: &str, dir: &std::path::Path) {
    crate::tools::sh(&format!("export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8\n{script}"), dir);
}

#[test]
fn deleted_files_keep_name_and_clusters() {
    let tool =
        Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin; command -v mcopy mkfs.fat"]).output().unwrap();
    assert!(tool.stdout.len() > 10, "this test needs mcopy and mkfs.fat (Debian: mtools, dosfstools)");
    for (bits, size) in [(12, "2M"), (16, "16M"), (32, "64M")] {
        let dir = tempfile::tempdir().unwrap();
        sh(
            &format!(
                "truncate -s {size} image; mkfs.fat -F {bits} image > /dev/null
                 token() {{ for n in $(seq 900); do echo TOKEN-$1-; done > file; mcopy -i image file \"::$2\"; }}
                 mmd -i image ::/EFI ::/EFI/gone; token long '/EFI/A secret of old.text'; token short /EFI/SHORT.TXT
                 token stays /STAYS.TXT; token below '/EFI/gone/below the line.cfg'
                 mdel -i image '::/EFI/A secret of old.text' ::/EFI/SHORT.TXT; mdeltree -i image ::/EFI/gone"
            ),
            dir.path(),
        );
        let bytes = fs::read(dir.path().join("image")).unwrap();
        let fat = Fat::open(bytes.clone()).unwrap();
        let told = Told::by(&fat);
        for (token, path) in [
            ("long", "/EFI/A secret of old.text"),
            ("short", "/EFI/?HORT.TXT"),
            ("below", "/EFI/?one/below the line.cfg"),
        ] {
            for place in places(&bytes, &format!("TOKEN-{token}-")) {
                let path_found = told.file_at(place).and_then(|file| file.path.clone());
                let found = path_found.map(|path| String::from_utf8(path).unwrap());
                assert_eq!(found.map(|path| path.to_lowercase()), Some(path.to_lowercase()), "FAT{bits}");
            }
        }
        assert!(places(&bytes, "TOKEN-stays-").into_iter().all(|place| told.file_at(place).is_none()));
    }
}
