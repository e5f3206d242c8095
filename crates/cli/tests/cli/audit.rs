//! `audit` answers a guideline for an image, says what changed since its original, and is the gate.

use serde_json::Value;

use crate::sandbox::{Sandbox, token};

/// A small Debian with cloud-init and sshd, and much that a guideline minds.
fn image() -> Sandbox {
    let sandbox = Sandbox::new();
    for (path, content) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nal:x:1000:1000::/home/al:/bin/bash\n"),
        ("etc/shadow", "root:$6$fakesalt$0123456789abcdef:19000:0:99999:7:::\nal::19000:0:99999:7:::\n"),
        ("etc/ssh/sshd_config", "PermitRootLogin yes\nPasswordAuthentication yes\n"),
        ("etc/ssh/ssh_host_ed25519_key", "a key"),
        ("usr/sbin/sshd", "\0OpenSSH_9.2p1 Debian\0"),
        ("usr/bin/cloud-init", "#!/usr/bin/python3\n"),
        ("etc/cloud/cloud.cfg", "system_info:\n  default_user:\n    name: debian\n    shell: /bin/bash\n"),
        (
            "usr/lib/systemd/system/ssh.service",
            "[Service]\nExecStart=/usr/sbin/sshd -D\n[Install]\nWantedBy=multi-user.target\n",
        ),
        ("usr/lib/systemd/system/multi-user.target", "[Unit]\n"),
        ("root/.bash_history", "ls\n"),
        ("home/al/.ssh/authorized_keys", "ssh-ed25519 AAAA al\n"),
    ] {
        sandbox.write(&format!("tree/{path}"), content);
    }
    sandbox.write("tree/home/al/.config/gh/hosts.yml", format!("oauth_token: {}\n", token(1)));
    sandbox.sh(
        "mkdir -p tree/usr/lib/systemd/system/cloud-init.target.wants tree/etc/systemd/system/multi-user.target.wants
         ln -s /usr/lib/systemd/system/ssh.service tree/etc/systemd/system/multi-user.target.wants/ssh.service
         mke2fs -qF -t ext4 -d tree image 8M",
    );
    sandbox
}

fn status<'r>(report: &'r Value, id: &str) -> &'r str {
    let rows = report["guideline"]["rows"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap()["status"].as_str().unwrap()
}

#[test]
fn a_cleaned_image_meets_what_its_original_failed() {
    let sandbox = image();
    let before = sandbox.json("audit image --policy aws");
    for id in ["A2", "A3", "A4", "A7", "A9", "A11"] {
        assert_eq!(status(&before, id), "failed", "{id}: {before:#}");
    }
    assert_eq!(sandbox.run("audit -q image --policy aws").0, Some(1));
    let (code, said, _) = sandbox.run("clean -q image -o out --policy aws");
    let next = "How it stands with AWS, Guidelines for shared Linux AMIs: diskscrub audit out --original image --policy aws\n";
    assert!(code == Some(0) && said.ends_with(next), "{said}");
    assert_eq!(sandbox.run("plan -q image --policy aws").0, Some(0));

    let (code, text, message) = sandbox
        .run("audit -q out --policy aws --original image --report r.json --report r.sarif --report r.html");
    assert_eq!((code, &*message), (Some(0), ""), "{text}");
    assert!(text.starts_with("out fails no bullet of AWS"), "{text}");
    assert!(text.contains("\nA11     changed "), "{text}");
    for secret in [&token(1)[4..], "0123456789abcdef", "fakesalt"] {
        assert!(!text.contains(secret), "{text}");
    }
    let after: Value = serde_json::from_slice(&std::fs::read(sandbox.at("r.json")).unwrap()).unwrap();
    assert_eq!((&after["verdict"], &after["original"]["path"]), (&"clean".into(), &"image".into()));
    for id in ["A2", "A3", "A4", "A7", "A9", "A11"] {
        assert_eq!(status(&after, id), "changed", "{id}");
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    sandbox.sh(&format!(
        "jsonschema -i r.json {root}/docs/report.schema.json
         jsonschema -i r.sarif {root}/testdata/sarif/sarif-schema-2.1.0.json
         grep -q 'Guidelines for shared Linux AMIs' r.html"
    ));
}

#[test]
fn what_cannot_be_read_fails_its_bullet_and_stays() {
    let sandbox = image();
    sandbox.sh("printf '<<<<<<< HEAD\\n' >garbage; debugfs -w -R 'rm /etc/shadow' image 2>/dev/null
                debugfs -w -R 'write garbage /etc/shadow' image 2>/dev/null");
    sandbox.sh("openssl genpkey -algorithm ed25519 -out key.pem");
    let (code, _, message) =
        sandbox.run("clean -q image -o out --policy outscale --report c.json --attest key.pem");
    let said = "diskscrub: the output was written, but 1 file could not be made as the policy asks\n";
    assert_eq!((code, &*message), (Some(1), said));
    let report: Value = serde_json::from_slice(&std::fs::read(sandbox.at("c.json")).unwrap()).unwrap();
    assert_eq!(
        (&report["verdict"], &report["findings"][0]["rule"]),
        (&"findings".into(), &"password-hashes".into())
    );
    sandbox.sh(concat!(
        "jsonschema -i c.json ",
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/report.schema.json"
    ));
    assert!(!sandbox.at("out.intoto.jsonl").exists(), "nothing attests what was not done");
    let report = sandbox.json("audit out --policy outscale");
    assert_eq!(status(&report, "O9"), "failed");
    let report = sandbox.json("verify out --policy outscale");
    let place = &crate::sandbox::findings(&report, "unwanted")[0]["place"];
    assert_eq!((&report["verdict"], &place["path"]), (&"findings".into(), &"/etc/shadow".into()));
    assert_eq!(sandbox.sh("debugfs -R 'cat /etc/shadow' out 2>/dev/null"), "<<<<<<< HEAD\n");
}

#[test]
fn an_account_that_cannot_be_removed_is_a_mistake_as_it_is_for_clean() {
    let sandbox = image();
    sandbox.write("p.toml", "extends = 'aws'\nremove_users = ['root']\n");
    for command in ["audit -q image --policy p.toml", "clean -q image -o out --policy p.toml"] {
        let (code, _, message) = sandbox.run(command);
        let said = "diskscrub: the account \"root\" cannot be removed: it is the system's, by its number 0\n";
        assert_eq!((code, &*message), (Some(2), said), "{command}");
    }
}

#[test]
fn a_policy_without_a_guideline_is_refused() {
    let sandbox = image();
    for policy in ["default", "none"] {
        let (code, _, message) = sandbox.run(&format!("audit image --policy {policy}"));
        let said = format!(
            "diskscrub: the policy {policy:?} follows no guideline: take aws or outscale, or a file that extends one of them\n"
        );
        assert_eq!((code, message), (Some(2), said));
    }
}
