//! The guest's layout: which volume is where, who lives in it, and where its links lead.

use scan::{DeviceName, Guest, Note, VolumeSource};

use tests::sketch::Tree;

fn volume(volume: usize, tree: &Tree) -> VolumeSource<'_> {
    VolumeSource { volume, filesystem: tree, names: Vec::new() }
}

fn homes(guest: &Guest<'_>) -> Vec<String> {
    guest.homes().iter().map(ToString::to_string).collect()
}

#[test]
fn fstab_puts_volumes_in_their_places() {
    let root = Tree::new(
        "/etc/passwd = root:x:0:0::/root:/bin/sh\\nal:x:1:1::/home/al:/bin/sh\n/etc/os-release = ID=debian\\nVERSION_ID=\"12\"\\nPRETTY_NAME=\"Debian 12\"\n\
         /etc/fstab = LABEL=root / ext4\\nUUID=AA-BB /boot/efi vfat\\nPARTUUID=0c /home ext4\\n/dev/vda5 /var ext4\\nUUID=ff /gone ext4\n/home/\n/var/\n/boot/efi/",
    );
    let mut efi = Tree::new("/EFI/BOOT/BOOTX64.EFI");
    efi.uuid = "aa-bb".to_owned();
    let home = Tree::new("/al/.bash_history\n/ghost/x\n/realm/bo/.ssh/id_rsa\n/lost+found/");
    let var = Tree::new("/lib/x");
    let data = Tree::new("/zoe/.bashrc\n/music/a.ogg");
    let guest = Guest::open(vec![
        volume(0, &efi),
        VolumeSource { names: vec![DeviceName::PartUuid("0C".to_owned())], ..volume(1, &home) },
        volume(2, &root),
        VolumeSource { names: vec![DeviceName::Number(5)], ..volume(3, &var) },
        volume(4, &data),
    ])
    .unwrap();
    let places: Vec<(usize, String)> = guest
        .mounts()
        .iter()
        .map(|mount| (mount.volume, String::from_utf8_lossy(&mount.mount_point).into_owned()))
        .collect();
    let expected = [(0, "/boot/efi"), (1, "/home"), (2, "/"), (3, "/var"), (4, "/")];
    assert_eq!(places, expected.map(|(volume, place)| (volume, place.to_owned())));
    assert_eq!(guest.notes(), [Note::NotInFstab { volume: 4 }]);
    assert_eq!(
        homes(&guest),
        [
            "/etc/skel",
            "/home/al",
            "/home/ghost",
            "/home/lost+found",
            "/home/realm",
            "/home/realm/bo",
            "/root",
            "/zoe"
        ]
    );
    assert_eq!(guest.system().unwrap().pretty_name, "Debian 12");
    assert_eq!(guest.users()[1].name, "al");
    let node = guest.resolve(b"/home/realm/bo/.ssh/id_rsa").unwrap().unwrap();
    assert_eq!((node.volume, node.path.to_string().as_str()), (1, "/home/realm/bo/.ssh/id_rsa"));
}

#[test]
fn links_stay_inside() {
    let tree = Tree::new(
        "/etc/passwd = a:x:1:1::/home/a:/bin/sh\n/data/a/.bash_history\n/home/a -> ../../../data/a\n/x -> y\n/y -> x\n/abs -> /data/a/\n/far -> nowhere/../etc",
    );
    let guest = Guest::open(vec![volume(0, &tree)]).unwrap();
    let real = |path: &str| guest.resolve(path.as_bytes()).unwrap().map(|node| node.path.to_string());
    assert_eq!(real("/home/a/.bash_history").as_deref(), Some("/data/a/.bash_history"));
    assert_eq!(real("/abs").as_deref(), Some("/data/a"));
    assert_eq!(real("/../../data//a/.").as_deref(), Some("/data/a"));
    assert_eq!(real("/x"), None);
    assert_eq!(real("/far"), None);
    assert_eq!(real("/etc/passwd/x"), None);
    assert!(homes(&guest).contains(&"/data/a".to_owned()));
}

#[test]
fn odd_accounts_are_no_homes() {
    let tree = Tree::new(
        "/etc/passwd = bin:x:2:2::/bin:/x\\nnobody:x:9:9::/nonexistent:/x\\nsys:x:3:3::/dev:/x\\nn:x:4:4::/:/x\\nrel:x:5:5::home:/x\\n+::::::\\nshort:x\\nweb:x:6:6::/var/www/:/x\n",
    );
    let guest = Guest::open(vec![volume(0, &tree)]).unwrap();
    assert_eq!(homes(&guest), ["/etc/skel", "/root", "/var/www"]);
    assert_eq!(guest.users().len(), 6);
}

#[test]
fn a_configuration_file_has_a_limit() {
    let mut tree = Tree::new("/etc/fstab = x");
    tree.file("/etc/passwd", vec![b'x'; (4 << 20) + 1]);
    let Err(error) = Guest::open(vec![volume(0, &tree)]) else { panic!("it was read") };
    assert_eq!(
        error.to_string(),
        "inode 3: a configuration file of 4194305 bytes (more than 4194304) is not supported"
    );
}

#[test]
fn no_root_is_no_error() {
    let tree = Tree::new("/alice/.ssh/id_rsa\n/backup/x");
    let guest = Guest::open(vec![volume(7, &tree)]).unwrap();
    assert!(homes(&guest).contains(&"/alice".to_owned()));
    assert!(!homes(&guest).contains(&"/backup".to_owned()));
    assert!(guest.system().is_none());
}

#[test]
fn bind_mounts_lead_to_what_they_show() {
    let tree = Tree::new(
        "/etc/passwd = al:x:1:1::/home/al:/x\n/etc/fstab = /data/home /home none bind 0 0\\n/a /b none bind\\n/b /a none rw,bind\n/data/home/al/.netrc\n/data/home/old/x\n/home/\n/a/\n/b/",
    );
    let guest = Guest::open(vec![volume(0, &tree)]).unwrap();
    let node = guest.resolve(b"/home/al/.netrc").unwrap().unwrap();
    assert_eq!(node.path.to_string(), "/data/home/al/.netrc");
    assert_eq!(guest.resolve(b"/a").unwrap(), None);
    let homes = homes(&guest);
    assert!(
        homes.contains(&"/data/home/al".to_owned()) && homes.contains(&"/data/home/old".to_owned()),
        "{homes:?}"
    );
}
