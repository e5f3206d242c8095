//! `clean --in-place` on files: the same bytes as a copy, also when a run dies in the middle.

use std::fs;

use crate::sandbox::Sandbox;

/// A disk of 16 MiB with a filesystem, what was deleted from it, and secrets all over its free blocks.
pub(crate) fn disk() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/etc/ssh/ssh_host_rsa_key", "a secret key\n".repeat(700));
    sandbox.write("tree/root/.bash_history", "a secret command\n");
    sandbox.write("tree/srv/stays", "stays\n".repeat(300));
    sandbox.write("tree/srv/deleted", "a secret that was deleted\n".repeat(300));
    sandbox.sh("mke2fs -qF -t ext4 -b 1024 -d tree disk 16M; debugfs -wR 'rm /srv/deleted' disk 2>/dev/null");
    // The upper half of the second block group is free.
    sandbox.sh("for at in $(seq 12300 300 16000); do
             printf 'a secret in a free block' | dd of=disk bs=1024 seek=$at conv=notrunc status=none
         done
         chmod 600 disk; cp --sparse=always disk before; \"$diskscrub\" clean -q disk -o copy > copied");
    assert!(sandbox.sh("grep -c secret disk") != "0\n");
    sandbox
}

fn logs(sandbox: &Sandbox) -> String {
    sandbox.sh("find . -name '*.diskscrub-intent'")
}

#[test]
fn the_same_bytes_as_a_copy() {
    let sandbox = disk();
    let (code, said, message) =
        sandbox.run("clean --in-place disk --yes --report report.json --report page.html -q");
    assert_eq!((code, message.as_str()), (Some(0), ""));
    assert!(said.contains("In place: ") && said.ends_with("disk is clean.\n"), "{said}");
    sandbox.sh("cmp disk copy; e2fsck -fn disk; test $(stat -c %a disk) = 600; test -s page.html");
    assert_eq!(logs(&sandbox), "");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(sandbox.at("report.json")).unwrap()).unwrap();
    let done = &report["clean"]["in_place"];
    assert_eq!(done["overwrite"], "zero");
    assert!(done["overwritten"].as_u64().unwrap() > 13 * 1024, "{done}");
    // A second run has nothing to do, whatever it overwrites with, and gives storage back if it is asked to.
    let again = sandbox.json("clean --in-place disk --yes -q --overwrite random,zero --discard");
    assert_eq!(again["clean"]["in_place"]["overwritten"], 0);
    sandbox.sh("cmp disk copy; test $(stat -c %b disk) -lt $(stat -c %b before)");
}

#[test]
fn zeros_are_left_whatever_came_before() {
    let sandbox = disk();
    let report = sandbox.json("clean --in-place disk --yes -q --overwrite zero,random");
    assert_eq!(report["clean"]["in_place"]["overwrite"], "zero,random,zero");
    sandbox.sh("cmp disk copy");
}

/// A run in place on the file that may not write behind 14 MiB: it fails there, and some bytes have changed.
fn dies(sandbox: &Sandbox, file: &str, arguments: &str) {
    sandbox.sh(&format!(
        "ulimit -c 0; (ulimit -f 28672; \"$diskscrub\" clean --in-place {file} --yes -q {arguments}) 2>/dev/null && exit 1
         cmp -s {file} before && exit 2; cmp -s {file} copy && exit 3; test -s .{file}.diskscrub-intent
         test $(stat -c %a .{file}.diskscrub-intent) = 600"
    ));
}

#[test]
fn a_run_that_was_killed_is_finished() {
    let sandbox = disk();
    dies(&sandbox, "disk", "");
    let (code, said, message) = sandbox.run("clean --in-place disk --yes -q --report report.json");
    let finishing = "diskscrub: finishing the run that ";
    assert!(code == Some(0) && message.starts_with(finishing), "{code:?} {message}");
    assert!(said.ends_with("disk is clean.\n") && sandbox.at("report.json").exists(), "{said}");
    sandbox.sh("cmp disk copy");
    assert_eq!(logs(&sandbox), "");
}

/// Its second GPT lies where the end was: a volume larger than its snapshot, or an image on a larger device.
#[test]
fn a_disk_that_was_grown_is_cleaned_and_verified() {
    let sandbox = disk();
    sandbox.sh("truncate -s 20M grown; sgdisk -n 1:2048:+16M grown > /dev/null
         dd if=before of=grown bs=1M seek=1 conv=notrunc status=none; truncate -s 30M grown");
    let (code, said, message) = sandbox.run("clean --in-place grown --yes -q");
    assert_eq!((code, message.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("the image has grown since"), "{said}");
    let (code, said, message) = sandbox.run("verify grown -q");
    assert_eq!((code, message.as_str()), (Some(0), ""), "{said}");
}

/// The run had done everything but overwrite its log, or had overwritten a part of it.
#[test]
fn a_run_that_died_while_its_log_went_is_finished() {
    let sandbox = disk();
    sandbox.sh("cp copy disk");
    for left in ["printf 'half a log' >", "head -c 5000 /dev/zero >"] {
        sandbox.sh(&format!("umask 077; {left} .disk.diskscrub-finished"));
        let (code, _, message) = sandbox.run("clean --in-place disk --yes -q");
        assert_eq!((code, message.as_str()), (Some(0), ""));
        sandbox.sh("cmp disk copy; test ! -e .disk.diskscrub-finished");
    }
    // Never by way of a link.
    sandbox.sh("cp before precious; ln -s precious .disk.diskscrub-finished");
    let (code, _, message) = sandbox.run("clean --in-place disk --yes -q");
    assert!(code != Some(0) && message.contains(".disk.diskscrub-finished"), "{message}");
    sandbox.sh("cmp before precious; rm .disk.diskscrub-finished; ln precious .disk.diskscrub-finished");
    let (code, _, message) = sandbox.run("clean --in-place disk --yes -q");
    assert!(code != Some(0) && message.contains("is no log of a finished run"), "{message}");
    sandbox.sh("cmp before precious");
}

#[test]
fn a_log_fits_its_disk_and_its_command_or_nothing_is_written() {
    let sandbox = disk();
    dies(&sandbox, "disk", "");
    sandbox.sh("cp disk half; cp -p .disk.diskscrub-intent log");
    for (what, arguments, expected) in [
        ("true", "--policy aws", "the run that was not finished had another policy or other options"),
        ("true", "--overwrite random", "the run that was not finished had another policy or other options"),
        (
            "printf x | dd of=disk bs=1 seek=$(grep -oba stays disk | head -n1 | cut -d: -f1) conv=notrunc status=none",
            "",
            "something else has written to the disk since",
        ),
        ("truncate -s 17M disk", "", "is the intent log of another disk, of 16777216 bytes"),
        ("truncate -s -1 .disk.diskscrub-intent", "", "is damaged: its digest is not that of its bytes"),
        ("truncate -s 0 .disk.diskscrub-intent", "", "is not a complete intent log"),
        ("chmod 666 .disk.diskscrub-intent", "", "is an intent log that somebody else can write"),
    ] {
        sandbox.sh(&format!(
            "rm -f .disk.diskscrub-intent; cp half disk; cp -p log .disk.diskscrub-intent; {what}; cp disk now"
        ));
        let (code, _, message) = sandbox.run(&format!("clean --in-place disk --yes -q {arguments}"));
        assert!(code == Some(2) && message.contains(expected), "{what} {arguments}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        sandbox.sh("cmp disk now");
    }
    // By another name it is the same disk; beside it another disk is cleaned as if the log were not there.
    sandbox.sh("rm .disk.diskscrub-intent; cp -p log .disk.diskscrub-intent; mv half moved; cp before other; mke2fs -qF -t ext2 another 1M
         \"$diskscrub\" clean --in-place another --yes -q > said; test -e .disk.diskscrub-intent
         \"$diskscrub\" clean --in-place moved --yes -q > said 2>&1; cmp moved copy");
    assert_eq!(logs(&sandbox), "");
}

#[test]
fn what_cannot_be_is_refused() {
    let sandbox = disk();
    sandbox.sh("qemu-img convert -O qcow2 disk disk.qcow2; mkdir folder; cp disk locked");
    for (arguments, expected) in [
        (
            "clean --in-place disk",
            "disk: would be changed where it lies, and there is no terminal to ask on: add --yes",
        ),
        (
            "clean --in-place disk.qcow2 --yes",
            "disk.qcow2: is qcow2, whose old clusters would stay in the file: clean it into a new one, with -o",
        ),
        ("clean --in-place folder --yes", "folder: is neither a regular file nor a block device"),
        ("clean --in-place missing --yes", "missing: No such file"),
        ("clean --in-place disk --yes --state missing", "missing: is not a directory"),
        ("clean --in-place disk --yes --report disk", "disk: is the input"),
        ("clean --in-place disk --yes --overwrite nine", "\"nine\" is neither zero nor random"),
        ("clean --in-place disk --yes -o out", "cannot be used with"),
        ("clean disk --overwrite zero -o out", "--overwrite, --discard and --state are for --in-place"),
        ("clean disk", "--output"),
    ] {
        let (code, _, message) = sandbox.run(arguments);
        assert!(code == Some(2) && message.contains(expected), "{arguments}: {code:?} {message}");
        sandbox.sh("cmp disk before");
    }
    let (_, said, _) = sandbox.script("flock locked \"$diskscrub\" clean --in-place locked --yes -q 2>&1");
    assert_eq!(said, "diskscrub: locked: is locked by another program\n");
    assert_eq!(logs(&sandbox), "");
    // A report that fails costs no disk: it is found out before.
    let (code, _, _) = sandbox.run("clean --in-place disk --yes --report missing/report.json");
    assert_eq!(code, Some(2));
    sandbox.sh("cmp disk before");
}

#[test]
fn a_terminal_is_asked() {
    let sandbox = disk();
    let asked = |answer: &str| {
        let clean = "\\\"$diskscrub\\\" clean --in-place disk -q";
        sandbox.script(&format!("export diskscrub; printf '{answer}\\n' | script -qec \"{clean}\" /dev/null"))
    };
    for answer in ["no", "", "YES"] {
        let (code, said, _) = asked(answer);
        assert!(code == Some(2) && said.contains("Type yes to go on: "), "{code:?} {said}");
        assert!(said.contains("ssh-host-keys") && said.contains("nothing was changed"), "{said}");
        sandbox.sh("cmp disk before");
        assert_eq!(logs(&sandbox), "");
    }
    let (code, said, _) = asked("yes");
    assert!(code == Some(0) && said.contains("disk is clean."), "{code:?} {said}");
    sandbox.sh("cmp disk copy");
}

#[test]
fn an_attestation_speaks_of_the_file_as_it_is_then() {
    let sandbox = disk();
    sandbox.sh(
        "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out public.pem
         cp disk twin",
    );
    sandbox.sh("\"$diskscrub\" clean --in-place disk --yes -q --attest key.pem > said
         \"$diskscrub\" verify-attestation disk.intoto.jsonl --key public.pem --image disk > said");
    // One that a run was asked for which died is signed by the run that finishes it.
    dies(&sandbox, "twin", "--attest key.pem");
    sandbox.sh(
        "test ! -e twin.intoto.jsonl; \"$diskscrub\" clean --in-place twin --yes -q --attest key.pem > said 2>&1
         \"$diskscrub\" verify-attestation twin.intoto.jsonl --key public.pem --image twin > said; cmp twin copy",
    );
}
