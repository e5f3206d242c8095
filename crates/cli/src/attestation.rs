//! What `clean --attest` signs: which checks of this run came out well, and what they were of.
//!
//! A property is claimed only if this run checked it, on the finished output.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use attest::{Envelope, Predicate, PrivateKey, Resource, Statement, Verifier};
use block::{FileId, OutputFile, to_u64};
use filesystem::Content;
use sanitize::{DIGEST_ALGORITHM, Plan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    args::{AttestArgs, CleanArgs, OpaqueArg, VerifyArg},
    commands::clean::CleanReport,
    failure::Failure,
};

/// Longest file that is read as a key.
const KEY_MAX: u64 = 64 << 10;
/// Bytes that are hashed at once.
const PIECE: usize = 1 << 20;

/// Everything that a signature needs and that could be wrong, found out before the run.
pub(crate) struct Attestation {
    key: PrivateKey,
    file: OutputFile,
}

impl Attestation {
    /// Reads the key and starts the file; `None` if no attestation is asked for. `taken`: other files of this run that
    /// have no name yet.
    pub(crate) fn prepare(
        args: &AttestArgs,
        output: &Path,
        taken: &[&OutputFile],
        inputs: &[FileId],
    ) -> Result<Option<Self>, Failure> {
        let Some(key_path) = &args.attest else { return Ok(None) };
        let usage =
            |what: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {what}", key_path.display()));
        let (key_file, pem) = read_key(key_path).map_err(|error| usage(&error))?;
        let key = PrivateKey::from_pem(pem).map_err(|error| usage(&error))?;
        let path = args.attest_output.clone().unwrap_or_else(|| beside(output));
        let file = OutputFile::create(&path, true, &[inputs, &[key_file]].concat())
            .map_err(|error| Failure::naming(&error))?;
        for other in taken {
            if file.same_name(other).map_err(|error| Failure::output(&path, &error))? {
                return Err(Failure::usage(format_args!(
                    "{}: is another file of this run, not a place for its attestation",
                    path.display()
                )));
            }
        }
        Ok(Some(Self { key, file }))
    }

    /// The file, which has no name yet.
    pub(crate) fn file(&self) -> &OutputFile {
        &self.file
    }

    /// Signs, and gives the file its name. `sha256` is that of the output file.
    pub(crate) fn publish(
        self,
        output: &Path,
        sha256: &str,
        facts: &Facts,
        reports: Vec<Resource>,
    ) -> Result<(), Failure> {
        let statement = statement(&name_of(output), sha256, facts, reports);
        let line = Envelope::sign(&statement.to_json(), &self.key).to_line();
        let path = self.file.path().to_owned();
        self.file.file().write_all(line.as_bytes()).map_err(|error| Failure::output(&path, &error))?;
        self.file.publish().map_err(|error| Failure::naming(&error))
    }
}

/// What was run, and what came of it: all that a statement says, the output file's and the reports' digests apart. Plain
/// data, for a run in place that is resumed has to sign what the first one found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    input_name: String,
    /// Digests of disks, in hexadecimal.
    input: String,
    output: String,
    policy_name: String,
    policy: String,
    /// Seconds since 1970, as in the reports.
    started: u64,
    properties: Vec<String>,
}

impl Facts {
    /// Of a run without findings.
    pub(crate) fn of(report: &CleanReport, plan: &Plan, args: &CleanArgs, started: u64) -> Self {
        Self {
            input_name: name_of(&args.input.input),
            input: report.run.input.hex(),
            output: report.run.output.hex(),
            policy_name: name_of(Path::new(&report.policy_name)),
            policy: report.run.policy.clone(),
            started,
            properties: properties(report, plan, args.policy.opaque, args.verify),
        }
    }
}

fn statement(name: &str, sha256: &str, facts: &Facts, reports: Vec<Resource>) -> Statement {
    let disk = |name: &str, digest: &str| Resource::new(name, DIGEST_ALGORITHM, digest);
    let subject = vec![
        Resource::new(name, "sha256", sha256),
        // The same disk in another format, or on a cloud's volume, has the same digest.
        disk(&format!("{name}#disk"), &facts.output),
    ];
    let policy = Resource::new(&facts.policy_name, "blake3", &facts.policy);
    let predicate = Predicate {
        verifier: Verifier {
            id: concat!("pkg:cargo/diskscrub@", env!("CARGO_PKG_VERSION")).to_owned(),
            policies: vec![policy],
        },
        time_created: report::rfc3339(facts.started),
        properties: facts.properties.clone(),
        diskscrub_input: Some(disk(&format!("{}#disk", facts.input_name), &facts.input)),
        diskscrub_reports: reports,
    };
    Statement::new(subject, predicate)
}

/// What the checks that this run made have shown. There are no findings, or nothing is signed.
fn properties(
    report: &CleanReport,
    plan: &Plan,
    opaque: Option<OpaqueArg>,
    verify: VerifyArg,
) -> Vec<String> {
    let volumes = &plan.layout.volumes;
    let is_opaque = volumes.iter().any(|volume| matches!(volume.content, Content::Opaque(_)));
    let read: BTreeSet<u32> =
        volumes.iter().filter(|volume| volume.content.has_tree()).map(|volume| volume.number).collect();
    let seen: BTreeSet<u32> = report
        .verdict
        .opinions
        .iter()
        .filter(|opinion| opinion.refused.is_none())
        .filter_map(|opinion| opinion.volume)
        .collect();
    let claims = [
        ("DISKSCRUB_CONTAINER_HOLDS_ONLY_THE_DISK", true),
        // Of a volume that was kept as it was, nothing is known.
        ("DISKSCRUB_UNCLAIMED_BYTES_ARE_ZERO", !is_opaque || opaque != Some(OpaqueArg::Keep)),
        ("DISKSCRUB_REMOVED_PATHS_ARE_GONE", true),
        ("DISKSCRUB_OTHER_FILES_RETAINED", true),
        ("DISKSCRUB_OTHER_CONTENT_RETAINED", verify == VerifyArg::Content),
        ("DISKSCRUB_SECOND_READER_AGREES", !read.is_empty() && read.is_subset(&seen)),
    ];
    claims.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name.to_owned()).collect()
}

/// The last part of a path: where files lie on this machine is nobody's business.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// `out.qcow2.intoto.jsonl`.
fn beside(output: &Path) -> PathBuf {
    let mut name = OsString::from(output);
    name.push(".intoto.jsonl");
    name.into()
}

/// The file and what is in it. `Err`: a sentence's end.
fn read_key(path: &Path) -> Result<(FileId, Vec<u8>), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() > KEY_MAX {
        return Err("is no key in PEM".to_owned());
    }
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    Ok((FileId::from(&metadata), pem))
}

/// SHA-256 of a file's bytes, in hexadecimal. Does not move its cursor.
pub(crate) fn sha256(file: &File) -> io::Result<String> {
    let (mut hasher, mut buf, mut at) = (Sha256::new(), vec![0; PIECE], 0);
    loop {
        match file.read_at(&mut buf, at) {
            Ok(0) => return Ok(attest::hex(&hasher.finalize())),
            Ok(read) => {
                hasher.update(&buf[..read]);
                at += to_u64(read);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
