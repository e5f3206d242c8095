//! `batch` on one machine: what it does, does not do again, refuses, and leaves when it is killed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{
    program::{self, can_mount, command, diskscrub, lossy, workspace},
    shelf::Shelf,
};

const SEED: u64 = 0x5eed_ba7c;

/// Exit code, and what was said on stderr.
fn ended(done: &Output) -> (Option<i32>, String) {
    (done.status.code(), lossy(&done.stderr))
}

/// What `batch status` says, as JSON.
fn status(shelf: &Shelf, plan: &str) -> (Option<i32>, Value) {
    let done = shelf.batch(&["status", "--plan", plan, "--json"]);
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap())
}

#[test]
fn every_wrapper_is_cleaned_as_what_is_in_it() {
    let shelf = Shelf::wrapped(2);
    let before = shelf.files("in");
    shelf.plan("out", &["--shards", "3"]);
    assert_eq!(status(&shelf, "out.jsonl").1["counts"], serde_json::json!({"missing": 8}));
    let done = shelf.batch(&["run", "--plan", "out.jsonl", "--jobs", "2"]);
    assert_eq!(done.status.code(), Some(0), "{}", lossy(&done.stderr));
    assert_eq!(shelf.files("in"), before, "an input changed");
    let outputs = shelf.outputs("out");
    let names = ["00.raw", "01.raw", "gz.raw", "gzq.qcow2", "q.qcow2", "tar.raw", "xz.raw", "zst.raw"];
    assert_eq!(outputs.keys().collect::<Vec<_>>(), names);
    assert_eq!(shelf.files("out").len(), 2 * names.len(), "a report each, and nothing else");

    // `clean` by itself writes the same.
    let mut clean = command(diskscrub());
    clean.args(["clean", "in/01.raw", "-o", "alone.raw"]).current_dir(shelf.at(""));
    assert!(clean.output().unwrap().status.success());
    assert_eq!(tests::image::digest(&shelf.at("alone.raw")).unwrap(), outputs["01.raw"]);
    // The digest is that of the disk: the same in raw and qcow2, wrapped or not.
    let (code, summary) = status(&shelf, "out.jsonl");
    assert_eq!((code, summary["verdict"].as_str()), (Some(0), Some("clean")));
    let digest = |id: &str| {
        let rows = summary["rows"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == id).unwrap()["report"]["output_digest"].clone()
    };
    assert!(digest("00.raw").is_string());
    assert_eq!(digest("00.raw"), digest("gzq.qcow2"));
    // The report names what the user knows, and is as its schema says.
    let report = fs::read_to_string(shelf.at("out/gz.raw.report.json")).unwrap();
    assert!(report.contains("in/gz.raw.gz") && !report.contains("/proc/"), "{report}");
    let schema = workspace().join("docs/report.schema.json");
    let paths = [shelf.at("out/gz.raw.report.json"), schema].map(std::path::PathBuf::into_os_string);
    program::run("jsonschema", [&["-i".into()], paths.as_slice()].concat()).unwrap();
}

#[test]
fn what_is_done_is_not_done_again() {
    let shelf = Shelf::new(3);
    shelf.plan("out", &[]);
    let run = |more: &[&str]| shelf.batch(&[&["run", "--plan", "out.jsonl"], more].concat());
    assert_eq!(ended(&run(&["--shard", "1"])).0, Some(0));
    assert_eq!(shelf.files("out").len(), 2, "one shard is one image here");
    assert_eq!(ended(&run(&[])).0, Some(0));
    let inode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(shelf.at(name)).unwrap().ino()
    };
    let names = ["out/00.raw", "out/01.raw", "out/02.raw"];
    let first = names.map(inode);
    let (code, said) = ended(&run(&[]));
    assert_eq!(
        (code, said.matches("done before: clean").count(), names.map(inode)),
        (Some(0), 3, first),
        "{said}"
    );
    // An output that is gone, one that is another, and a report that is gone: each is done again, the rest is not.
    let good = shelf.outputs("out");
    let original = fs::read(shelf.at("out/01.raw")).unwrap();
    fs::write(shelf.at("out/00.raw"), &original).unwrap();
    fs::remove_file(shelf.at("out/01.raw.report.json")).unwrap();
    let counts = status(&shelf, "out.jsonl").1["counts"].clone();
    assert_eq!(counts, serde_json::json!({"clean": 1, "missing": 1, "stale": 1}));
    let (code, said) = ended(&run(&[]));
    assert_eq!((code, said.matches("done before").count()), (Some(0), 1), "{said}");
    assert_eq!(shelf.outputs("out"), good);
    // A copy has another time and the same bytes: it is read, and is fine.
    fs::copy(shelf.at("out/00.raw"), shelf.at("copy")).unwrap();
    fs::rename(shelf.at("copy"), shelf.at("out/00.raw")).unwrap();
    assert_eq!(status(&shelf, "out.jsonl").0, Some(0));
    // Another policy means another output.
    shelf.plan("out", &["--policy", "none"]);
    assert_eq!(status(&shelf, "out.jsonl").1["counts"], serde_json::json!({"stale": 3}));
    assert_eq!(ended(&run(&["--quiet"])), (Some(0), String::new()));
    assert_ne!(shelf.outputs("out"), good);
    // An input that changed is not what was planned.
    fs::write(shelf.at("in/00.raw"), "other").unwrap();
    let (code, said) = ended(&run(&["--quiet"]));
    let what = "diskscrub: 00.raw: failed: the input changed after the plan was made: make the plan again\n";
    assert_eq!((code, &*said), (Some(2), what));
    assert_eq!(shelf.files("out").len(), 6, "nothing was touched");
}

#[test]
fn one_bad_image_does_not_stop_the_rest() {
    let shelf = Shelf::new(2);
    fs::write(shelf.at("in/empty.raw"), "").unwrap();
    fs::write(shelf.at("in/bad.raw.gz"), "no gzip").unwrap();
    fs::write(shelf.at("in/old.vmdk"), [b"KDMV".as_slice(), &[0; 4096]].concat()).unwrap();
    shelf.plan("out", &[]);
    let done = shelf.batch(&["run", "--plan", "out.jsonl"]);
    assert_eq!(done.status.code(), Some(65), "{}", lossy(&done.stderr));
    let said = lossy(&done.stdout);
    let gzip = "in/bad.raw.gz: gzip stream: content is damaged or cut short (";
    assert!(said.contains("failed    bad.raw: ") && said.contains(gzip), "{said}");
    assert!(said.contains("in/old.vmdk: image: VMDK format is not supported\n"), "{said}");
    assert!(said.contains("5 images: 2 clean, 3 failed ("), "{said}");
    assert_eq!(shelf.outputs("out").keys().collect::<Vec<_>>(), ["00.raw", "01.raw"]);
    // Another try would say the same, so there is none, unless it is asked for.
    let (code, said) = ended(&shelf.batch(&["run", "--plan", "out.jsonl"]));
    assert_eq!((code, said.matches("done before: failed: ").count()), (Some(65), 3), "{said}");
    let (code, said) = ended(&shelf.batch(&["run", "--plan", "out.jsonl", "--again"]));
    assert_eq!((code, said.matches("done before").count()), (Some(65), 2), "{said}");
    let reports = ["s.json", "s.csv", "s.html", "s.txt"];
    let asked: Vec<&str> = reports.iter().flat_map(|name| ["--report", name]).collect();
    let done = shelf.batch(&[&["merge", "--plan", "out.jsonl", "--read-outputs"], asked.as_slice()].concat());
    assert_eq!(done.status.code(), Some(1), "{}", lossy(&done.stderr));
    for name in reports {
        assert!(
            fs::read_to_string(shelf.at(name)).unwrap().contains("VMDK format is not supported"),
            "{name}"
        );
    }
    let over = shelf.batch(&["merge", "--plan", "out.jsonl", "--report", "out/00.raw.report.json"]);
    assert_eq!(over.status.code(), Some(2), "a summary replaces no report");
}

#[test]
fn conflicts_are_refused_before_anything_starts() {
    let shelf = Shelf::new(1);
    let refused = |arguments: &[&str], sentence: &str| {
        let (code, said) = ended(&shelf.batch(arguments));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(sentence), "{said}");
    };
    fs::create_dir_all(shelf.at("other")).unwrap();
    fs::copy(shelf.at("in/00.raw"), shelf.at("other/00.raw")).unwrap();
    refused(
        &["plan", "in/00.raw", "other/00.raw", "--out", "out"],
        "out/00.raw: would be written twice, for ",
    );
    refused(&["plan", "in", "--out", "in"], "no image is named");
    refused(&["plan", "in/00.raw", "--out", "in"], "in/00.raw: would be written, but is the input ");
    symlink("in", shelf.at("link")).unwrap();
    refused(&["plan", "in/00.raw", "--out", "link"], "link/00.raw: would be written, but is the input ");
    refused(&["plan", "in", "--out", "out", "--policy", "nonsense"], "nonsense");
    // A plan that was edited, and one whose policy was.
    let plan = shelf.plan("out", &[]);
    let text = fs::read_to_string(&plan).unwrap();
    let broken = text.replacen("\"shard\":0", "\"shard\":\"0\"", 1);
    fs::write(shelf.at("broken.jsonl"), broken).unwrap();
    refused(&["run", "--plan", "broken.jsonl"], "broken.jsonl: line 2: invalid type: string \"0\"");
    fs::write(shelf.at("policy.toml"), "keep = ['/a']\n").unwrap();
    shelf.plan("own", &["--policy", "policy.toml"]);
    fs::write(shelf.at("policy.toml"), "keep = ['/b']\n").unwrap();
    refused(
        &["run", "--plan", "own.jsonl"],
        "policy.toml: the policy is not what it was when the plan was made",
    );
    refused(&["run", "--plan", "out.jsonl", "--shard", "1"], "--shard is 1, and the plan has 1, from 0 on");
    let mut twice = command(diskscrub());
    twice.args(["batch", "run", "--plan", "out.jsonl", "--shard", "auto"]).current_dir(shelf.at(""));
    twice.env("SLURM_ARRAY_TASK_ID", "0").env("JOB_COMPLETION_INDEX", "1");
    let (code, said) = ended(&twice.output().unwrap());
    assert_eq!(code, Some(2));
    assert!(said.contains("SLURM_ARRAY_TASK_ID says shard 0, JOB_COMPLETION_INDEX says shard 1"), "{said}");
    assert!(!shelf.at("out").exists() && !shelf.at("own").exists(), "something was started");
}

#[test]
fn room_and_memory_are_bounded() {
    let shelf = Shelf::wrapped(1);
    shelf.plan("out", &[]);
    let room = |plan: &str, jobs: &str, bytes: u64| {
        let size = bytes.to_string();
        ended(&shelf.batch(&["run", "--plan", plan, "--jobs", jobs, "--scratch-size", &size, "--quiet"]))
    };
    let (code, said) = room("out.jsonl", "2", 64 << 10);
    assert_eq!(
        (code, said.matches("takes more than the 64.0 KiB of --scratch-size").count()),
        (Some(74), 5),
        "{said}"
    );
    assert_eq!(shelf.outputs("out").len(), 2);
    // Of the room that is just enough for one, half is too little: two at a time leave it to the end, alone.
    let mut enough = 128 << 10;
    while room("out.jsonl", "1", enough).0 != Some(0) {
        enough *= 2;
        assert!(enough < 32 << 20, "16 MiB is all that there is in one");
    }
    shelf.plan("two", &[]);
    assert_eq!(room("two.jsonl", "2", enough), (Some(0), String::new()));
    assert_eq!(shelf.outputs("two"), shelf.outputs("out"));
    assert_eq!(shelf.outputs("out").len(), 7);
    let (code, said) = ended(&shelf.batch(&["run", "--plan", "out.jsonl", "--memory", "1M"]));
    assert_eq!(code, Some(2), "{said}");
    // The kernel holds a job to its share.
    shelf.plan("more", &[]);
    let small = ["run", "--plan", "more.jsonl", "--memory", "256M", "--jobs", "4", "--quiet"];
    assert_eq!(ended(&shelf.batch(&small)), (Some(0), String::new()));
    assert_eq!(shelf.outputs("more"), shelf.outputs("out"));
}

#[test]
fn a_full_disk_stops_its_rows_and_leaves_no_part() {
    if !can_mount() {
        println!("not run: needs root, to mount a small tmpfs");
        return;
    }
    let shelf = Shelf::new(2);
    fs::create_dir(shelf.at("small")).unwrap();
    let small = shelf.at("small").display().to_string();
    program::run("mount", ["-t", "tmpfs", "-o", "size=96k", "none", &small]).unwrap();
    shelf.plan("small", &[]);
    let done = shelf.batch(&["run", "--plan", "small.jsonl"]);
    let left = shelf.outputs("small");
    program::run("umount", [&small]).unwrap();
    assert_eq!(done.status.code(), Some(74), "{}", lossy(&done.stderr));
    assert!(left.is_empty(), "{left:?}");
    assert!(lossy(&done.stderr).contains("No space left on device"), "{}", lossy(&done.stderr));
}

/// Starts a run in the background, quietly.
fn start(shelf: &Shelf, plan: &str) -> std::process::Child {
    let mut run: Command = command(diskscrub());
    run.args(["batch", "run", "--quiet", "--jobs", "2", "--plan", plan]).current_dir(shelf.at(""));
    run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn sigterm_stops_it_cleanly() {
    let shelf = Shelf::wrapped(4);
    shelf.plan("whole", &[]);
    let begun = Instant::now();
    assert!(shelf.batch(&["run", "--plan", "whole.jsonl", "--jobs", "2"]).status.success());
    let whole = begun.elapsed();
    let mut stopped = 0;
    for part in 1..5 {
        shelf.plan("out", &[]);
        let mut run = start(&shelf, "out.jsonl");
        thread::sleep(whole * part / 6);
        kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
        let code = run.wait().unwrap().code();
        let files = if shelf.at("out").exists() { shelf.files("out") } else { Default::default() };
        // Whatever is there is whole: an output and its report.
        assert!(
            files.keys().all(|name| !name.starts_with('.') && !name.ends_with(".failed.json")),
            "{files:?}"
        );
        for (name, digest) in files.iter().filter(|(name, _)| !name.ends_with(".json")) {
            assert_eq!(*digest, shelf.outputs("whole")[name], "{name}");
        }
        match code {
            Some(75) => stopped += 1,
            code => assert_eq!(code, Some(0), "it was done before it was stopped"),
        }
        assert!(shelf.batch(&["run", "--plan", "out.jsonl"]).status.success());
        assert_eq!(shelf.outputs("out"), shelf.outputs("whole"));
        fs::remove_dir_all(shelf.at("out")).unwrap();
    }
    assert!(stopped > 0, "every run was done before it could be stopped");
}

/// Killed at thirty random points: the next run does the rest, writes the same bytes, and leaves nothing else.
#[test]
fn kill_loses_nothing_and_leaves_nothing() {
    let shelf = Shelf::wrapped(3);
    shelf.plan("whole", &[]);
    let begun = Instant::now();
    assert!(shelf.batch(&["run", "--plan", "whole.jsonl", "--jobs", "2"]).status.success());
    let whole = begun.elapsed();
    let (outputs, files) = (shelf.outputs("whole"), shelf.files("whole"));
    let (mut state, mut killed) = (SEED, 0);
    for round in 0..30 {
        shelf.plan("out", &[]);
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = whole * u32::try_from(state >> 40).unwrap() / (1 << 24);
        let mut run = start(&shelf, "out.jsonl");
        thread::sleep(moment);
        run.kill().unwrap();
        killed += u32::from(run.wait().unwrap().code().is_none());
        let again = shelf.batch(&["run", "--plan", "out.jsonl", "--jobs", "2"]);
        assert!(again.status.success(), "round {round}: {}", lossy(&again.stderr));
        // Its children died with it, but may have taken a moment.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(shelf.outputs("out"), outputs, "round {round}, killed after {moment:?}");
        assert!(shelf.files("out").keys().eq(files.keys()), "round {round}: {:?}", shelf.files("out"));
        assert!(shelf.batch(&["merge", "--plan", "out.jsonl", "--read-outputs"]).status.success());
        fs::remove_dir_all(shelf.at("out")).unwrap();
    }
    println!("killed {killed} of 30 runs in mid-run");
    assert!(killed >= 15, "{killed} of 30 runs were killed before they were done");
}

/// The job files, by the words of their engines' own models.
#[test]
fn job_files_are_what_their_engines_take() {
    let shelf = Shelf::new(3);
    shelf.plan("out", &[]);
    let emit = |more: &[&str]| {
        let done = shelf.batch(&[&["emit", "--plan", "out.jsonl"], more].concat());
        assert!(done.status.success(), "{}", lossy(&done.stderr));
        lossy(&done.stdout)
    };
    let mount = shelf.at("").display().to_string();
    let container =
        ["--image", "registry.example/diskscrub:1", "--volume", "fs-0123456789abcdef0", "--mount", &mount];
    // Kubernetes: the strict schema. A field that it does not know has to be found, or the test would prove nothing.
    let manifest = emit(&[&["--engine", "k8s"], container.as_slice()].concat());
    let schema = workspace().join("testdata/kubernetes/job.schema.json").into_os_string();
    let validate = |name: &str, text: &str| {
        fs::write(shelf.at(name), text).unwrap();
        let script =
            "import json,sys,yaml; json.dump(yaml.safe_load(open(sys.argv[1])), open(sys.argv[2], 'w'))";
        let json = shelf.at(&format!("{name}.json")).into_os_string();
        program::run(
            "/usr/bin/python3",
            ["-c".into(), script.into(), shelf.at(name).into_os_string(), json.clone()],
        )
        .unwrap();
        program::run("jsonschema", ["-i".into(), json, schema.clone()])
    };
    validate("job.yaml", &manifest).unwrap();
    let misspelt = manifest.replace("backoffLimitPerIndex", "backoffLimitPerIndx");
    assert!(validate("misspelt.yaml", &misspelt).unwrap_err().contains("backoffLimitPerIndx"));
    let seen: Value = serde_json::from_slice(&fs::read(shelf.at("job.yaml.json")).unwrap()).unwrap();
    assert_eq!(
        (&seen["spec"]["completions"], &seen["spec"]["completionMode"]),
        (&3.into(), &"Indexed".into())
    );
    assert_eq!(
        seen["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"],
        serde_json::json!([1, 2, 65, 70, 74])
    );
    let outside = shelf.batch(
        &[&["emit", "--plan", "out.jsonl", "--engine", "k8s"], &container[..4], &["--mount", "/elsewhere"]]
            .concat(),
    );
    assert!(lossy(&outside.stderr).contains("is not below /elsewhere, so no task can see it"));

    // AWS Batch: the service's own model.
    let bodies = emit(&[&["--engine", "aws-batch", "--queue", "shelf"], container.as_slice()].concat());
    fs::write(shelf.at("aws.json"), &bodies).unwrap();
    fs::write(shelf.at("wrong.json"), bodies.replace("evaluateOnExit", "evaluateOnExits")).unwrap();
    let script = "\
import json, sys
from botocore.session import Session
from botocore.validate import ParamValidator
model = Session().get_service_model('batch')
bodies = json.load(open(sys.argv[1]))
for name, body in (('RegisterJobDefinition', bodies['jobDefinition']), ('SubmitJob', bodies['job'])):
    report = ParamValidator().validate(body, model.operation_model(name).input_shape)
    sys.exit(report.generate_report()) if report.has_errors() else None
";
    let validate = |name: &str| {
        program::run("/usr/bin/python3", ["-c".into(), script.into(), shelf.at(name).into_os_string()])
    };
    validate("aws.json").unwrap();
    assert!(validate("wrong.json").unwrap_err().contains("evaluateOnExits"));

    // GNU parallel: run, and the summary's word is the script's.
    let program = diskscrub().display().to_string();
    fs::write(
        shelf.at("parallel.sh"),
        emit(&["--engine", "parallel", "--program", &program, "--at-once", "2"]),
    )
    .unwrap();
    let mut parallel = command("sh");
    let done = parallel.arg("parallel.sh").current_dir(shelf.at("")).output().unwrap();
    assert!(done.status.success(), "{}", lossy(&done.stderr));
    assert!(lossy(&done.stdout).contains("3 images, all clean"), "{}", lossy(&done.stdout));
    for script in ["parallel.sh", "slurm.sh"] {
        if script == "slurm.sh" {
            fs::write(shelf.at(script), emit(&["--engine", "slurm"])).unwrap();
        }
        program::run("shellcheck", [shelf.at(script)]).unwrap();
    }
}
