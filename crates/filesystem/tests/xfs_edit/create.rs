//! Names that are made: files, directories and symbolic links, with labels, until chunks of inodes have to be made.

use filesystem::{Filesystem, FilesystemMut, InodeId, NewEntry, NewKind, xfs::Xfs};

use crate::{
    images::{Disk, Lab, target},
    kernel::{VARIANTS, differences},
};

const LABEL: &[u8] = b"system_u:object_r:sshd_config_t:s0\0";

pub(crate) fn entry(kind: NewKind, mode: u16) -> NewEntry {
    let attributes = vec![(b"security.selinux".to_vec(), LABEL.to_vec())];
    NewEntry { kind, mode, uid: 7, gid: 70_000, time: 1_700_000_000, attributes }
}

/// Makes a name that can be made, and reads it back.
pub(crate) fn create(xfs: &mut Xfs<Disk>, path: &str, new: &NewEntry) -> InodeId {
    let (dir, name) = match path.rsplit_once('/') {
        Some((parent, name)) => (target(xfs, parent).inode, name),
        None => (xfs.root().unwrap(), path),
    };
    xfs.supports_create(dir, name.as_bytes(), new).unwrap_or_else(|error| panic!("{path}: {error}"));
    let inode = xfs.create(dir, name.as_bytes(), new).unwrap();
    assert_eq!(target(xfs, path).inode, inode);
    for (attribute, value) in &new.attributes {
        assert_eq!(xfs.attribute(inode, attribute).unwrap().as_ref(), Some(value));
    }
    let metadata = xfs.metadata(inode).unwrap();
    assert_eq!(
        (metadata.mode, metadata.uid, metadata.gid, metadata.mtime),
        (new.mode, new.uid, new.gid, new.time)
    );
    assert_eq!(metadata.kind, new.kind.file_kind());
    match &new.kind {
        NewKind::File(content) => {
            let mut read = vec![0; content.len() + 1];
            assert_eq!(xfs.read(inode, 0, &mut read).unwrap(), content.len());
            assert_eq!(&read[..content.len()], content);
        }
        NewKind::Symlink(target) => assert_eq!(&xfs.link_target(inode).unwrap(), target),
        NewKind::Directory => {}
    }
    inode
}

/// A bit of everything.
pub(crate) fn create_all(xfs: &mut Xfs<Disk>) {
    create(xfs, "new", &entry(NewKind::Directory, 0o2755));
    create(xfs, "new/sub", &entry(NewKind::Directory, 0o700));
    for len in [0, 1, 512, 5000, 300_000] {
        create(xfs, &format!("new/file-{len}"), &entry(NewKind::File(vec![b'x'; len]), 0o4640));
    }
    for len in [1, 200, 290, 300, 900, 1023] {
        create(xfs, &format!("new/link-{len}"), &entry(NewKind::Symlink(vec![b'l'; len]), 0o777));
    }
    create(xfs, &format!("new/sub/{}", "n".repeat(255)), &entry(NewKind::File(b"long".to_vec()), 0o644));
    let plain = NewEntry { attributes: Vec::new(), ..entry(NewKind::File(b"plain\n".to_vec()), 0o600) };
    for at in 0..150 {
        create(xfs, &format!("new/sub/plain-{at}"), &plain);
    }
}

#[test]
fn what_is_made_is_what_the_kernel_sees() {
    if !Lab::can_mount() {
        return;
    }
    for (variant, options) in VARIANTS {
        println!("{variant}");
        let lab = Lab::new();
        lab.run(&format!("truncate -s 400M image; mkfs.xfs -q {options} image"));
        lab.mounted("image", "", "mkdir old; for i in $(seq 30); do echo $i > old/$i; done");
        let before = lab.list("image");
        let mut xfs = lab.open("image");
        xfs.recover().unwrap();
        create_all(&mut xfs);
        for at in 0..40 {
            create(&mut xfs, &format!("old/more-{at}"), &entry(NewKind::File(Vec::new()), 0o644));
        }
        assert_eq!(xfs.scrub().unwrap(), 0, "{variant}: what is made holds no residue");
        drop(xfs);
        lab.judge("image");
        let after = lab.list("image");
        let (gone, new, changed) = differences(&before, &after);
        assert_eq!(gone, Vec::<String>::new(), "{variant}");
        assert!(new.iter().all(|path| path.starts_with("./new") || path.starts_with("./old/more-")));
        assert_eq!(new.len(), 2 + 5 + 6 + 1 + 150 + 40, "{variant}");
        assert_eq!(changed, Vec::<String>::new(), "{variant}: directories keep their times");
        let said = &after["./new/file-5000"];
        assert!(
            said.contains("'0o104640', 7, 70000, 0, 1700000000000000000, 1700000000000000000, 5000"),
            "{said}"
        );
        let label: String = LABEL.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(said.contains(&format!("('security.selinux', '{label}')")), "{said}");
        assert!(after["./new/link-1023"].contains(&"l".repeat(1023)));
        lab.mounted(
            "image",
            "",
            "for i in $(seq 200); do echo $i > new/sub/kernel-$i; setfattr -n user.a$i -v b new/file-512; done
             rm new/link-9* new/file-3*; echo more >> new/file-5000; rm -r old; sync",
        );
        lab.judge("image");
    }
}

#[test]
fn what_cannot_be_made_is_said() {
    let lab = Lab::new();
    lab.run("truncate -s 400M image; mkfs.xfs -q image");
    let mut xfs = lab.open("image");
    let root = xfs.root().unwrap();
    let refusal = |xfs: &mut Xfs<Disk>, name: &[u8], new: &NewEntry| {
        let words = xfs.supports_create(root, name, new).unwrap_err().to_string();
        assert_eq!(xfs.create(root, name, new).unwrap_err().to_string(), words);
        words
    };
    let file = entry(NewKind::File(Vec::new()), 0o644);
    create(&mut xfs, "there", &file);
    assert!(refusal(&mut xfs, b"there", &file).contains("creating there, which exists, is not supported"));
    assert!(refusal(&mut xfs, b"a/b", &file).contains("a file of the name `a/b`"));
    assert!(refusal(&mut xfs, &[b'n'; 256], &file).contains("a file of the name"));
    let link = entry(NewKind::Symlink(vec![b'l'; 1024]), 0o777);
    assert!(refusal(&mut xfs, b"link", &link).contains("1 to 1023 bytes"));
    let early = NewEntry { time: -3_000_000_000, ..file.clone() };
    assert!(refusal(&mut xfs, b"early", &early).contains("the time -3000000000"));
    let large = entry(NewKind::File(vec![1; 400 << 20]), 0o644);
    assert!(refusal(&mut xfs, b"large", &large).contains("more blocks than are free"));
    let attributes = vec![(b"user.a".to_vec(), vec![1; 250]), (b"user.b".to_vec(), vec![1; 250])];
    let many = NewEntry { attributes, ..file };
    assert!(refusal(&mut xfs, b"many", &many).contains("more attributes than its inode holds"));
    drop(xfs);
    lab.judge("image");
}
