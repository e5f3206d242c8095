//! Every directory of `cases` is a test: see docs/testing.md for what lies in one.

#![allow(clippy::print_stdout, reason = "a test runner")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use filesystem::Content;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use tests::{
    Result, checkers, image, kernel,
    program::{can_mount, command, diskscrub, lossy, output, workspace},
    secrets, tree, xfs_db,
};

/// How a recipe says that it needs root and loop devices, which are not here.
const NEEDS_KERNEL: i32 = 77;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = workspace().join("tests/cases");
    let mut names: Vec<PathBuf> = fs::read_dir(&root)
        .expect("the cases are there")
        .map(|entry| entry.expect("the cases can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    names.sort();
    let trials = names.into_iter().map(|directory| {
        let name = directory.file_name().expect("it has a name").to_string_lossy().into_owned();
        Trial::test(name, move || Case::new(&directory)?.run().map_err(Failed::from))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

struct Case {
    directory: PathBuf,
    work: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Case {
    fn new(directory: &Path) -> Result<Self> {
        let words = fs::read_to_string(directory.join("args")).unwrap_or_default();
        let mut arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let policy = directory.join("policy.toml");
        if policy.exists() {
            arguments.extend(["--policy".to_owned(), policy.display().to_string()]);
        }
        let work = tempfile::tempdir().map_err(|error| error.to_string())?;
        Ok(Self { directory: directory.to_owned(), work, arguments })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Builds the image; `false` if that needs what this machine does not have.
    fn make(&self) -> Result<bool> {
        let cases = self.directory.parent().expect("it lies in cases");
        let mut recipe = command("bash");
        recipe.args(["-euo", "pipefail", "-c", "source \"$1/lib.sh\"; source \"$2/make.sh\"", "make"]);
        recipe.args([cases, &self.directory]).current_dir(self.work.path());
        recipe.env("ROOT", workspace()).env("CASE", self.directory.file_name().expect("it has a name"));
        let made = output(&mut recipe)?;
        match made.status.code() {
            Some(0) => Ok(true),
            Some(NEEDS_KERNEL) if !can_mount() => Ok(false),
            _ => Err(format!("make.sh failed:\n{}{}", lossy(&made.stdout), lossy(&made.stderr))),
        }
    }

    fn run(&self) -> Result<()> {
        if !self.make()? {
            println!("{} was not run: it needs root and loop devices", self.directory.display());
            return Ok(());
        }
        let (input, files) = (image::digest(&self.at("image"))?, self.files()?);
        let (code, stderr) = self.clean("image", "out", "report")?;
        if image::digest(&self.at("image"))? != input {
            return Err("the input changed".to_owned());
        }
        // With findings that undo nothing, the output is there.
        let remnants = code == 1 && self.at("out").exists();
        if code != 0 && !remnants {
            if self.files()? != files {
                return Err(format!("files were left: {:?}", self.files()?.difference(&files)));
            }
            return self.expect("refusal.txt", &format!("exit {code}\n{stderr}"));
        }
        if self.directory.join("refusal.txt").exists() && !blesses() {
            return Err("it should have been refused".to_owned());
        }
        match remnants {
            true => self.expect("message.txt", &stderr)?,
            false if self.directory.join("message.txt").exists() => {
                return Err("it should have said something".to_owned());
            }
            false => {}
        }
        self.judge()
    }

    /// Runs diskscrub in the working directory, so that its messages hold no paths of this machine.
    fn clean(&self, from: &str, to: &str, report: &str) -> Result<(i32, String)> {
        let mut clean = command(diskscrub());
        clean.args(["clean", from, "-o", to, "--report", report]).args(&self.arguments);
        let output = output(clean.current_dir(self.work.path()))?;
        let code = output.status.code().ok_or_else(|| format!("ended by {}", output.status))?;
        Ok((code, lossy(&output.stderr)))
    }

    /// What `verify` finds in the output, which knows nothing of how it was made.
    fn verified(&self) -> Result<Option<String>> {
        let mut verify = command(diskscrub());
        verify.args(["verify", "out", "--quiet", "--readers", "content"]);
        if self.arguments.windows(2).any(|pair| pair == ["--opaque", "keep"]) {
            verify.args(["--opaque", "keep"]);
        }
        // What the case keeps against the policy, the policy's files would show.
        let kept =
            |argument: &String| ["--keep", "--keep-user", "--skip", "--rules"].contains(&argument.as_str());
        match self.arguments.windows(2).find(|pair| pair[0] == "--policy") {
            // What could not be done is not as the policy wants it.
            _ if self.arguments.iter().any(kept) || self.directory.join("message.txt").exists() => {
                verify.args(["--policy", "none"])
            }
            Some(pair) => verify.args(pair),
            None => &mut verify,
        };
        let output = output(verify.current_dir(self.work.path()))?;
        Ok((!output.status.success()).then(|| lossy(&output.stdout) + &lossy(&output.stderr)))
    }

    fn files(&self) -> Result<BTreeSet<String>> {
        let entries = fs::read_dir(self.work.path()).map_err(|error| error.to_string())?;
        Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    }

    fn judge(&self) -> Result<()> {
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (image, out) = (self.at("image"), self.at("out"));
        let raw = image::raw(&out, scratch.path(), "out.raw")?;
        let mut wrong = checkers::complaints(&out, &raw, scratch.path())?;
        wrong.extend(self.left_or_lost(&image, &out, &raw, scratch.path())?);
        for volume in image::volumes(&raw)?.iter().filter(|volume| volume.content == Content::Xfs) {
            let (raw, volume) = image::in_one_piece(&raw, volume, scratch.path(), "after.volume")?;
            let alone = scratch.path().join("alone.xfs");
            image::extract(&raw, &volume, &alone)?;
            wrong.extend(xfs_db::disagreements(&alone)?);
        }
        let report = self.report("report")?;
        if can_mount() {
            let before = scratch.path().join("before.raw");
            let opened = image::raw(&image, scratch.path(), "before.raw")?;
            if opened != before {
                fs::copy(&opened, &before).map_err(|error| error.to_string())?;
            }
            wrong.extend(kernel::compare(&before, &raw, &report["clean"], scratch.path())?);
        }
        wrong.extend(self.again(&out)?);
        wrong.extend(self.verified()?);
        wrong.extend(self.expect("report.json", &stable(&report["clean"])).err());
        wrong.extend(self.expect("tree.txt", &tree::text(&out)?).err());
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn report(&self, name: &str) -> Result<Value> {
        let text = fs::read_to_string(self.at(name)).map_err(|error| format!("{name}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// Planted secrets that are still there, and content that is not.
    fn left_or_lost(&self, image: &Path, out: &Path, raw: &Path, scratch: &Path) -> Result<Vec<String>> {
        let Ok(list) = fs::read_to_string(self.at("tokens.tsv")) else { return Ok(Vec::new()) };
        let list = secrets::parse(&list)?;
        let bytes = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let before = bytes(&image::raw(image, scratch, "tokens.raw")?)?;
        let (after, file) = (bytes(raw)?, bytes(out)?);
        let places = |bytes: &[u8], goes: bool| -> BTreeSet<String> {
            let found = secrets::found(&list, bytes).into_iter().filter(|secret| secret.goes == goes);
            found.map(|secret| secret.place.clone()).collect()
        };
        let mut wrong = Vec::new();
        for secret in secrets::found(&list, &after).into_iter().chain(secrets::found(&list, &file)) {
            if secret.goes {
                wrong.push(format!("a secret is left: {}", secret.place));
            }
        }
        // Paths are told: what a name gives away is in the report, too.
        let mut report = self.report("report")?;
        for edit in report["clean"]["edits"].as_array_mut().into_iter().flatten() {
            edit["path"] = Value::Null;
        }
        for secret in secrets::found(&list, report.to_string().as_bytes()) {
            wrong.push(format!("the report tells a secret: {}", secret.place));
        }
        let (was, is) = (places(&before, false), places(&after, false));
        wrong.extend(was.difference(&is).map(|place| format!("content is gone: {place}")));
        if places(&before, true).is_empty() && list.iter().any(|secret| secret.goes) {
            wrong.push("the recipe planted nothing".to_owned());
        }
        Ok(wrong)
    }

    /// Cleaning the output changes nothing.
    fn again(&self, out: &Path) -> Result<Vec<String>> {
        let (code, stderr) = self.clean("out", "out2", "report2")?;
        // What a policy asks in vain, it asks again.
        if code != 0
            && !(code == 1 && self.at("out2").exists() && self.directory.join("message.txt").exists())
        {
            return Ok(vec![format!("the second run ends with {code}: {stderr}")]);
        }
        let mut wrong = Vec::new();
        if image::digest(out)? != image::digest(&self.at("out2"))? {
            wrong.push("the second run writes other bytes".to_owned());
        }
        let report = self.report("report2")?;
        let edits = report["clean"]["edits"].as_array().cloned().unwrap_or_default();
        // A swap file and an emptied file are still where they were; to clear them again changes nothing.
        let done = edits.iter().filter(|edit| edit["action"] == "remove" || edit["action"] == "edit");
        wrong.extend(done.map(|edit| format!("the second run does {} {}", edit["action"], edit["path"])));
        Ok(wrong)
    }

    /// Compares with a file of the case; with DISKSCRUB_BLESS set, writes it.
    fn expect(&self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        if blesses() {
            return fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected == text {
            return Ok(());
        }
        let (was, is): (BTreeSet<&str>, BTreeSet<&str>) =
            (expected.lines().collect(), text.lines().collect());
        let mut message = format!("{name} differs (DISKSCRUB_BLESS=1 accepts it):\n");
        was.difference(&is).for_each(|line| message.extend(["-", line, "\n"]));
        is.difference(&was).for_each(|line| message.extend(["+", line, "\n"]));
        Err(message)
    }
}

fn blesses() -> bool {
    std::env::var_os("DISKSCRUB_BLESS").is_some()
}

/// The parts of a report that every version of the tools and of the kernel gives alike.
fn stable(report: &Value) -> String {
    let pick = |row: &Value, fields: &[&str]| -> Value {
        fields.iter().map(|&field| (field.to_owned(), row[field].clone())).collect()
    };
    let rows = |name: &str, fields: &[&str]| -> Vec<Value> {
        report[name].as_array().into_iter().flatten().map(|row| pick(row, fields)).collect()
    };
    let mut volumes =
        rows("volumes", &["number", "name", "content", "label", "mount_point", "size", "orphans"]);
    for volume in volumes.iter_mut().filter_map(Value::as_object_mut) {
        // Partitions have none.
        volume.retain(|field, value| field != "name" || !value.is_null());
    }
    let mut edits = rows("edits", &["path", "rule", "action", "changes", "volume"]);
    for edit in edits.iter_mut().filter_map(Value::as_object_mut) {
        edit.retain(|_, value| !value.is_null());
    }
    edits.sort_by_key(Value::to_string);
    let mut stable = json!({
        "table": report["table"],
        "size": report["size"],
        "system": report["system"],
        "volumes": volumes,
        "rules": rows("rules", &["rule", "files"]),
        "edits": edits,
        "notes": report["notes"],
        "container": report["container"],
    });
    let remnants = report["taint"]["findings"].as_array().into_iter().flatten();
    let remnants: Vec<Value> =
        remnants.map(|finding| json!([finding["of"], finding["place"]["path"]])).collect();
    if !remnants.is_empty() {
        stable["remnants"] = remnants.into();
    }
    format!("{stable:#}\n")
}
