//! Files that the kernel wrote and deleted: their content in free blocks and in the journal gets their names back.

use filesystem::{Filesystem, ext::Ext};

use super::{Told, is_free, places};
use crate::tools::{Image, sh};

/// Makes a filesystem, runs `work` in it and unmounts it. `None`, with a word to the reader, where the machine does
/// not let us mount.
pub(crate) fn mounted(make: &str, options: &str, work: &str) -> Option<Image> {
    let image = Image::new();
    let can = "test $(id -u) = 0 && losetup -f >/dev/null 2>&1";
    if !std::process::Command::new("sh").args(["-c", can]).status().unwrap().success() {
        assert!(std::env::var_os("CI").is_none(), "mounting an image needs root and loop devices");
        println!("not run: mounting an image needs root and loop devices");
        return None;
    }
    let script = format!(
        "mke2fs -qF -t ext4 {make}; mkdir mnt; top=$PWD
         loop=$(losetup -f --show image)
         trap 'cd /; umount $top/mnt 2>/dev/null || true; losetup -d $loop' EXIT
         mount -t ext4 -o commit=300{options} $loop mnt
         cd mnt
         commit() {{ sync -f .; }}
         inode() {{ for nf in \"$@\"; do echo \"$nf $(stat -c %i $nf)\" >> ../inodes; done; }}
         token() {{ for tf in \"$@\"; do tt=$(echo $tf | tr / _); for tn in $(seq 200); do echo TOKEN-$tt-; done > $tf; done; }}
         {work}
         cd ..; umount mnt"
    );
    sh(&script, image.dir());
    Some(image)
}

/// Each deleted file's content, wherever it still lies in free blocks, and each journal copy of it, is that file's.
fn deleted_files_are_named(make: &str, options: &str) -> Option<(usize, usize)> {
    let work = "mkdir -p etc/keys gone/deep stay
        token etc/keys/a etc/keys/b gone/deep/c gone/d stay/e stay/f; commit
        inode etc/keys/a etc/keys/b gone/deep/c gone/d stay/e stay/f
        mv stay/e stay/renamed; commit
        rm etc/keys/a stay/renamed; commit
        rm -r gone; commit
        token stay/later; inode stay/later; commit
        rm stay/later; commit
        : > stay/f; commit";
    let image = mounted(make, options, work)?;
    let bytes = image.read();
    let told = Told::of(bytes.clone());
    let ext = Ext::open(bytes.clone()).unwrap();
    let (mut free, mut copied) = (0, 0);
    for line in std::fs::read_to_string(image.dir().join("inodes")).unwrap().lines() {
        let (name, inode) = line.split_once(' ').unwrap();
        let deleted = !["etc/keys/b", "stay/f"].contains(&name);
        let path = format!("/{}", name.replace("stay/e", "stay/renamed"));
        let token = format!("TOKEN-{}-", name.replace('/', "_"));
        for place in places(&bytes, &token) {
            let copy = told.copy_at(place);
            if copy.is_none() && !is_free(&ext, place) {
                assert_eq!(name, "etc/keys/b", "{make}: {name} lies at {place}");
                continue;
            }
            if name == "etc/keys/b" {
                continue; // a copy of what is live
            }
            let file = told.file_at(place).unwrap_or_else(|| panic!("{make}: {name} at {place} is nobody's"));
            assert_eq!(file.inode.0.to_string(), inode, "{make}: {name} at {place}: {file:?}");
            assert_eq!(file.deleted, deleted, "{make}: {name}");
            let found = file.path.as_ref().map(|path| String::from_utf8(path.clone()).unwrap());
            assert_eq!(found, deleted.then(|| path.clone()), "{make}: {name} at {place}");
            if let Some(copy) = copy {
                copied += 1;
                // Ordinary content is not escaped, so the copy is what the home block held.
                assert_eq!(copy.home % copy.at.len, 0);
            } else {
                free += 1;
            }
        }
    }
    Some((free, copied))
}

#[test]
fn content_of_deleted_files() {
    for make in [
        "-b 4096 image 24M",
        "-b 1024 -J size=4 image 24M",
        "-b 4096 -O ^metadata_csum,^64bit image 24M",
        "-b 1024 -O ^extent,^metadata_csum,^64bit,^flex_bg -J size=4 image 24M",
        "-b 1024 -O bigalloc,^resize_inode -C 4096 -J size=4 image 24M",
    ] {
        let Some((free, _)) = deleted_files_are_named(make, "") else { return };
        assert!(free >= 6 * 200, "{make}: only {free} tokens in free blocks");
    }
}

/// With data=journal, the content is in the journal too; so are its owners.
#[test]
fn journaled_content() {
    for make in ["-b 4096 -J size=8 image 40M", "-b 1024 -O ^metadata_csum -J size=8 image 40M"] {
        let Some((_, copied)) = deleted_files_are_named(make, ",data=journal") else { return };
        assert!(copied >= 6 * 200, "{make}: only {copied} tokens in the journal");
    }
}

/// A file in so many pieces that its map needs blocks of its own, which are free as well by now.
#[test]
fn maps_in_freed_blocks() {
    for make in
        ["-b 1024 image 24M", "-b 1024 -O ^metadata_csum image 24M", "-b 1024 -O ^extent,^64bit image 24M"]
    {
        let work = "i=0; while test $i -lt 120; do token pieces filler
            i=$((i + 1)); for n in pieces filler; do cat $n >> all-$n; sync -d all-$n; done; done
            rm pieces filler; commit; inode all-pieces; rm all-pieces; commit";
        let Some(image) = mounted(make, "", work) else { return };
        let bytes = image.read();
        let (told, ext) = (Told::of(bytes.clone()), Ext::open(bytes.clone()).unwrap());
        let mut found = 0;
        let all = places(&bytes, "TOKEN-pieces-");
        let free = ext.allocated().unwrap();
        for &place in &all {
            if free.contains(filesystem::Extent { start: block::to_u64(place), len: 1 }) {
                continue;
            }
            let name = told.file_at(place).and_then(|file| file.path.clone());
            found += usize::from(name.as_deref() == Some(b"/all-pieces"));
        }
        assert!(found > 20_000, "{make}: {found} of {}", all.len());
    }
}
