//! What is refused, with the exact words, before a byte is changed.

use std::fs;

use filesystem::{Change, Filesystem, FilesystemMut, InodeId, Target, ext::Ext};

use crate::{
    case::target,
    image::{Lab, run_ok},
    text,
};

/// The words of a refusal by `supports` and by `change`, which leaves every byte as it was.
fn refusal(ext: &mut Ext<Vec<u8>>, target: &Target, change: &Change) -> String {
    let words = ext.supports(target, change).expect_err("supports").to_string();
    let before = ext.device().clone();
    assert_eq!(ext.change(target, change).expect_err("change").to_string(), words);
    assert!(*ext.device() == before, "{words}: something was changed");
    words
}

/// The lab's image after commands to debugfs.
fn patched(lab: &Lab, commands: &str) -> Ext<Vec<u8>> {
    let path = lab.path("patched");
    if !lab.path("pristine").exists() {
        lab.image("pristine", 16384, &["-t", "ext4", "-O", "verity,encrypt"]);
    }
    fs::copy(lab.path("pristine"), &path).unwrap();
    fs::write(lab.path("commands"), commands).unwrap();
    run_ok("debugfs", &["-w", "-f", lab.path("commands").to_str().unwrap(), path.to_str().unwrap()]);
    Ext::open(fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_target_that_is_not_what_the_directory_says() {
    let lab = Lab::new();
    let mut ext = patched(&lab, "");
    let good = target(&ext, "/a/file-40");
    let (parent, inode) = (good.parent.0, good.inode.0);
    let mut refuse = |target| refusal(&mut ext, &target, &Change::Remove);
    assert_eq!(
        refuse(Target { inode: InodeId(inode + 1), ..good.clone() }),
        format!("inode {parent}: directory entry's inode is {inode} for file-40, expected {}", inode + 1)
    );
    assert_eq!(
        refuse(Target { name: b"nothing".to_vec(), ..good.clone() }),
        format!("inode {parent}: directory is without nothing, expected an entry of that name")
    );
    assert_eq!(
        refuse(Target { parent: good.inode, ..good.clone() }),
        format!("inode {inode}: i_mode is 0o100644, expected a directory")
    );
    assert_eq!(
        refuse(Target { name: b"..".to_vec(), inode: InodeId(2), ..good.clone() }),
        format!("inode {parent}: editing `.` or `..` is not supported")
    );
    assert_eq!(
        refuse(Target { parent: InodeId(2), name: b"lost+found".to_vec(), inode: InodeId(11) }),
        "inode 11: editing lost+found is not supported"
    );
}

#[test]
fn content_that_may_not_change() {
    let lab = Lab::new();
    let mut ext = patched(&lab, "sif /a/file-40 flags 0x180000\nsif /a/file-60 flags 0x80800\n");
    let (verity, encrypted) = (target(&ext, "/a/file-40"), target(&ext, "/a/file-60"));
    let (directory, link) = (target(&ext, "/a"), target(&ext, "/a/short"));
    let inode = |target: &Target| target.inode.0;
    let overwrite = Change::Overwrite(text(5));
    for change in [&Change::Truncate, &overwrite] {
        assert_eq!(
            refusal(&mut ext, &verity, change),
            format!(
                "inode {}: truncating or overwriting a file with fs-verity is not supported",
                inode(&verity)
            )
        );
        for target in [&directory, &link] {
            assert_eq!(
                refusal(&mut ext, target, change),
                format!(
                    "inode {}: truncating or overwriting other than a regular file is not supported",
                    inode(target)
                )
            );
        }
    }
    assert_eq!(
        refusal(&mut ext, &encrypted, &overwrite),
        format!("inode {}: overwriting encrypted content (fscrypt) is not supported", inode(&encrypted))
    );
    ext.change(&encrypted, &Change::Truncate).unwrap();
    ext.change(&verity, &Change::Remove).unwrap();
}

#[test]
fn trees_that_bite_their_own_tail() {
    let lab = Lab::new();
    // A second name for a directory, inside of itself and beside itself.
    let mut ext = patched(&lab, "cd /a/b/c\nlink /a/b again\n");
    let (a, b) = (target(&ext, "/a"), target(&ext, "/a/b").inode.0);
    let c = target(&ext, "/a/b/c").inode.0;
    assert_eq!(
        refusal(&mut ext, &a, &Change::Remove),
        format!("inode {b}: directory's .. is {}, expected {c}", a.inode.0)
    );
    let mut ext = patched(&lab, "cd /a\nlink /a/b again\n");
    assert_eq!(
        refusal(&mut ext, &a, &Change::Remove),
        format!("inode {b}: directory is named twice, expected named once")
    );
    let mut ext = patched(&lab, "cd /a\nlink <8> journal\n");
    assert_eq!(
        refusal(&mut ext, &a, &Change::Remove),
        "inode 8: editing an inode of the filesystem's own is not supported"
    );
    let mut ext = patched(&lab, "sif /a/file-5000 links_count 1\n");
    let file = target(&ext, "/a/file-5000").inode.0;
    assert_eq!(
        refusal(&mut ext, &a, &Change::Remove),
        format!("inode {file}: i_links_count is 1, expected at least 2")
    );
    let mut ext = patched(&lab, "freei /a/file-40\n");
    let file = target(&ext, "/a/file-40").inode.0;
    assert_eq!(
        refusal(&mut ext, &a, &Change::Remove),
        format!("inode {file}: bit in the inode bitmap is free, expected in use, for it has a name")
    );
    let mut ext = patched(&lab, "feature needs_recovery\n");
    assert_eq!(
        refusal(&mut ext, &a, &Change::Remove),
        "superblock: editing before the journal is replayed and orphans are processed is not supported"
    );
}
