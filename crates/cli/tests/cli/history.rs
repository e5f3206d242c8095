//! What residue once was: `verify` names the deleted file, and the block that a journal has a copy of.

use crate::sandbox::{Sandbox, findings, token};

#[test]
fn a_deleted_file_and_a_copy_in_the_journal_are_named() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/srv/kept", "kept");
    sandbox.write("token", format!("token = {}\n", token(1)));
    sandbox.sh("mke2fs -qF -t ext4 -b 1024 -J size=1 -d tree image 8M
         debugfs -w -R 'write token srv/gone' image 2>/dev/null
         block=$(debugfs -R 'blocks srv/gone' image 2>/dev/null)
         printf 'jo -c\\njw -b %s token.block\\njc\\n' $block >journal
         cp token token.block; truncate -s 1024 token.block
         debugfs -w -f journal image >/dev/null 2>&1; e2fsck -fp image >/dev/null || true
         debugfs -w -R 'rm srv/gone' image 2>/dev/null");
    let report = sandbox.json("verify image");
    let found = findings(&report, "secret");
    let of = |region: &str| {
        found
            .iter()
            .find(|finding| finding["place"]["region"] == region)
            .unwrap_or_else(|| panic!("{found:?}"))
    };
    let free = &of("free")["place"]["was"];
    assert_eq!((&free["kind"], &free["path"]), (&"deleted-file".into(), &"/srv/gone".into()), "{free}");
    let copy = &of("journal")["place"]["was"];
    assert_eq!((&copy["kind"], &copy["region"]), (&"copy-of".into(), &"free".into()), "{copy}");
}
