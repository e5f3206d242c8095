//! A policy file from one end to the other: its own rules clean, verify, audit and scan; what it accepts is told.

use serde_json::Value;

use crate::sandbox::{Sandbox, findings};

/// A key of the build's store, made here.
fn key() -> String {
    ["bstore", "_", &"a1B2c3D4".repeat(3)].concat()
}

/// What every build of a company wants.
const COMPANY: &str = r#"
extends = "aws"
skip = ["password-hashes"]

[[rule]]
id = "build-dirs"
heading = "Directories of the build"
explain = "The build unpacks its sources there."
paths = ["/opt/build"]
action = "remove"
bullets = ["A9"]

[[content]]
id = "build-store-key"
heading = "keys of the build's store"
explain = "Whoever has one reads the store."
anchors = ["bstore_"]
pattern = 'bstore_([0-9A-Za-z]{24})'
"#;

/// What this one wants.
const POLICY: &str = r#"
extends = "../company.toml"

[[rule]]
id = "build-proxy"
heading = "The proxy of the build"
explain = "apt works without."
paths = ["/etc/apt/apt.conf.d/*"]
action = "edit"
edit = [{ delete = "^Proxy " }, { replace = "by build", with = "by hand" }]
"#;

/// A system with something for each of these rules.
fn image(policy: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("company.toml", COMPANY);
    sandbox.write("image/policy.toml", policy);
    sandbox.write("tree/etc/os-release", "ID=debian\nVERSION_ID=12\n");
    sandbox.write("tree/etc/fstab", "");
    sandbox.write("tree/etc/apt/apt.conf.d/90net", "Proxy http://u@h\nDir /; # by build\n");
    sandbox.write("tree/opt/build/source", "text");
    sandbox.write("tree/srv/notes", format!("the key is {}\n", key()));
    sandbox.sh("mke2fs -qF -t ext4 -d tree image/disk 16M");
    sandbox
}

fn rules(report: &Value, kind: &str) -> Vec<String> {
    let mut rules: Vec<String> =
        findings(report, kind).iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect();
    rules.sort();
    rules
}

fn row<'r>(report: &'r Value, id: &str) -> &'r Value {
    let rows = report["guideline"]["rows"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap()
}

#[test]
fn rules_of_a_policy_clean_verify_scan_and_explain() {
    let sandbox = image(POLICY);
    let with = "--policy image/policy.toml";
    let report = sandbox.json(&format!("verify image/disk {with}"));
    assert_eq!(rules(&report, "unwanted"), ["build-dirs", "build-proxy"]);
    assert_eq!(rules(&report, "secret"), ["build-store-key"]);
    let known = report["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap());
    assert_eq!(known.collect::<Vec<_>>(), ["build-store-key", "build-dirs", "build-proxy"]);
    assert_eq!(rules(&sandbox.json(&format!("scan image/disk {with}")), "secret"), ["build-store-key"]);
    assert!(rules(&sandbox.json("scan image/disk"), "secret").is_empty());
    let one = sandbox.json(&format!("scan image/disk {with} --rules github-token"));
    assert!(rules(&one, "secret").is_empty());

    let (code, plan, message) = sandbox.run(&format!("plan image/disk {with}"));
    assert_eq!(code, Some(0), "{message}");
    let lines = "deletes 1 line\n      changes 1 line\n";
    assert!(plan.contains("remove /opt/build (build-dirs") && plan.contains(lines), "{plan}");
    let (code, said, message) = sandbox.run(&format!("clean -q image/disk {with} -o clean"));
    assert_eq!(code, Some(0), "{said}{message}");
    assert_eq!(
        sandbox.sh("debugfs -R 'cat /etc/apt/apt.conf.d/90net' clean 2>/dev/null"),
        "Dir /; # by hand\n"
    );
    let report = sandbox.json(&format!("verify clean {with}"));
    assert!(rules(&report, "unwanted").is_empty(), "{report}");

    let (_, list, _) = sandbox.run(&format!("rules list {with}"));
    assert!(list.contains("build-dirs") && list.contains("(image/policy.toml)"), "{list}");
    let (_, said, _) = sandbox.run(&format!("rules explain build-proxy {with}"));
    for line in [
        "Asked for by: the policy\n",
        "Edits:\n  delete \"^Proxy \"\n  replace \"by build\" with \"by hand\"\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(sandbox.run("rules explain build-proxy").0, Some(2));
}

#[test]
fn an_audit_weighs_and_accepts_as_the_policy_says() {
    let sandbox = image(POLICY);
    let report = sandbox.json("audit image/disk --policy image/policy.toml");
    assert_eq!(row(&report, "A9")["status"], "failed");
    let by: Vec<&str> = row(&report, "A9")["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| seen["by"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["build-dirs"]);
    assert_eq!(row(&report, "policy")["status"], "failed");

    let judgement = r#"
[severity]
build-proxy = "info"

[[accept]]
rule = "build-dirs"
path = "/opt/**"
reason = "sources are public"

[[accept]]
rule = "build-store-key"
path = "/srv/notes"
reason = "revoked"

[[accept]]
rule = "github-token"
reason = "none is here"

[[accept]]
check = "host-key-maker"
reason = "there is no server"
"#;
    sandbox.write("image/policy.toml", format!("{POLICY}{judgement}"));
    let report = sandbox.json("audit image/disk --policy image/policy.toml");
    let a9 = row(&report, "A9");
    assert_eq!(a9["status"], "met", "{a9}");
    assert_eq!(a9["evidence"][0]["severity"], "info");
    assert_eq!(a9["evidence"][0]["what"], "accepted: sources are public (Directories of the build)");
    assert_eq!(row(&report, "policy")["status"], "met", "{}", row(&report, "policy"));
    let accepted = report["accepted"].as_array().unwrap();
    let reasons: Vec<&str> = accepted.iter().map(|accepted| accepted["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["sources are public", "revoked"]);
    let notes = report["notes"].as_array().unwrap();
    let unmet = "there was nothing of github-token to accept";
    assert!(notes.iter().any(|note| note.as_str().unwrap().ends_with(unmet)), "{notes:?}");

    // What a scan does not ask for, it does not miss.
    let (code, said, message) = sandbox.run("scan -q image/disk --policy image/policy.toml");
    assert_eq!(code, Some(0), "{said}{message}");
    assert!(said.contains("revoked") && said.contains(unmet) && !said.contains("host-key-maker"), "{said}");
}

#[test]
fn a_draft_of_digests_can_stand_in_a_policy() {
    let sandbox = image(POLICY);
    assert_eq!(sandbox.run("scan -q image/disk --policy image/policy.toml --write-allow allow").0, Some(1));
    let draft = std::fs::read_to_string(sandbox.at("allow")).unwrap();
    let (key, accept) = draft.split_once("\n\n#").unwrap_or_else(|| panic!("{draft}"));
    let (key, accept) = match accept.split_once("\nkey = ") {
        Some((_, rest)) => rest.split_once('\n').unwrap(),
        None => (key.split_once("\nkey = ").unwrap().1, accept),
    };
    let accept = accept.split_once("[[accept]]").unwrap().1.replace("reason = \"\"", "reason = \"revoked\"");
    sandbox.write("image/policy.toml", format!("key = {}\n{POLICY}\n[[accept]]{accept}", key.trim()));
    let (code, said, message) = sandbox.run("scan -q image/disk --policy image/policy.toml");
    assert_eq!(code, Some(0), "{said}{message}");
    assert!(said.contains("1 accepted finding"), "{said}");
    // The allow file has the same key; another one does not go with it.
    let reasoned = draft.replace("reason = \"\"", "reason = \"revoked\"");
    sandbox.write("allow", &reasoned);
    let both = "scan -q image/disk --policy image/policy.toml --allow";
    assert_eq!(sandbox.run(&format!("{both} allow")).0, Some(0));
    sandbox.write("other", reasoned.replace(key.trim(), &format!("\"{}\"", "0".repeat(64))));
    let (code, _, message) = sandbox.run(&format!("{both} other"));
    assert_eq!(code, Some(2));
    assert!(message.contains("the allow file and the policy have different keys"), "{message}");
}

#[test]
fn errors_name_file_line_and_column() {
    let sandbox = image("extends = \"../company.toml\"\nrules = [\n  \"ssh-hostkeys\",\n]\n");
    for (command, more) in
        [("plan", "image/disk"), ("verify", "image/disk"), ("scan", "image/disk"), ("rules", "list")]
    {
        let (code, said, message) = sandbox.run(&format!("{command} {more} --policy image/policy.toml"));
        assert_eq!((code, &*said), (Some(2), ""), "{command}");
        let what =
            "image/policy.toml:3:3: there is no rule \"ssh-hostkeys\"; did you mean \"ssh-host-keys\"?";
        assert!(message.contains(what), "{message}");
    }
    sandbox.write("company.toml", "extends = \"image/policy.toml\"");
    let message = sandbox.run("rules list --policy image/policy.toml").2;
    assert!(
        message.contains("image/../company.toml:1:11: ")
            && message.contains("extends itself")
            && message.contains("image/../image/policy.toml"),
        "{message}"
    );
    sandbox.write("image/policy.toml", "[[accept]]\ncheck = \"host-key-makr\"\nreason = \"r\"\n");
    let message = sandbox.run("rules list --policy image/policy.toml").2;
    let what = "image/policy.toml:2:9: there is no check \"host-key-makr\"; did you mean \"host-key-maker\"?";
    assert!(message.contains(what), "{message}");
}
