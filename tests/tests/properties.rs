//! Random trees on random filesystems, filled and edited by a real kernel: what stays is the same to every byte and
//! every fact that a kernel tells, what went is nowhere, and the output is the same whatever the container and the number
//! of processors.
//!
//! Each seed is a test of its own. `DISKSCRUB_SEEDS=100..400` asks others than the usual few.

#![allow(clippy::print_stdout, reason = "a test runner")]

use std::{
    collections::BTreeSet,
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
};

use filesystem::Content;
use libtest_mimic::{Arguments, Failed, Trial};
use memchr::memmem::Finder;
use serde_json::Value;
use tests::{
    Result, checkers, image, kernel,
    program::{can_mount, command, diskscrub, lossy, output, run},
    random::{disk::Disk, fat},
};

/// The seeds of every run.
const SEEDS: Range<u64> = 0..16;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !can_mount() {
        println!("random trees are made by the kernel: not run without root and loop devices");
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    }
    let asked = env::var("DISKSCRUB_SEEDS").ok();
    let seeds = asked.map_or(SEEDS, |text| range(&text).expect("DISKSCRUB_SEEDS is like 100..400"));
    let mut trials = vec![Trial::test("a changed fact is noticed", || noticed().map_err(Failed::from))];
    trials.extend(
        seeds.map(|seed| Trial::test(format!("seed {seed}"), move || judge(seed).map_err(Failed::from))),
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn range(text: &str) -> Option<Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

fn judge(seed: u64) -> Result<()> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let failed = |recipe: &str| {
        let recipe = recipe.to_owned();
        move |error: String| format!("{error}\nDISKSCRUB_SEEDS={seed}..{} makes: {recipe}", seed + 1)
    };
    let disk = Disk::new(seed, scratch.path()).map_err(failed("nothing yet"))?;
    let judged = Run { disk: &disk, scratch: scratch.path() }.judge();
    let wrong = match judged {
        Ok(wrong) if wrong.is_empty() => return Ok(()),
        Ok(wrong) => wrong.join("\n"),
        Err(error) => error,
    };
    if let Some(keep) = env::var_os("DISKSCRUB_KEEP") {
        let kept = Path::new(&keep).join(format!("seed{seed}.raw"));
        run("cp", ["--sparse=always".as_ref(), disk.image.as_os_str(), kept.as_os_str()])?;
    }
    Err(failed(&disk.recipe)(wrong))
}

/// What a comparison says if somebody changes one thing about one file.
fn noticed() -> Result<()> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let disk = Disk::new(SEEDS.start, scratch.path())?;
    let volumes = image::volumes(&disk.image)?;
    let volume = volumes.iter().find(|volume| matches!(volume.content, Content::Ext | Content::Xfs));
    let volume = volume.ok_or("no volume was made")?;
    let (kind, options) = if volume.content == Content::Xfs { ("xfs", "nouuid") } else { ("ext4", "rw") };
    let shell = |raw: &Path, script: &str| {
        let mount = kernel::Mount::new(raw, volume, kind, options, scratch.path())?;
        let mut shell = command("bash");
        let said = output(shell.args(["-euc", script]).current_dir(mount.path()))?;
        if said.status.success() { Ok(()) } else { Err(format!("{script}: {}", lossy(&said.stderr))) }
    };
    shell(&disk.image, "rm -f app; head -c 20000 /dev/zero | tr '\\0' x >app; touch other")?;
    let mut wrong = Vec::new();
    for (fact, script) in [
        ("/app: mode ", "chmod 4711 app"),
        ("/app: owner ", "chown 1:70000 app"),
        ("/app: mtime ", "touch -m -d @1.5 app"),
        ("/app: atime ", "touch -a -d @-1 app"),
        ("/app: ctime ", "chmod 4711 app"),
        ("/app: birth ", "cp app new; mv new app"),
        ("/app: inode ", "cp app new; mv new app"),
        ("/app: xattrs ", "setfattr -n user.x app"),
        ("/app: attributes ", "chattr +d app"),
        ("/app: content ", "printf y | dd of=app conv=notrunc status=none"),
        ("/app: size ", "truncate -s +1 app"),
        ("/app: holes ", "fallocate -p -o 0 -l 16384 app"),
        ("/app: blocks ", "fallocate -z -o 0 -l 16384 app"),
        ("/app: links ", "ln app another"),
        ("/another is new", "ln app another"),
        ("/other is gone", "rm other"),
    ] {
        let copy = |name: &str| {
            let to = scratch.path().join(name);
            run("cp", ["--sparse=always".as_ref(), disk.image.as_os_str(), to.as_os_str()]).map(|_| to)
        };
        let (before, after) = (copy("before")?, copy("after")?);
        shell(&after, script)?;
        let differences = kernel::compare(&before, &after, &Value::Null, scratch.path())?;
        if !differences.iter().any(|line| line.contains(fact)) {
            wrong.push(format!("`{script}` is not noticed: {differences:?}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

struct Run<'a> {
    disk: &'a Disk,
    scratch: &'a Path,
}

impl Run<'_> {
    fn judge(&self) -> Result<Vec<String>> {
        let image = &self.disk.image;
        let input = image::digest(image)?;
        let (qcow2, zstd) = (self.scratch.join("image.qcow2"), self.scratch.join("image-z.qcow2"));
        for (to, more) in [(&qcow2, None), (&zstd, Some(["-c", "-o", "compression_type=zstd"]))] {
            let arguments =
                ["convert", "-f", "raw", "-O", "qcow2"].into_iter().chain(more.into_iter().flatten());
            let files = [image.as_os_str(), to.as_os_str()];
            run("qemu-img", arguments.map(AsRef::<std::ffi::OsStr>::as_ref).chain(files))?;
        }

        let mut wrong = Vec::new();
        let (out, report) = self.clean("raw", image, "--verify content", 2)?;
        let (same, other) = self.clean("one", image, "--verify content", 1)?;
        wrong.extend(differ(&out, &same, "one processor writes another raw image"));
        wrong.extend(differences(&report, &other, "one processor: report"));
        for (from, arguments, processors) in [
            (image, "--output-format qcow2 --verify content", 1),
            (&qcow2, "--output-format raw --verify content", 2),
            (&zstd, "--output-format qcow2 --compress zstd --verify content --threads 3", 2),
        ] {
            let (other, said) = self.clean("other", from, arguments, processors)?;
            let compared = run("qemu-img", ["compare".as_ref(), out.as_os_str(), other.as_os_str()]);
            wrong.extend(compared.err().map(|error| format!("{arguments}: {error}")));
            let lines = differences(&container_apart(&report), &container_apart(&said), "report");
            wrong.extend(lines.into_iter().map(|line| format!("{arguments}: {line}")));
        }
        wrong.extend(self.again(&out)?);
        wrong.extend(self.in_place(&out)?);
        let plan = self.plan(image)?;
        if plan != self.plan(&qcow2)? {
            wrong.push("the plan of a qcow2 is another one".to_owned());
        }
        if image::digest(image)? != input {
            wrong.push("the input has changed".to_owned());
        }
        wrong.extend(self.same_as_planned(&out, &report, &plan)?);
        Ok(wrong)
    }

    /// Cleans in a directory of its own, so that the names in the reports are always the same. The output, and the report.
    fn clean(&self, at: &str, from: &Path, arguments: &str, processors: u64) -> Result<(PathBuf, Value)> {
        let work = self.scratch.join(at);
        let _ = fs::remove_dir_all(&work);
        fs::create_dir(&work).map_err(|error| error.to_string())?;
        let mut clean = command("taskset");
        clean.arg("-c").arg(if processors == 1 { "0".to_owned() } else { format!("0-{}", processors - 1) });
        clean.arg(diskscrub()).arg("clean").arg(from).args([
            "-o",
            "out",
            "--report",
            "report.json",
            "--quiet",
        ]);
        clean.args(arguments.split(' ')).current_dir(&work).env("SOURCE_DATE_EPOCH", "1767225600");
        let said = output(&mut clean)?;
        if !said.status.success() {
            return Err(format!(
                "{clean:?}: {}\n{}{}",
                said.status,
                lossy(&said.stdout),
                lossy(&said.stderr)
            ));
        }
        Ok((work.join("out"), json(&fs::read_to_string(work.join("report.json")).unwrap_or_default())?))
    }

    fn plan(&self, image: &Path) -> Result<Value> {
        json(&run(&diskscrub().to_string_lossy(), ["plan".as_ref(), "--json".as_ref(), image.as_os_str()])?)
    }

    /// What is clean is as clean afterwards, and nothing is done to it.
    fn again(&self, out: &Path) -> Result<Vec<String>> {
        let (again, report) = self.clean("again", out, "--verify tree", 2)?;
        let mut wrong: Vec<String> =
            differ(out, &again, "a second run writes other bytes").into_iter().collect();
        let edits = report["clean"]["edits"].as_array().map_or(0, Vec::len);
        let volumes = report["clean"]["volumes"].as_array().into_iter().flatten();
        let scrubbed: u64 = volumes.filter_map(|volume| volume["scrubbed"].as_u64()).sum();
        if edits != 0 || scrubbed != 0 || report["clean"]["outside"] != serde_json::json!({}) {
            wrong.push(format!("a second run does something: {}", report["clean"]));
        }
        Ok(wrong)
    }

    /// Where the bytes lie, the result is that of a copy.
    fn in_place(&self, out: &Path) -> Result<Vec<String>> {
        let disk = self.scratch.join("in-place");
        run("cp", ["--sparse=always".as_ref(), self.disk.image.as_os_str(), disk.as_os_str()])?;
        let arguments: [&std::ffi::OsStr; 5] =
            ["clean".as_ref(), "--in-place".as_ref(), "--yes".as_ref(), "--quiet".as_ref(), disk.as_os_str()];
        run(&diskscrub().to_string_lossy(), arguments)?;
        Ok(differ(out, &disk, "cleaning in place ends in other bytes").into_iter().collect())
    }

    /// Everybody who can read it sees what was there before, but for the plan.
    fn same_as_planned(&self, out: &Path, report: &Value, plan: &Value) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let rows = |value: &Value| {
            let mut edits = value["edits"].as_array().cloned().unwrap_or_default();
            edits.iter_mut().filter_map(Value::as_object_mut).for_each(|edit| drop(edit.remove("contents")));
            edits
        };
        if rows(plan) != rows(&report["clean"]) || plan["notes"] != report["clean"]["notes"] {
            wrong.push("what was done is not what was planned".to_owned());
        }
        let bytes = fs::read(out).map_err(|error| error.to_string())?;
        let places: Vec<usize> = Finder::new(&self.disk.token).find_iter(&bytes).take(5).collect();
        if !places.is_empty() {
            wrong.push(format!("something that was removed is still at {places:?}"));
        }
        drop(bytes);
        let before = self.scratch.join("before");
        run("cp", ["--sparse=always".as_ref(), self.disk.image.as_os_str(), before.as_os_str()])?;
        wrong.extend(kernel::compare(&before, out, &report["clean"], self.scratch)?);
        wrong.extend(checkers::table(out)?);
        for (was, is) in image::volumes(&before)?.iter().zip(&image::volumes(out)?) {
            // The kernel has recovered the input by now, so its own checker should be silent: but some kernels make what
            // some checkers reject, as symbolic links with attributes in inodes of their own.
            match checkers::volume_complaints(&before, was, self.scratch)? {
                Some(complaint) => println!("the checker rejects what the kernel has made: {complaint}"),
                None => wrong.extend(checkers::volume_complaints(out, is, self.scratch)?),
            }
            let facts = |raw: &Path, volume: &image::Volume| match volume.content {
                Content::Fat => fat::facts(raw, volume, self.scratch),
                Content::Ext => superblock(raw, volume),
                Content::Xfs => self.superblock_of_xfs(raw, volume),
                _ => Ok(String::new()),
            };
            let (was, now) = (facts(&before, was)?, facts(out, is)?);
            let (was, now): (BTreeSet<&str>, BTreeSet<&str>) = (was.lines().collect(), now.lines().collect());
            wrong.extend(
                was.difference(&now).map(|line| format!("volume {}: not there now: {line}", is.number)),
            );
            wrong.extend(
                now.difference(&was).map(|line| format!("volume {}: not there before: {line}", is.number)),
            );
        }
        Ok(wrong)
    }

    fn superblock_of_xfs(&self, raw: &Path, volume: &image::Volume) -> Result<String> {
        let alone = self.scratch.join("super.xfs");
        image::extract(raw, volume, &alone)?;
        let arguments: [&std::ffi::OsStr; 7] = [
            "-r".as_ref(),
            "-f".as_ref(),
            "-c".as_ref(),
            "sb 0".as_ref(),
            "-c".as_ref(),
            "print".as_ref(),
            alone.as_os_str(),
        ];
        // What is free now, and the checksum and log position that follow.
        let moves = [
            "icount",
            "ifree",
            "fdblocks",
            "crc",
            "lsn",
            "features_log_incompat",
            "features2",
            "bad_features2",
        ];
        Ok(without(&run("xfs_db", arguments)?, &moves))
    }
}

/// What dumpe2fs says of the superblock, but for what mounting and removing files changes.
fn superblock(raw: &Path, volume: &image::Volume) -> Result<String> {
    let moves = [
        "Last mounted on:",
        "Free blocks:",
        "Free inodes:",
        "Last mount time:",
        "Last write time:",
        "Mount count:",
        "Last checked:",
        "Lifetime writes:",
        "Checksum:",
        "Journal sequence:",
        "Journal start:",
        "Journal checksum",
        "Journal features:",
        "Journal errno:",
        "Filesystem flags:",
    ];
    let place = format!("{}?offset={}", raw.display(), volume.start);
    Ok(without(&run("dumpe2fs", ["-h", &place])?, &moves))
}

fn without(text: &str, moves: &[&str]) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    let stays = lines.filter(|line| !moves.iter().any(|field| line.starts_with(field)));
    stays.collect::<Vec<_>>().join("\n")
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}\n{text}"))
}

fn differ(one: &Path, other: &Path, what: &str) -> Option<String> {
    let said = run("cmp", [one, other]).err()?;
    Some(format!("{what}: {said}"))
}

/// A report without what it says of the image files, and without what the output's holes save of reading it again.
fn container_apart(report: &Value) -> Value {
    let mut report = report.clone();
    report["clean"]["verdict"]["examined"] = Value::Null;
    for field in ["read", "holes"] {
        report["coverage"][field] = Value::Null;
    }
    for of in ["image", "original"] {
        for field in ["path", "format", "file_size"] {
            report[of][field] = Value::Null;
        }
    }
    report
}

/// Where two reports differ, and how.
fn differences(one: &Value, other: &Value, at: &str) -> Vec<String> {
    let below = |name: &str| differences(&one[name], &other[name], &format!("{at}.{name}"));
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            let names: BTreeSet<&String> = fields.keys().chain(others.keys()).collect();
            names.into_iter().flat_map(|name| below(name)).collect()
        }
        (Value::Array(rows), Value::Array(others)) if rows.len() == others.len() => {
            let pairs = rows.iter().zip(others).enumerate();
            pairs.flat_map(|(row, (one, other))| differences(one, other, &format!("{at}[{row}]"))).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![format!("{at}: {one} or {other}")],
    }
}
