//! That the command itself gives its rights up, and can be told not to. What that denies is tested where the sandbox is.

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
};

use crate::sandbox::Sandbox;

/// What the system says of a process that waits for its policy.
fn of_process(sandbox: &Sandbox, options: &[&str]) -> (String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_diskscrub"))
        .args(["clean", "disk", "-o", "out", "--policy", "./policy.toml", "--quiet"])
        .args(options)
        .current_dir(sandbox.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // This waits until the other end is open, too.
    let mut policy = File::create(sandbox.at("policy.toml")).unwrap();
    let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let (status, limits) = (read("status"), read("limits"));
    policy.write_all(b"extends = \"default\"\n").unwrap();
    drop(policy);
    assert!(child.wait().unwrap().success());
    fs::remove_file(sandbox.at("out")).unwrap();
    (status, limits)
}

#[test]
fn the_process_has_given_its_rights_up() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    sandbox.sh("mke2fs -qF -t ext4 -d tree disk 2M; mkfifo policy.toml");
    let line = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let (status, limits) = of_process(&sandbox, &[]);
    assert_eq!(line(&status, "NoNewPrivs:"), "1");
    assert_eq!(line(&status, "Seccomp:"), "2");
    assert_eq!(line(&limits, "Max core file size"), "0");
    let (status, _) = of_process(&sandbox, &["--no-sandbox"]);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(line(&status, "Seccomp:"), line(&own, "Seccomp:"));
}

/// A file that may not grow is a full disk, not the end of the process.
#[test]
fn a_limit_on_files_is_an_error_that_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    sandbox.write("tree/srv/large", vec![7; 1 << 20]);
    sandbox.sh("mke2fs -qF -t ext4 -d tree disk 4M");
    for format in ["raw", "qcow2"] {
        let (code, _, message) = sandbox.script(&format!(
            "ulimit -f 512; exec \"$diskscrub\" clean disk -o out --output-format {format} --report r.json --quiet"
        ));
        assert_eq!(code, Some(74), "{message}");
        let told = message.starts_with("diskscrub: out: writing the output at offset ");
        assert!(told && message.ends_with(": File too large (os error 27)\n"), "{message}");
        assert!(!sandbox.at("out").exists() && !sandbox.at("r.json").exists());
    }
}
