//! Files that are made: planned, applied, reported, and found again by the judges of the output.

use std::sync::{Arc, Mutex};

use block::{BlockRead, Window};
use filesystem::{FileKind, NewKind};
use sanitize::{Plan, Report, Request, Silent, View};
use scan::{GuestPath, RuleId, Wanted};
use verify::Expected;

use crate::support::{Lab, Memory, assert_consistent, content, judge, request, selection};

const LABEL: &str = "system_u:object_r:etc_t:s0";

fn wanted(path: &str, kind: NewKind, mode: u16) -> Wanted {
    let path = GuestPath(path.as_bytes().to_vec());
    Wanted { rule: RuleId::BuiltIn("test-rule"), path, kind, mode, uid: 0, gid: 0 }
}

fn file(path: &str, content: &str, mode: u16) -> Wanted {
    wanted(path, NewKind::File(content.as_bytes().to_vec()), mode)
}

fn link(path: &str, to: &str) -> Wanted {
    wanted(path, NewKind::Symlink(to.as_bytes().to_vec()), 0o777)
}

fn unit() -> Vec<Wanted> {
    vec![
        file("/etc/ssh/sshd_config.d/00-x.conf", "PermitRootLogin no\n", 0o600),
        file("/etc/systemd/system/x.service", "[Service]\nExecStart=/usr/local/sbin/x\n", 0o644),
        link("/etc/systemd/system/multi-user.target.wants/x.service", "/etc/systemd/system/x.service"),
        file("/usr/local/sbin/x", "#!/bin/sh\n", 0o755),
    ]
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.put("etc/ssh/sshd_config", b"Include /etc/ssh/sshd_config.d/*.conf\n");
    lab.put("etc/systemd/system/other.service", b"[Service]\n");
    lab.put("root/.bash_history", b"export TOKEN=1\n");
    lab
}

/// Plan and clean, with what the plan was.
fn clean(image: Vec<u8>, request: &Request<'_>) -> (Plan, Vec<u8>, Report) {
    let output = Arc::new(Mutex::new(vec![0; image.len()]));
    let mut view = View::new(Arc::new(image));
    let plan = sanitize::plan(&mut view, request, &Silent).unwrap();
    let writer = Box::new(Memory(Arc::clone(&output)));
    let report = sanitize::sanitize(&mut view, &plan, writer, request, &Silent).unwrap();
    let output = output.lock().unwrap().clone();
    (plan, output, report)
}

/// What the trees of input and output do not have in common, beside removals and what was to be made.
fn compare(plan: &Plan, before: &[u8], after: &[u8], made: bool) -> Vec<String> {
    let mut expected = Expected::default();
    for edit in &plan.edits {
        expected.gone.insert((edit.target.parent, edit.target.name.clone()));
    }
    for one in plan.creations.iter().filter(|_| made) {
        expected.made.insert((one.parent, one.name.clone()), one.new.clone());
    }
    let volume = &plan.layout.volumes[0];
    let (before, after) = (before.to_vec(), after.to_vec());
    let open =
        |image| filesystem::open(Window::new(image, &volume.extents).unwrap(), volume.content).unwrap();
    verify::compare_trees(&*open(&before), &*open(&after), &expected, true).unwrap()
}

#[test]
fn what_is_wanted_is_made_and_nothing_else() {
    let lab = lab();
    for options in
        [&[][..], &["-O", "inline_data"], &["-I", "128"], &["-O", "^extents,^64bit,^metadata_csum"]]
    {
        lab.make(options);
        for directory in ["/etc/ssh", "/etc/systemd/system"] {
            lab.debugfs(&format!("ea_set {directory} security.selinux {LABEL}"));
        }
        let image = lab.image();
        let (selection, wanted) = (selection(&[]), unit());
        let request = Request { create: &wanted, ..request(&selection) };
        let (plan, output, report) = clean(image.clone(), &request);
        let paths: Vec<_> = plan.creations.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(
            paths,
            [
                "/etc/ssh/sshd_config.d",
                "/etc/ssh/sshd_config.d/00-x.conf",
                "/etc/systemd/system/x.service",
                "/etc/systemd/system/multi-user.target.wants",
                "/etc/systemd/system/multi-user.target.wants/x.service",
                "/usr",
                "/usr/local",
                "/usr/local/sbin",
                "/usr/local/sbin/x",
            ]
        );
        assert_consistent(&output);
        assert_eq!(judge(&output, false), [""; 0]);
        assert_eq!(compare(&plan, &image, &output, true), [""; 0]);
        assert_eq!(content(&output, "/etc/ssh/sshd_config.d/00-x.conf"), b"PermitRootLogin no\n");
        std::fs::write(lab.path("image"), &output).unwrap();
        for labelled in [
            "/etc/ssh/sshd_config.d",
            "/etc/ssh/sshd_config.d/00-x.conf",
            "/etc/systemd/system/multi-user.target.wants/x.service",
        ] {
            let value = lab.debugfs(&format!("ea_get -V {labelled} security.selinux"));
            assert_eq!(value.trim_end(), LABEL, "{labelled}");
        }
        assert!(lab.debugfs("stat /usr/local/sbin/x").contains("Mode:  0755"));

        let made: Vec<_> = report.edits.iter().filter(|edit| edit.action == "create").collect();
        assert_eq!(made.len(), 9);
        assert_eq!(made[1].changes, ["makes a file of mode 0600, owner 0:0"]);
        assert_eq!(made[4].changes, ["makes a link to /etc/systemd/system/x.service"]);
        let rule = report.rules.iter().find(|rule| rule.rule == "test-rule").unwrap();
        assert_eq!(rule.files, 4);

        // Doing it again changes nothing.
        let (again, same, _) = clean(output.clone(), &request);
        assert!(again.creations.is_empty() && again.edits.is_empty() && same == output);
        assert!(!again.notes.iter().any(|note| note.contains("NOT CREATED")), "{:?}", again.notes);
    }
}

#[test]
fn the_judge_of_trees_sees_what_was_not_asked_for() {
    let lab = lab();
    lab.make(&[]);
    let image = lab.image();
    let (selection, wanted) = (selection(&[]), unit());
    let (plan, output, _) = clean(image.clone(), &Request { create: &wanted, ..request(&selection) });
    let unexpected = compare(&plan, &image, &output, false);
    let not_there = |path: &str| format!("{path} was not there before");
    for path in ["/etc/ssh/sshd_config.d", "/usr", "/etc/systemd/system/x.service"] {
        assert!(unexpected.contains(&not_there(path)), "{unexpected:?}");
    }
    let more = "/etc/ssh has more links than before".to_owned();
    assert!(unexpected.contains(&more), "{unexpected:?}");
    // Not made at all.
    let missing = compare(&plan, &output, &output, true);
    assert_eq!(missing, ["names that were to be made but are not there: 9"]);
    // Made otherwise.
    for command in [
        "sif /usr/local/sbin/x mode 0100777",
        "sif /usr/local/sbin/x uid 12",
        "sif /usr/local/sbin/x mtime 5",
        "sif /usr/local/sbin/x size 3",
    ] {
        std::fs::write(lab.path("image"), &output).unwrap();
        lab.debugfs(command);
        assert_eq!(
            compare(&plan, &image, &lab.image(), true),
            ["/usr/local/sbin/x is not what was to be made"],
            "{command}"
        );
    }
}

#[test]
fn what_is_in_the_way_is_said() {
    let lab = lab();
    lab.put("opt/app/a", b"1");
    lab.put("opt/app/b", b"1");
    lab.make(&["-O", "casefold"]);
    lab.debugfs("symlink /etc/dangling /nowhere");
    let (selection, wanted) = (
        selection(&["/opt/app", "/home/al/notes"]),
        vec![
            file("/opt/app/new", "1", 0o644),
            file("/home/al/notes", "1", 0o644),
            file("/etc/ssh/sshd_config", "1", 0o644),
            wanted("/etc/ssh", NewKind::File(Vec::new()), 0o644),
            wanted("/etc/systemd", NewKind::Directory, 0o700),
            file("/etc/passwd/x", "1", 0o644),
            file("/etc/dangling/x", "1", 0o644),
            file("/etc/../x", "1", 0o644),
            file("x", "1", 0o644),
            file("/etc/new", "1", 0o644),
            file("/etc/new", "1", 0o644),
            file("/etc/new", "2", 0o644),
            file("/etc/new/deep", "2", 0o644),
        ],
    );
    let request = Request { create: &wanted, ..request(&selection) };
    let plan = sanitize::plan(&mut View::new(Arc::new(lab.image())), &request, &Silent).unwrap();
    let notes: Vec<_> = plan.notes.iter().filter(|note| note.contains("NOT CREATED")).cloned().collect();
    let not = |path: &str, why: &str| format!("{path} IS NOT CREATED (test-rule): {why}");
    assert_eq!(
        notes,
        [
            not("/opt/app/new", "a directory that holds it goes"),
            not("/home/al/notes", "what is in its place goes"),
            not("/etc/ssh/sshd_config", "a file of another content is in its place"),
            not("/etc/ssh", "another kind of file is in its place"),
            not("/etc/passwd/x", "what is to hold it is no directory"),
            not("/etc/dangling/x", "a link on the way leads nowhere"),
            not("/etc/../x", "its path is not an absolute one without detours"),
            not("x", "its path is not an absolute one without detours"),
            not("/etc/new", "another is made in its place"),
            not("/etc/new/deep", "what is to hold it is no directory"),
        ]
    );
    assert_eq!(plan.creations.len(), 1);
    assert_eq!(plan.creations[0].new.kind.file_kind(), FileKind::File);
}

/// The plan has tried it: no edit is made, nothing half done.
#[test]
fn what_cannot_be_made_refuses_the_plan() {
    let lab = lab();
    lab.make(&["-N", "32"]);
    let many: Vec<Wanted> = (0..40).map(|number| file(&format!("/etc/{number}"), "1", 0o644)).collect();
    let selection = selection(&[]);
    let image = lab.image();
    let mut view = View::new(Arc::new(image.clone()));
    let request = Request { create: &many, ..request(&selection) };
    let error = sanitize::plan(&mut view, &request, &Silent).unwrap_err().to_string();
    assert!(
        error.ends_with("creating a file in a filesystem without a free inode is not supported"),
        "{error}"
    );
    let mut after = vec![0; image.len()];
    view.read_at(0, &mut after).unwrap();
    assert!(after == image, "the plan wrote to the view");
}
