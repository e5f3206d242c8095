//! What a filesystem's inodes own and what its bitmaps call in use must be the same blocks.

use sanitize::Request;

use crate::support::{
    BLOCK, Lab, assert_consistent, clean, content, has, judge, request, selection, write_at,
};

#[test]
fn owned_but_free_is_corrupt() {
    let lab = Lab::new();
    lab.make(&[]);
    let block = lab.block_of("/home/al/notes");
    lab.debugfs(&format!("freeb {block}"));
    let selection = selection(&[]);
    let expected =
        format!("volume 0: first byte in use that is not allocated is {}, expected none", block * BLOCK);
    for drop_unowned in [false, true] {
        let request = Request { drop_unowned, ..request(&selection) };
        assert_eq!(clean(lab.image(), &request).unwrap_err().to_string(), expected);
    }
}

/// The number of the inode that a path names.
fn inode_of(lab: &Lab, path: &str) -> String {
    let said = lab.debugfs(&format!("stat {path}"));
    said.split("Inode: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_name_of_a_free_inode_is_corrupt() {
    let lab = Lab::new();
    lab.make(&[]);
    let [directory, file] = ["/home/al", "/home/al/notes"].map(|path| inode_of(&lab, path));
    lab.debugfs("freei /home/al/notes");
    let selection = selection(&[]);
    // What it had is owned by nothing now; but it can still be found, and so it cannot be dropped.
    let dropping = Request { drop_unowned: true, ..request(&selection) };
    assert_eq!(
        clean(lab.image(), &dropping).unwrap_err().to_string(),
        format!(
            "inode {directory}: directory entry's inode is {file}, which is free, expected one that is in use"
        )
    );
}

/// No rule finds it, and the next fsck would bring it back.
#[test]
fn a_file_without_a_name_is_corrupt() {
    let lab = Lab::new();
    lab.make(&[]);
    let file = inode_of(&lab, "/home/al/notes");
    lab.debugfs("unlink /home/al/notes");
    let selection = selection(&[]);
    assert_eq!(
        clean(lab.image(), &request(&selection)).unwrap_err().to_string(),
        format!(
            "inode {file}: number of names that lead to it is 0, expected at least one, as it is in use (fsck \
             puts it into lost+found)"
        )
    );
}

/// A directory that only names below itself lead to: a walk from the root never comes there.
#[test]
fn a_tree_that_is_cut_off_is_corrupt() {
    let lab = Lab::new();
    lab.make(&[]);
    lab.debugfs("mkdir /home/cut");
    lab.debugfs("write /dev/null /home/cut/history");
    let directory = inode_of(&lab, "/home/cut");
    lab.debugfs("ln /home/cut /home/cut/self");
    lab.debugfs("unlink /home/cut");
    let selection = selection(&[]);
    assert_eq!(
        clean(lab.image(), &request(&selection)).unwrap_err().to_string(),
        format!(
            "inode {directory}: number of names that lead to it is 0, expected at least one, as it is in use (fsck \
             puts it into lost+found)"
        )
    );
}

/// No walk would look into it.
#[test]
fn a_directory_that_calls_itself_a_file_is_corrupt() {
    let lab = Lab::new();
    lab.make(&["-O", "^metadata_csum"]);
    let (root, home) = (lab.block_of("/") * BLOCK, inode_of(&lab, "/home"));
    let name = lab.image()[root..root + BLOCK].windows(4).position(|name| name == b"home").unwrap();
    // Its kind lies before the name: 1 is a file.
    write_at(&lab.path("image"), root + name - 1, &[1]);
    let selection = selection(&[]);
    assert_eq!(
        clean(lab.image(), &request(&selection)).unwrap_err().to_string(),
        format!("inode 2: directory entry's kind is a file for inode {home}, expected a directory")
    );
}

#[test]
fn allocated_but_unowned_is_corrupt_unless_it_is_to_be_dropped() {
    const TOKEN: &[u8] = b"what a crash left behind";
    let lab = Lab::new();
    lab.make(&[]);
    let free = lab.debugfs("ffb 1");
    let block: usize = free.split_whitespace().last().unwrap().parse().unwrap();
    lab.debugfs(&format!("setb {block}"));
    write_at(&lab.path("image"), block * BLOCK, TOKEN);

    let selection = selection(&[]);
    assert_eq!(
        clean(lab.image(), &request(&selection)).unwrap_err().to_string(),
        format!(
            "volume 0: number of allocated bytes that nothing owns is 4096, expected 0 (the first is byte {}; \
             --drop-unowned drops them)",
            block * BLOCK
        )
    );

    let dropping = Request { drop_unowned: true, ..request(&selection) };
    let (output, report) = clean(lab.image(), &dropping).unwrap();
    assert!(has(&lab.image(), TOKEN) && !has(&output, TOKEN));
    assert_eq!(content(&output, "/home/al/notes"), b"notes that stay\n");
    assert_eq!(report.volumes[0].dropped["unowned"], u64::try_from(TOKEN.len()).unwrap());
    let note = "volume 0: 4096 bytes are allocated but owned by nothing";
    assert!(report.notes.iter().any(|one| one == note), "{:?}", report.notes);

    // The judge sees the same, and is content if it was asked for and nothing is in them.
    assert_eq!(judge(&output, true), [""; 0]);
    let found = format!(
        "volume 0: 4096 bytes allocated, but owned by nothing, the first at offset {}",
        block * BLOCK
    );
    assert_eq!(judge(&output, false), [found]);
    let mut forged = output.clone();
    forged[block * BLOCK] = 1;
    assert_eq!(judge(&forged, true).len(), 1);
    assert_eq!(clean(output.clone(), &dropping).unwrap().0, output);
}

/// Even bytes that are all zero are told of: a bitmap that lies is worth a look.
#[test]
fn unowned_zeros_are_noted() {
    let lab = Lab::new();
    lab.make(&[]);
    assert_consistent(&lab.image());
    lab.debugfs("setb 4000 2");
    let selection = selection(&[]);
    let (_, report) = clean(lab.image(), &Request { drop_unowned: true, ..request(&selection) }).unwrap();
    assert!(!report.volumes[0].dropped.contains_key("unowned"));
    let note = "volume 0: 8192 bytes are allocated but owned by nothing";
    assert!(report.notes.iter().any(|one| one == note), "{:?}", report.notes);
}

#[test]
fn a_block_of_two_files_is_corrupt() {
    let lab = Lab::new();
    lab.put("home/al/other", &[b'o'; 5000]);
    lab.make(&["-O", "^extents,^64bit,^metadata_csum"]);
    let block = lab.block_of("/home/al/notes");
    lab.debugfs(&format!("sif /home/al/other block[1] {block}"));
    let error = clean(lab.image(), &request(&selection(&[]))).unwrap_err().to_string();
    assert!(error.contains(&block.to_string()) || error.contains(&(block * BLOCK).to_string()), "{error}");
}
