//! `diskscrub verify-attestation`: whether a statement is signed by a key, and speaks of an image.
//!
//! The image may be the very file, or the same disk in another format: either digest will do.

use std::{
    fmt::Write,
    fs::{self, File},
    path::Path,
    process::ExitCode,
};

use attest::{Envelope, EnvelopeError, PublicKey, Statement};
use block::{Format, OpenOptions};
use sandbox::Reach;
use sanitize::DIGEST_ALGORITHM;

use crate::{
    args::VerifyAttestationArgs,
    attestation, confine,
    failure::{FINDINGS, Failure},
    human::line,
    output,
};

/// Longest file that is read as a key or an attestation.
const FILE_MAX: u64 = 16 << 20;

/// Verifies an attestation.
pub(crate) fn run(args: &VerifyAttestationArgs) -> Result<ExitCode, Failure> {
    let key = PublicKey::from_pem(&read(&args.key)?)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", args.key.display())))?;
    let statement = match opened(&args.attestation, &key)? {
        Ok(statement) => statement,
        Err(error) => {
            output::message(&format!("{}: {error}", args.attestation.display()));
            return Ok(ExitCode::from(FINDINGS));
        }
    };
    let subject = match &args.image {
        None => None,
        Some(image) => match subject_of(args, image, &statement)? {
            Some(subject) => Some(subject),
            None => {
                output::message(&format!("{}: is not what the attestation speaks of", image.display()));
                return Ok(ExitCode::from(FINDINGS));
            }
        },
    };
    if args.json {
        output::print_json(&statement)?;
    } else {
        output::show(&told(&statement, &key, subject))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The first statement of the file that the key has signed. The inner error: there is none.
fn opened(path: &Path, key: &PublicKey) -> Result<Result<Statement, EnvelopeError>, Failure> {
    let malformed = |error: String| Failure::malformed(path, &error);
    let text = String::from_utf8(read(path)?).map_err(|_| malformed("is no DSSE envelope".to_owned()))?;
    let mut refused = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let envelope = Envelope::parse(line).map_err(|error| malformed(error.to_string()))?;
        match envelope.open(key) {
            Ok(payload) => {
                let statement = Statement::parse(&payload);
                let statement =
                    statement.map_err(|error| malformed(format!("is no such statement: {error}")));
                return statement.map(Ok);
            }
            Err(error @ EnvelopeError::Malformed(_)) => return Err(malformed(error.to_string())),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map(Err).ok_or_else(|| malformed("holds no envelope".to_owned()))
}

/// How the statement knows the image: by the digest of which algorithm.
fn subject_of(
    args: &VerifyAttestationArgs,
    image: &Path,
    statement: &Statement,
) -> Result<Option<&'static str>, Failure> {
    let failed = |error: block::Error| Failure::image(image, &error);
    let options = OpenOptions { format: args.format.map(Format::from), ..OpenOptions::default() };
    let opened = block::open(image, &options).map_err(failed)?;
    let mut reach = Reach::default();
    opened.paths().for_each(|path| {
        reach.read(path);
    });
    confine::files(reach);
    let subject = || -> block::Result<_> {
        let sha256 = attestation::sha256(&File::open(image)?)?;
        if statement.digests("sha256").any(|digest| digest == sha256) {
            return Ok(Some("sha256"));
        }
        let disk = sanitize::Digest::of(&opened.device)?.hex();
        Ok(statement.digests(DIGEST_ALGORITHM).any(|digest| digest == disk).then_some(DIGEST_ALGORITHM))
    };
    let subject = subject();
    match opened.changed().map_err(|error| failed(error.into()))? {
        Some(path) => Err(Failure::changed(path)),
        None => subject.map_err(failed),
    }
}

/// Signed or not, what is quoted is a stranger's text.
fn told(statement: &Statement, key: &PublicKey, subject: Option<&str>) -> String {
    let mut text = String::new();
    let predicate = &statement.predicate;
    line!(text, "signed by {}", key.id());
    line!(
        text,
        "verified by {} at {}",
        block::visible(&predicate.verifier.id),
        block::visible(&predicate.time_created)
    );
    match subject {
        Some("sha256") => line!(text, "the image is the very file (sha256)"),
        Some(algorithm) => line!(text, "the image holds the same disk in another file ({algorithm})"),
        None => line!(text, "no image was compared: add --image"),
    }
    for property in &predicate.properties {
        line!(text, "  {}", block::visible(property));
    }
    text
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::image(path, &error.into());
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > FILE_MAX {
        return Err(Failure::usage(format_args!("{}: is no file of a sensible size", path.display())));
    }
    fs::read(path).map_err(failed)
}
