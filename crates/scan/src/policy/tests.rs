//! Policy files: what good ones come to, and what broken ones are told.

use std::{cell::RefCell, io, path::Path};

use super::{built_in::BUILT_IN, *};
use crate::{Action, Kinds, Source};

const CHECKS: &[&str] = &["login", "sudo-rights"];
const BULLETS: &[Source] = &[Source::Aws("A9"), Source::Aws("A10"), Source::Outscale("O4")];

/// Reads the first of these files.
fn read(files: &[(&str, &str)]) -> Result<Policy, FileError> {
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::other("no such file"))
    };
    let around = Around { read: &read, checks: CHECKS, bullets: BULLETS };
    Policy::from_file(Path::new(files[0].0), files[0].1, &around)
}

fn selected(policy: &Policy) -> Selection {
    Selection::new(policy, &Overrides::default()).unwrap()
}

#[test]
fn every_built_in_policy_resolves() {
    for policy in BUILT_IN {
        for (id, _) in policy.on {
            assert!(!rules::get(id).unwrap().default, "{id} is on anyway");
        }
        selected(&Policy::built_in(policy.name).unwrap());
    }
}

#[test]
fn a_file_builds_on_a_policy() {
    let text = "extends = 'none'\nrules = ['machine-id', 'logs']\nskip = ['logs']\nremove = ['/opt/x/**']\n";
    let policy = Policy::from_toml(text).unwrap();
    let selection = selected(&policy);
    assert_eq!(selection.rules().map(|rule| rule.id).collect::<Vec<_>>(), ["machine-id"]);
    assert_eq!(selection.remove().count(), 1);
}

#[test]
fn a_file_builds_on_files() {
    let rule = |id: &str| {
        format!("[[rule]]\nid = '{id}'\nheading = 'h'\nexplain = 'e'\npaths = ['/a']\naction = 'remove'\n")
    };
    let top = format!("extends = '../base.toml'\nskip = ['second']\nkeep = ['/b']\n{}", rule("first"));
    let base = format!("extends = './more/aws.toml'\nkeep = ['/a']\n{}", rule("second"));
    let last = "extends = 'aws'\nseverity.login = 'off'\naccept = [{ rule = 'logs', reason = 'r' }]";
    let files = [("d/top.toml", &*top), ("d/../base.toml", &base), ("d/.././more/aws.toml", last)];
    let policy = read(&files).unwrap();
    assert_eq!(policy.base(), "aws");
    let selection = selected(&policy);
    let ids: Vec<&str> = selection.rules().map(|rule| rule.id).collect();
    assert!(ids[0] == "first" && !ids.contains(&"second") && ids.contains(&"keystores"), "{ids:?}");
    assert_eq!(policy.own_rules().iter().map(|rule| rule.id).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(selection.keep().map(|(glob, _)| glob.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
    assert_eq!(selection.level("login"), Some(Level::Off));
    let seen = Seen { by: "logs", path: None, digest: None };
    assert_eq!(selection.accepted(&seen).unwrap().reason(), "r");
    assert_eq!(
        selection.unmet(&[]).map(Accept::unmet).collect::<Vec<_>>(),
        ["d/.././more/aws.toml:3:11: there was nothing of logs to accept"]
    );
    assert_eq!(selection.unmet(&[seen]).count(), 0);
}

#[test]
fn rules_of_its_own_are_as_it_says() {
    let text = "
[[rule]]
id = 'build-token'
heading = 'token of the build'
explain = 'The build fetches its sources with it.'
paths = ['/etc/build.conf']
except = ['/etc/build.conf.d']
action = 'edit'
edit = [{ delete = '^token=' }, { replace = 'a', with = 'b' }]
bullets = ['A9', 'O4']
[[rule]]
id = 'build-dir'
heading = 'directory of the build'
explain = 'Nobody needs it.'
paths = ['~/build']
kinds = 'not-directories'
action = 'remove'
[[content]]
id = 'build-key'
heading = 'key of the build'
explain = 'Opens the store.'
anchors = ['bk_', 'bkx_']
pattern = 'bkx?_[a-z]{8}'
reach = 0x10
tier = 'proven'
";
    let policy = read(&[("p.toml", text)]).unwrap();
    let [edit, remove] = policy.own_rules() else { panic!("two rules") };
    assert_eq!(edit.sources, [Source::Aws("A9"), Source::Outscale("O4")]);
    assert_eq!((edit.find.kinds, edit.find.except), (Kinds::Files, &["/etc/build.conf.d"][..]));
    assert_eq!(edit.deed(), "edit regular files: lines that match go or change");
    assert_eq!((remove.action, remove.find.kinds), (Action::Remove, Kinds::NotDirectories));
    assert_eq!(remove.sources, [Source::Policy]);
    assert_eq!(
        policy.find_rule("build-dri").unwrap_err().to_string(),
        "there is no rule \"build-dri\"; did you mean \"build-dir\"?"
    );
    let selection = selected(&policy);
    let mut scanner = crate::content::Scanner::new(selection.content());
    let mut found = Vec::new();
    scanner.scan(b"a bkx_abcdefgh", 0..14, &mut |hit| found.push((hit.rule.id, hit.secret)));
    assert_eq!(found, [("build-key", 2..14)]);
}

#[test]
fn an_accept_is_for_what_it_says() {
    let digest = "AB".repeat(16);
    let text = format!(
        "key = '{}'
[[accept]]
check = 'login'
reason = 'one'
[[accept]]
rule = 'github-token'
path = '/srv/**'
reason = 'two'
[[accept]]
digest = '{digest}'
reason = 'three'",
        "00".repeat(32)
    );
    let selection = selected(&read(&[("p.toml", &text)]).unwrap());
    let reason = |by, path, digest: Option<&str>| {
        selection.accepted(&Seen { by, path, digest }).map(|accept| accept.reason().to_owned())
    };
    assert_eq!(reason("login", None, None).as_deref(), Some("one"));
    assert_eq!(reason("github-token", Some("/srv/a/b"), None).as_deref(), Some("two"));
    assert_eq!(reason("github-token", Some("/opt/a"), None), None);
    assert_eq!(reason("github-token", None, None), None);
    assert_eq!(reason("jwt", None, Some(&digest.to_lowercase())).as_deref(), Some("three"));
    assert_eq!(selection.key().unwrap().0, [0; 32]);
}

/// Each in a file of its own; `|` stands for an end of line.
const BROKEN: &[(&str, &str)] = &[
    // Keys and types.
    ("skips = []", "1:1: a policy has no key \"skips\"; did you mean \"skip\"?"),
    ("|  bitcoin = 1|zebra = 2", "2:3: a policy has no key \"bitcoin\""),
    ("skip = 'logs'", "1:8: the key \"skip\" must be a list of strings"),
    ("é = 1", "1:1: this is not valid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`"),
    ("skip = ['logs', 3]", "1:17: the key \"skip\" must be a list of strings"),
    ("extends = 3", "1:11: the key \"extends\" must be the name of a policy, or of a file"),
    ("rule = 3", "1:8: the key \"rule\" must be tables, each a [[rule]]"),
    ("[rule]|id = 'x'", "1:1: the key \"rule\" must be tables, each a [[rule]]"),
    ("accept = ['x']", "1:11: the key \"accept\" must be tables, each an [[accept]]"),
    ("severity = []", "1:12: the key \"severity\" must be a table"),
    // TOML.
    ("|rules = [", "2:10: this is not valid TOML: unclosed array, expected `]`"),
    ("skip = []|skip = []", "2:1: this is not valid TOML: duplicate key"),
    // Names.
    ("extends = 'awz'", "1:11: there is no policy \"awz\"; did you mean \"aws\"?"),
    (
        "|rules = ['logs',|  'ssh-hostkeys']",
        "3:3: there is no rule \"ssh-hostkeys\"; did you mean \"ssh-host-keys\"?",
    ),
    ("# é|skip = ['é', 'x']", "2:9: there is no rule \"é\""),
    ("[severity]|logz = 'off'", "2:1: there is no check or rule \"logz\"; did you mean \"logs\"?"),
    ("[severity]|logs = 'of'", "2:8: the key \"logs\" must be \"fail\", \"warn\", \"info\" or \"off\""),
    // Patterns and accounts.
    ("remove = ['*.pem']", "1:11: the pattern \"*.pem\" cannot be used: it must start with / or ~/"),
    (
        "keep = ['/a',|'/a/[']",
        "2:1: the pattern \"/a/[\" cannot be used: unclosed character class; missing ']'",
    ),
    ("keep_users = ['al']|remove_users = ['al']", "1:15: the account \"al\" is to be kept and to be removed"),
    // [[rule]]; the keys that are not given come from a good one.
    (
        "R|id = 'Mine'",
        "1:6: the id \"Mine\" must be words of a-z and 0-9 with single hyphens between them, 64 characters at most",
    ),
    ("R|id = 'logs'", "1:6: the id \"logs\" is that of a rule of diskscrub's"),
    ("R|id = 'github-token'", "1:6: the id \"github-token\" is that of a rule of diskscrub's"),
    ("R|id = 'login'", "1:6: the id \"login\" is that of a check"),
    ("R|id = 'residue-gap'", "1:6: the id \"residue-gap\" is that of a finding that no rule asks for"),
    ("R|colour = 'red'", "1:1: a [[rule]] has no key \"colour\""),
    ("R|explain = ' '", "1:11: the key \"explain\" must not be empty"),
    ("R|explain = -", "1:1: a [[rule]] needs the key \"explain\""),
    ("R|paths = -", "1:1: a [[rule]] needs the key \"paths\""),
    ("R|paths = []", "1:9: the key \"paths\" must not be empty"),
    (
        "R|except = ['/a/']",
        "1:11: the pattern \"/a/\" cannot be used: it has an empty, . or .. component, which no path has",
    ),
    ("R|kinds = 'dirs'", "1:9: the key \"kinds\" must be \"any\", \"not-directories\" or \"files\""),
    ("R|action = 'delete'", "1:10: the key \"action\" must be \"remove\", \"truncate\" or \"edit\""),
    ("R|action = 'edit'", "1:10: the action \"edit\" needs the key \"edit\""),
    ("R|edit = [{ delete = 'a' }]", "1:9: lines are edited only if the action is \"edit\""),
    ("R|bullets = ['A99']", "1:12: no guideline has a bullet \"A99\"; did you mean \"A9\"?"),
    ("E|edit = [{}]", "1:9: an edit needs the key \"delete\" or \"replace\""),
    (
        "E|edit = [{ delete = 'a', replace = 'b', with = 'c' }]",
        "1:35: an edit has \"delete\" or \"replace\", not both",
    ),
    ("E|edit = [{ delete = 'a', with = 'c' }]", "1:32: \"with\" needs the key \"replace\""),
    ("E|edit = [{ replace = 'a' }]", "1:21: \"replace\" needs the key \"with\""),
    ("E|edit = [{ delete = 'a(' }]", "1:20: the regular expression cannot be used: unclosed group"),
    (
        "E|edit = [{ delete = '(?:a{1000}){1000}' }]",
        "1:20: the regular expression cannot be used: heap usage during NFA compilation exceeded limit of 8388608",
    ),
    ("E|edit = [{ replace = 'a', with = \"b\\n\" }]", "1:33: the key \"with\" must be one line of text"),
    ("E|kinds = 'any'", "1:9: only files have content: the key \"kinds\" must be \"files\""),
    // [[content]].
    ("C|anchors = ['ab']", "1:12: the anchor \"ab\" is shorter than 3 bytes"),
    (
        "C|pattern = '[z-a]'",
        "1:11: the regular expression cannot be used: invalid character class range, the start must be <= the end",
    ),
    ("C|pattern = 'a*'", "1:11: the regular expression cannot be used: it matches the empty text"),
    (
        "C|pattern = 'abc[a-z]+'",
        "1:11: the regular expression can match without any of the \"anchors\", where nobody would look",
    ),
    ("C|reach = 16385", "1:9: the key \"reach\" must be a number from 0 to 16384"),
    ("C|before = -1", "1:10: the key \"before\" must be a number from 0 to 4096"),
    ("C|reach = 3", "1:9: an anchor has 4 bytes, and \"reach\" is 3"),
    ("C|tier = 'sure'", "1:8: the key \"tier\" must be \"proven\", \"likely\" or \"context\""),
    ("C|id = 'machine-id'", "1:6: the id \"machine-id\" is that of a rule of diskscrub's"),
    // [[accept]].
    ("[[accept]]|reason = 'r'", "1:1: an [[accept]] needs the key \"check\", \"rule\" or \"digest\""),
    ("[[accept]]|rule = 'logs'", "1:1: an [[accept]] needs the key \"reason\""),
    ("[[accept]]|rule = 'logs'|reason = ' '", "3:10: reason must say why this may stay"),
    ("[[accept]]|rule = 'logz'|reason = 'r'", "2:8: there is no rule \"logz\"; did you mean \"logs\"?"),
    ("[[accept]]|check = 'logs'|reason = 'r'", "2:9: there is no check \"logs\"; did you mean \"login\"?"),
    ("[[accept]]|check = 'login'|rule = 'logs'", "3:8: an [[accept]] has \"check\" or \"rule\", not both"),
    (
        "[[accept]]|rule = 'logs'|path = '~/a'|reason = 'r'",
        "3:8: the pattern \"~/a\" cannot be used: it must start with /",
    ),
    ("[[accept]]|digest = 'ab'|reason = 'r'", "2:10: digest must be 32 hexadecimal digits"),
    ("key = 'ab'", "1:7: key must be 64 hexadecimal digits"),
    (
        "accept = [{ rule = 'logs', reason = 'r' },|{ rule = 'logs', path = '/a', reason = 'r' },|{ rule = 'logs', reason = 's' }]",
        "3:1: an entry before this one accepts the same",
    ),
    // Files.
    ("extends = 'x.toml'", "1:11: x.toml cannot be read: no such file"),
    ("extends = './policy.toml'", "1:11: ./policy.toml extends itself"),
];

/// A good table of this letter, its lines in order.
fn good(letter: &str) -> Option<(&'static str, Vec<(&'static str, &'static str)>)> {
    let named = [("id", "'mine'"), ("heading", "'h'"), ("explain", "'e'")];
    let (header, more) = match letter {
        "R" => ("[[rule]]", vec![("paths", "['/a']"), ("action", "'remove'")]),
        "E" => ("[[rule]]", vec![("paths", "['/a']"), ("action", "'edit'"), ("edit", "[{ delete = 'a' }]")]),
        "C" => ("[[content]]", vec![("anchors", "['abcd']"), ("pattern", "'abcd[a-z]+'")]),
        _ => return None,
    };
    Some((header, named.into_iter().chain(more).collect()))
}

/// The file, and the line from which errors are counted, if it is one key of a good table.
fn broken(text: &str) -> (String, usize) {
    let Some(((header, lines), (key, value))) =
        text.split_once('|').and_then(|(letter, line)| Some((good(letter)?, line.split_once(" = ")?)))
    else {
        return (text.replace('|', "\n"), 1);
    };
    // The key in question comes first; with nothing for a value, it is left out.
    let mut file = format!("{header}\n");
    if value != "-" {
        file.push_str(&format!("{key} = {value}\n"));
    }
    for (other, value) in lines.iter().filter(|(other, _)| *other != key) {
        file.push_str(&format!("{other} = {value}\n"));
    }
    (file, if value == "-" { 1 } else { 2 })
}

#[test]
fn every_refusal_says_where_and_what_was_meant() {
    let mut wrong = Vec::new();
    for (text, message) in BROKEN {
        let (file, first) = broken(text);
        let said = match read(&[("policy.toml", &file)]) {
            Ok(_) => "it is read".to_owned(),
            Err(mut error) => {
                // Of a table, the header is line 1 and so is the key in question.
                let header = first == 2 && error.line == 1;
                error.line = if header { 1 } else { error.line + 1 - first };
                error.to_string()
            }
        };
        if said != format!("policy.toml:{message}") {
            wrong.push(format!("{text}\n  said   {said}\n  wanted policy.toml:{message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_two_places_say_is_told_of_the_second() {
    let rule = "[[rule]]\nid = 'mine'\nheading = 'h'\nexplain = 'e'\npaths = ['/a']\naction = 'remove'\n";
    let message = |files: &[(&str, &str)]| read(files).unwrap_err().to_string();
    let twice = "policy.toml:8:6: the id \"mine\" is that of another rule of this policy";
    assert_eq!(message(&[("policy.toml", &rule.repeat(2))]), twice);
    let top = format!("extends = 'a/b.toml'\n{rule}");
    let files = [("policy.toml", &*top), ("a/b.toml", rule)];
    assert_eq!(message(&files), "policy.toml:3:6: the id \"mine\" is that of another rule of this policy");
    let digest = format!("accept = [{{ digest = '{}', reason = 'r' }}]", "00".repeat(16));
    let needs = "policy.toml:1:11: a digest needs the key that it was made with: \"key\"";
    assert_eq!(message(&[("policy.toml", &digest)]), needs);
    let key = |digit: &str| format!("key = '{}'", digit.repeat(64));
    let files = [("policy.toml", &*format!("extends = './b.toml'\n{}", key("0"))), ("./b.toml", &key("1"))];
    assert_eq!(message(&files), "policy.toml:2:7: the policy that this one extends has another key");
}

#[test]
fn an_error_in_a_base_names_the_base() {
    let message = |files: &[(&str, &str)]| read(files).unwrap_err().to_string();
    let files = [("d/top.toml", "extends = 'base.toml'"), ("d/base.toml", "\nskip = ['logz']")];
    assert_eq!(message(&files), "d/base.toml:2:9: there is no rule \"logz\"; did you mean \"logs\"?");
    let files = [("a.toml", "extends = 'b.toml'"), ("b.toml", "extends = './a.toml'")];
    assert_eq!(message(&files), "b.toml:1:11: ./a.toml extends itself");
    let files = [("d/a.toml", "extends = '../b.toml'"), ("d/../b.toml", "extends = 'd/a.toml'")];
    assert_eq!(message(&files), "d/../b.toml:1:11: d/../d/a.toml extends itself");
    // A file that is another one each time it is read.
    let reads = RefCell::new(0);
    let read = |_: &Path| {
        *reads.borrow_mut() += 1;
        Ok(format!("extends = '{}.toml'", reads.borrow()))
    };
    let around = Around { read: &read, ..Around::NOTHING };
    let error = Policy::from_file(Path::new("0.toml"), "extends = 'x.toml'", &around).unwrap_err();
    assert_eq!(error.to_string(), "6.toml:1:11: more than 8 files extend each other");
}

/// The properties of an object of docs/policy.schema.json.
fn properties(schema: &serde_json::Value) -> Vec<&str> {
    schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<'k>(keys: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let mut keys: Vec<&str> = keys.into_iter().collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_schema_has_the_keys_and_words_of_the_reader() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let parts = &schema["definitions"];
    for (object, keys) in [
        (&schema, file::KEYS),
        (&parts["rule"], own_rule::KEYS),
        (&parts["edit"], own_rule::EDIT_KEYS),
        (&parts["content"], own_content::KEYS),
        (&parts["accept"], accept::KEYS),
    ] {
        assert_eq!(sorted(properties(object)), sorted(keys.iter().copied()));
        assert_eq!(object["additionalProperties"], false);
    }
    let words = |value: &serde_json::Value| -> Vec<String> {
        value["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    fn own<T>(all: &[(&str, T)]) -> Vec<String> {
        all.iter().map(|(word, _)| (*word).to_owned()).collect()
    }
    assert_eq!(words(&parts["rule"]["properties"]["action"]), own(own_rule::ACTIONS));
    assert_eq!(words(&parts["rule"]["properties"]["kinds"]), own(own_rule::KINDS));
    assert_eq!(words(&parts["content"]["properties"]["tier"]), own(own_content::TIERS));
    assert_eq!(words(&schema["properties"]["severity"]["additionalProperties"]), own(file::LEVELS));
    let most = |key: &str| parts["content"]["properties"][key]["maximum"].clone();
    assert_eq!(most("before"), ContentRule::MAX_BEFORE);
    assert_eq!(most("reach"), ContentRule::MAX_REACH);
}
