//! The plan is complete and exact before the first edit.

use std::sync::Arc;

use block::BlockRead;
use sanitize::{Request, Silent, View};

use crate::support::{Lab, clean, content, request, selection};

#[test]
fn a_plan_changes_nothing_and_lists_every_file() {
    let lab = Lab::new();
    lab.put("root/.bash_history", b"export TOKEN=1\n");
    lab.put("opt/app/a/one", b"1");
    lab.put("opt/app/b", b"22");
    lab.make(&[]);
    let image = lab.image();
    let mut view = View::new(Arc::new(image.clone()));
    let selection = selection(&["/opt/app"]);
    let request = Request { list_files: true, ..request(&selection) };
    let plan = sanitize::plan(&mut view, &request, &Silent).unwrap();
    let mut after = vec![0; image.len()];
    view.read_at(0, &mut after).unwrap();
    assert!(after == image, "the plan wrote to the view");

    let tree = plan.edits.iter().find(|edit| edit.path.to_string() == "/opt/app").unwrap();
    let listed: Vec<_> = tree.listed.iter().map(|file| (file.path.to_string(), file.bytes)).collect();
    assert_eq!(listed, [("/opt/app/a/one".to_owned(), 1), ("/opt/app/b".to_owned(), 2)]);
    assert_eq!((tree.files, tree.bytes), (2, 3));
    assert!(plan.edits.iter().any(|edit| edit.path.to_string() == "/root/.bash_history"));
    assert!(plan.edits.iter().all(|edit| edit.path.to_string() != "/home/al/notes"));
}

#[test]
fn an_edit_that_cannot_be_made_is_refused_by_the_plan() {
    let lab = Lab::new();
    lab.make(&[]);
    let selection = selection(&["/lost+found"]);
    let error =
        sanitize::plan(&mut View::new(Arc::new(lab.image())), &request(&selection), &Silent).unwrap_err();
    assert_eq!(error.to_string(), "inode 11: editing lost+found is not supported");
}

#[test]
fn a_truncated_machine_id_stays_where_it_was() {
    let lab = Lab::new();
    lab.put("etc/machine-id", b"0123456789abcdef0123456789abcdef\n");
    lab.make(&[]);
    let (output, report) = clean(lab.image(), &request(&selection(&[]))).unwrap();
    assert_eq!(content(&output, "/etc/machine-id"), b"");
    let edit = report.edits.iter().find(|edit| edit.path == "/etc/machine-id").unwrap();
    assert_eq!((&*edit.rule, &*edit.action), ("machine-id", "truncate"));
}
