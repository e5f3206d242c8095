//! `clean --attest` and `verify-attestation`, with OpenSSL as the witness.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

/// A directory with two keys of each kind, and a disk with a file.
struct Lab(tempfile::TempDir);

/// What a command said: exit code, stdout, stderr.
type Said = (Option<i32>, String, String);

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        lab.tool("openssl", "genpkey -algorithm ed25519 -out ed25519.pem");
        lab.tool("openssl", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem");
        lab.tool("openssl", "genpkey -algorithm ed25519 -out other.pem");
        for name in ["ed25519", "p256", "other"] {
            lab.tool("openssl", &format!("pkey -in {name}.pem -pubout -out {name}.pub"));
        }
        fs::create_dir_all(lab.at("tree/etc")).unwrap();
        fs::write(lab.at("tree/etc/os-release"), "PRETTY_NAME=\"None\"\n").unwrap();
        fs::write(lab.at("tree/large"), vec![b'x'; 300_001]).unwrap();
        lab.tool("mke2fs", "-q -t ext4 -d tree disk.raw 8M");
        lab
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn tool(&self, tool: &str, arguments: &str) -> Vec<u8> {
        let output = Command::new(tool)
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
            .output()
            .unwrap_or_else(|error| panic!("{tool} is needed by this test: {error}"));
        assert!(output.status.success(), "{tool} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Runs diskscrub at a fixed time.
    fn run(&self, arguments: &str) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_diskscrub"))
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .env("SOURCE_DATE_EPOCH", "1795309234")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn refused(&self, arguments: &str) -> (Option<i32>, String) {
        let (code, _, said) = self.run(arguments);
        (code, said)
    }

    /// What OpenSSL decodes from base64.
    fn decoded(&self, base64: &Value) -> Vec<u8> {
        fs::write(self.at("base64"), base64.as_str().unwrap()).unwrap();
        self.tool("openssl", "base64 -d -A -in base64")
    }

    fn sha256(&self, name: &str) -> String {
        let line = self.tool("openssl", &format!("dgst -sha256 -r {name}"));
        String::from_utf8(line).unwrap()[..64].to_owned()
    }
}

#[test]
fn a_stranger_can_check_it_with_openssl_alone() {
    let lab = Lab::new();
    let verify = [
        ("ed25519", "pkeyutl -verify -rawin -pubin -inkey ed25519.pub -in message -sigfile signature"),
        ("p256", "dgst -sha256 -verify p256.pub -signature signature message"),
    ];
    for (key, verify) in verify {
        let clean = format!(
            "clean disk.raw -o out.qcow2 --output-format qcow2 --compress zstd --force --attest {key}.pem \
             --report report.json --report report.html --verify content"
        );
        assert_eq!(lab.run(&clean).0, Some(0));
        let line = lab.text("out.qcow2.intoto.jsonl");
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
        let envelope: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
        let payload = lab.decoded(&envelope["payload"]);
        let head = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len());
        fs::write(lab.at("message"), [head.as_bytes(), &payload].concat()).unwrap();
        fs::write(lab.at("signature"), lab.decoded(&envelope["signatures"][0]["sig"])).unwrap();
        lab.tool("openssl", verify);
        lab.tool("openssl", &format!("pkey -pubin -in {key}.pub -outform DER -out spki"));
        assert_eq!(envelope["signatures"][0]["keyid"], lab.sha256("spki"));

        let statement: Value = serde_json::from_slice(&payload).unwrap();
        let report: Value = serde_json::from_str(&lab.text("report.json")).unwrap();
        let disk = |image: &str| {
            assert_eq!(report[image]["digest"]["algorithm"], "blake3-64k");
            report[image]["digest"]["value"].clone()
        };
        let expected = serde_json::json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": "out.qcow2", "digest": {"sha256": lab.sha256("out.qcow2")}},
                {"name": "out.qcow2#disk", "digest": {"blake3-64k": disk("image")}},
            ],
            "predicateType": "https://in-toto.io/attestation/svr/v0.2",
            "predicate": {
                "verifier": {
                    "id": format!("pkg:cargo/diskscrub@{}", env!("CARGO_PKG_VERSION")),
                    "policies": [{"name": "default", "digest": {"blake3": report["policy"]["digest"]}}],
                },
                "timeCreated": "2026-11-22T01:00:34Z",
                "properties": [
                    "DISKSCRUB_CONTAINER_HOLDS_ONLY_THE_DISK",
                    "DISKSCRUB_UNCLAIMED_BYTES_ARE_ZERO",
                    "DISKSCRUB_REMOVED_PATHS_ARE_GONE",
                    "DISKSCRUB_OTHER_FILES_RETAINED",
                    "DISKSCRUB_OTHER_CONTENT_RETAINED",
                    "DISKSCRUB_SECOND_READER_AGREES",
                ],
                "diskscrub_input": {"name": "disk.raw#disk", "digest": {"blake3-64k": disk("original")}},
                "diskscrub_reports": [
                    {"name": "report.json", "digest": {"sha256": lab.sha256("report.json")}},
                    {"name": "report.html", "digest": {"sha256": lab.sha256("report.html")}},
                ],
            },
        });
        assert_eq!(statement, expected);
        // The same again, byte by byte.
        assert_eq!(lab.run(&clean).0, Some(0));
        assert_eq!(lab.text("out.qcow2.intoto.jsonl"), line);
    }
}

#[test]
fn it_speaks_of_the_file_and_of_the_disk_in_any_format() {
    let lab = Lab::new();
    let clean = "clean disk.raw -o out.raw --attest ed25519.pem --attest-output signed";
    assert_eq!(lab.run(clean).0, Some(0));
    let payload = lab.run("verify-attestation signed --key ed25519.pub --json").1;
    assert!(!payload.contains("CONTENT_RETAINED") && !payload.contains("diskscrub_reports"), "{payload}");

    let with_key =
        |key: &str, image: &str| lab.run(&format!("verify-attestation signed --key {key}.pub{image}"));
    let (code, said, _) = with_key("ed25519", " --image out.raw");
    assert_eq!(code, Some(0));
    assert!(said.contains("the very file (sha256)") && said.contains("2026-11-22T01:00:34Z"), "{said}");
    assert!(with_key("ed25519", "").1.contains("no image was compared"));

    lab.tool("qemu-img", "convert -O qcow2 -c out.raw converted.qcow2");
    let (code, said, _) = with_key("ed25519", " --image converted.qcow2");
    assert_eq!(code, Some(0));
    assert!(said.contains("the same disk in another file (blake3-64k)"), "{said}");

    let mut bytes = fs::read(lab.at("out.raw")).unwrap();
    bytes[5_000_000] ^= 1;
    fs::write(lab.at("changed.raw"), bytes).unwrap();
    let (code, _, said) = with_key("ed25519", " --image changed.raw");
    assert_eq!(
        (code, said.as_str()),
        (Some(1), "diskscrub: changed.raw: is not what the attestation speaks of\n")
    );

    let (code, _, said) = with_key("other", " --image out.raw");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("diskscrub: signed: no signature verifies with the key "), "{said}");

    let mut envelope: Value = serde_json::from_str(&lab.text("signed")).unwrap();
    envelope["payload"] = envelope["payload"].as_str().unwrap().replacen('e', "f", 1).into();
    fs::write(lab.at("signed"), envelope.to_string()).unwrap();
    assert_eq!(with_key("ed25519", "").0, Some(1));
    fs::write(lab.at("signed"), "{}").unwrap();
    let (code, _, said) = with_key("ed25519", "");
    assert_eq!(code, Some(65));
    assert!(said.starts_with("diskscrub: signed: is no DSSE envelope: "), "{said}");
}

#[test]
fn what_is_wrong_is_told_before_the_run() {
    let lab = Lab::new();
    lab.tool("openssl", "genpkey -algorithm ed25519 -aes256 -pass pass:fake -out locked.pem");
    let key = lab.text("ed25519.pem");
    for (arguments, expected) in [
        ("--attest locked.pem", "locked.pem: is encrypted; decrypt it first with `openssl pkey`"),
        ("--attest ed25519.pub", "ed25519.pub: is a public key; a private one is needed to sign"),
        ("--attest disk.raw", "disk.raw: is no key in PEM"),
        ("--attest .", ".: is no key in PEM"),
        ("--attest nothing.pem", "nothing.pem: No such file or directory (os error 2)"),
        (
            "--attest ed25519.pem --attest-output out.raw",
            "out.raw: is another file of this run, not a place for its attestation",
        ),
        (
            "--attest ed25519.pem --attest-output report.json --report report.json",
            "report.json: is another file of this run, not a place for its attestation",
        ),
        (
            "--attest ed25519.pem --attest-output ed25519.pem",
            "ed25519.pem: is the input or a file that the input builds on",
        ),
        (
            "--attest ed25519.pem --attest-output disk.raw",
            "disk.raw: is the input or a file that the input builds on",
        ),
    ] {
        let said = lab.refused(&format!("clean disk.raw -o out.raw {arguments}"));
        assert_eq!(said, (Some(2), format!("diskscrub: {expected}\n")), "{arguments}");
        assert!(!lab.at("out.raw").exists(), "{arguments}");
    }
    assert_eq!(lab.text("ed25519.pem"), key);
    let mut clean = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
    clean.args(["clean", "disk.raw", "-o", "out.raw", "--attest", "ed25519.pem"]);
    let output = clean.current_dir(lab.0.path()).env("SOURCE_DATE_EPOCH", "today").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (code, said) = lab.refused("verify-attestation signed --key ed25519.pem");
    let expected = "ed25519.pem: is a private key; the public one is enough, see `openssl pkey -pubout`";
    assert_eq!((code, said), (Some(2), format!("diskscrub: {expected}\n")));
}
