//! Policy files: what docs/policy.md shows, what its schema says, and what rules of one's own do in a tree.

use std::{fs, io, path::Path, process::Command};

use scan::{Around, Guest, Overrides, Place, Policy, Selection, Source, VolumeSource, scan};
use tests::sketch::Tree;

/// What an audit knows of the examples' ids.
const CHECKS: &[&str] = &["host-key-maker"];
const BULLETS: &[Source] = &[Source::Aws("A9"), Source::Outscale("O4")];

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(text: &str) -> Policy {
    // The file that one of them extends.
    let company = |_: &Path| -> io::Result<String> { Ok("extends = 'outscale'".to_owned()) };
    let around = Around { read: &company, checks: CHECKS, bullets: BULLETS };
    Policy::from_file("docs/policy.toml".as_ref(), text, &around)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The files that the document shows.
fn examples() -> Vec<String> {
    let text = document("policy.md");
    let examples = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    examples.map(str::to_owned).collect()
}

#[test]
fn every_example_of_the_document_is_a_policy() {
    let examples = examples();
    assert_eq!(examples.len(), 6);
    for example in &examples {
        Selection::new(&read(example), &Overrides::default()).expect("a good selection");
    }
}

/// What Python's jsonschema says of a TOML file: nothing if it is as the schema says.
fn judged(directory: &Path, text: &str) -> Result<(), String> {
    let value: toml::Value = toml::from_str(text).expect("TOML");
    let path = directory.join("policy.json");
    fs::write(&path, serde_json::to_string(&value).expect("TOML is JSON")).expect("a directory of one's own");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.schema.json");
    let output =
        Command::new("jsonschema").arg("-i").args([&path, &schema]).output().unwrap_or_else(|error| {
            panic!("jsonschema: {error}; `cargo xtask test` installs what the tests need")
        });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.into_owned()) }
}

#[test]
fn the_schema_takes_the_examples_and_not_what_is_broken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for example in examples() {
        judged(directory.path(), &example).unwrap_or_else(|said| panic!("{said}\n{example}"));
    }
    let rule = "heading = 'h'\nexplain = 'e'\npaths = ['/a']";
    for text in [
        "skips = []",
        "remove = ['*.pem']",
        "severity.logs = 'of'",
        "accept = [{ rule = 'logs' }]",
        "accept = [{ rule = 'logs', check = 'login', reason = 'r' }]",
        &format!("[[rule]]\nid = 'Mine'\naction = 'remove'\n{rule}"),
        &format!("[[rule]]\nid = 'mine'\naction = 'edit'\n{rule}"),
        &format!("[[rule]]\nid = 'mine'\naction = 'remove'\nedit = [{{ delete = 'a' }}]\n{rule}"),
        &format!("[[rule]]\nid = 'mine'\naction = 'edit'\nedit = [{{ replace = 'a' }}]\n{rule}"),
    ] {
        assert!(Policy::from_toml(text).is_err(), "{text}");
        assert!(judged(directory.path(), text).is_err(), "the schema takes {text}");
    }
}

#[test]
fn rules_of_a_policy_act_as_those_of_the_registry() {
    let example = examples().into_iter().find(|text| text.contains("[[rule]]")).expect("an example of rules");
    let selection = Selection::new(&read(&example), &Overrides::default()).expect("a good selection");
    let proxy = r#"Acquire::http::Proxy "http://u:p@proxy";\nDir "/"; // builder@build.example\n"#;
    let tree = Tree::new(&format!(
        "/etc/os-release = ID=debian\n/etc/apt/apt.conf.d/90net = {proxy}\n/etc/apt/apt.conf.d/91bin = \0\n\
         /etc/apt/apt.conf.d/92none = Dir\n/opt/build/licenses/a\n/opt/build/b\n/root/build-1/c\n"
    ));
    let guest =
        Guest::open(vec![VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() }]).expect("opens");
    let scan = scan(&guest, &selection).expect("scans");
    let mut found: Vec<String> = scan
        .findings
        .iter()
        .filter(|finding| finding.rule.to_string().starts_with("build-"))
        .map(|finding| {
            let Place::File { path, .. } = &finding.place;
            let new = finding.rewrite.as_ref().map(|new| {
                format!(
                    ": {}: {}",
                    new.changes.join(", "),
                    String::from_utf8_lossy(&new.content).escape_debug()
                )
            });
            format!("{}: {} {path}{}", finding.rule, finding.action, new.unwrap_or_default())
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "build-dirs: remove /opt/build/b",
            "build-dirs: remove /root/build-1",
            "build-proxy: edit /etc/apt/apt.conf.d/90net: deletes 1 line, changes 1 line: Dir \\\"/\\\"; // root@localhost\\n",
        ]
    );
    let notes: Vec<String> = scan.notes.iter().map(ToString::to_string).collect();
    let left = "volume 0: /etc/apt/apt.conf.d/91bin IS NOT EDITED (build-proxy): it is not text";
    assert!(notes.iter().any(|note| note == left), "{notes:?}");
}
