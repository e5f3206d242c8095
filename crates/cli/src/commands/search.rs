//! What `scan` and `verify` share: the image, a survey of it, the search for secrets, and what is accepted.

use std::{path::Path, sync::Arc};

use block::{BlockRead, Image, OutputFile};
use report::allow::{self, Allow, Outcome};
use sandbox::Reach;
use sanitize::Progress;
use scan::{
    Overrides, Policy, Seen, Selection,
    content::{ContentRule, Key, Scanner},
};
use verify::{Finding, Note, Search, Secrets, Survey};

use super::{Input, input, open_options, workers};
use crate::{
    args::{InputArgs, SearchArgs},
    bar::{Bar, Unit},
    confine,
    failure::Failure,
    reports::{self, ReportFiles},
};

/// An open image, and what its disk is; or several that are joined.
pub(super) struct Subject {
    pub(super) input: Input,
    pub(super) device: Arc<dyn BlockRead>,
    pub(super) survey: Survey,
    /// Of each image, internal snapshots that can be read, by name.
    snapshots: Vec<Vec<(String, Image)>>,
}

/// Surveys what is open, and opens its snapshots. The survey is told to `bar`.
pub(super) fn subject(args: &InputArgs, input: Input, bar: &Bar) -> Result<Subject, Failure> {
    let failed = |error: &block::Error| Failure::image(&args.label(), error);
    let device = input.device()?;
    bar.begin("reading", Unit::Pieces, None);
    let mut survey =
        Survey::of(&device, super::sector_size(args, &device)).map_err(|error| failed(&error))?;
    let paths: Vec<&Path> = args.paths().collect();
    let further = input::further(&paths, &survey.layout);
    survey.notes.extend(further.into_iter().map(|text| Note { volume: None, text }));
    let mut snapshots = Vec::new();
    for (path, image) in input.images() {
        let mut readable = Vec::new();
        for (number, snapshot) in image.info.snapshots.iter().enumerate() {
            match block::open_snapshot(path, &open_options(args), number) {
                Ok(opened) => readable.push((snapshot.name.clone(), opened)),
                Err(error @ block::Error::Io(_)) => return Err(failed(&error)),
                Err(error) => {
                    let text =
                        format!("snapshot {} cannot be read: {error}", block::printable(&snapshot.name));
                    survey.notes.push(Note { volume: None, text });
                }
            }
        }
        snapshots.push(readable);
    }
    Ok(Subject { input, device, survey, snapshots })
}

/// Confines the process to these images, and to the places of what it will write. The draft of an allow file is made last.
pub(super) fn confined(args: &SearchArgs, mut reach: Reach, reports: &ReportFiles) {
    confine::names(&mut reach, reports.files());
    if let Some(path) = &args.write_allow {
        reach.make_in(OutputFile::directory_of(path));
    }
    confine::files(reach);
}

/// What is accepted, and the key of the digests.
pub(super) struct Acceptance {
    allow: Option<Allow>,
    key: report::allow::Key,
}

impl Acceptance {
    /// Reads the allow file; without one, and without the policy's, the key is made now.
    pub(super) fn read(args: &SearchArgs, selection: &Selection) -> Result<Self, Failure> {
        let allow = args.allow.as_deref().map(reports::read_allow).transpose()?;
        let random =
            || report::allow::Key::random().map_err(|error| Failure::output("getrandom".as_ref(), &error));
        let of_policy = selection.key().map(|Key(bytes)| report::allow::Key::new(bytes));
        let of_file = allow.as_ref().map(|allow| allow.key().clone());
        if of_file.is_some() && of_policy.is_some() && of_file != of_policy {
            return Err(Failure::usage("the allow file and the policy have different keys"));
        }
        let key = of_file.or(of_policy).map_or_else(random, Ok)?;
        Ok(Self { allow, key })
    }

    pub(super) fn key(&self) -> Key {
        Key(*self.key.bytes())
    }

    /// The same key.
    pub(super) fn whole_key(&self) -> &report::allow::Key {
        &self.key
    }

    /// Writes the draft that was asked for, and parts what is accepted from the rest.
    pub(super) fn apply(
        self,
        args: &SearchArgs,
        findings: Vec<Finding>,
        inputs: &[block::FileId],
    ) -> Result<Outcome, Failure> {
        if let Some(path) = &args.write_allow {
            reports::write_allow(path, &self.key, &findings, inputs)?;
        }
        Ok(match self.allow {
            Some(allow) => allow.apply(findings),
            None => Outcome { remaining: findings, ..Outcome::default() },
        })
    }
}

/// Parts what the policy accepts from the rest, and says which of its entries were for nothing, though the command has
/// `asked` their rule or check. `more` are other things that they can be for: who says them, and their paths.
pub(super) fn accept(
    selection: &Selection,
    outcome: &mut Outcome,
    more: &[(&str, Option<String>)],
    asked: impl Fn(&str) -> bool,
) -> Vec<String> {
    let findings = outcome.remaining.iter().chain(outcome.accepted.iter().map(|known| &known.finding));
    let facts: Vec<_> = findings.map(allow::facts).collect();
    let found = facts.iter().map(|(by, path, digest)| Seen { by, path: *path, digest: *digest });
    let more = more.iter().map(|(by, path)| Seen { by, path: path.as_deref(), digest: None });
    let seen: Vec<Seen<'_>> = found.chain(more).collect();
    let unmet = selection.unmet(&seen).filter(|accept| accept.id().is_none_or(&asked));
    let unmet = unmet.map(scan::Accept::unmet).collect();
    outcome.accept(|finding| {
        let (by, path, digest) = allow::facts(finding);
        selection.accepted(&Seen { by: &by, path, digest }).map(|accept| accept.reason().to_owned())
    });
    unmet
}

/// What the rules by path take.
pub(super) struct Named {
    pub(super) scan: scan::Scan,
    /// Why the rules could not be asked.
    pub(super) damage: Vec<Finding>,
    /// Of the rules' selection.
    digest: String,
}

impl Named {
    /// By the default policy, which names the files that are known to hold secrets.
    pub(super) fn by_default(args: &InputArgs, subject: &Subject) -> Result<Self, Failure> {
        let policy = Policy::built_in("default").expect("there is a default policy");
        let selection =
            Selection::new(&policy, &Overrides::default()).expect("it names rules that there are");
        Self::of(args, subject, &selection)
    }

    fn of(args: &InputArgs, subject: &Subject, selection: &Selection) -> Result<Self, Failure> {
        let mut damage = Vec::new();
        let scan = verify::path_findings(&subject.survey, selection, &mut damage)
            .map_err(|error| Failure::image(&args.label(), &error))?;
        Ok(Self { scan, damage, digest: selection.digest() })
    }

    /// The same by another selection; the tree is walked only if it is one.
    pub(super) fn by(
        self,
        args: &InputArgs,
        subject: &Subject,
        selection: &Selection,
    ) -> Result<Self, Failure> {
        if self.digest == selection.digest() { Ok(self) } else { Self::of(args, subject, selection) }
    }
}

/// Finds secrets on the disk, and in the image's file.
pub(super) fn secrets(
    args: &InputArgs,
    subject: &Subject,
    named: &Named,
    rules: &[&'static ContentRule],
    key: &Key,
    options: &SearchArgs,
    bar: &Bar,
) -> Result<Secrets, Failure> {
    let failed = |error: &block::Error| Failure::image(&args.label(), error);
    let files = verify::named_files(&named.scan.findings);
    let scanner = Scanner::new(rules);
    let search = Search {
        scanner: &scanner,
        key,
        workers: workers(options.threads),
        named: &files,
        archives: !options.no_archives,
        shipped: options.shipped,
    };
    bar.begin("scanning", Unit::Bytes, Some(subject.device.size()));
    let mut secrets = verify::secrets(&subject.device, &subject.survey, search, &mut |byte| bar.at(byte))
        .map_err(|error| failed(&error))?;
    for ((_, image), snapshots) in subject.input.images().zip(&subject.snapshots) {
        let in_file = verify::secrets_in_file(image, snapshots, search, &secrets.findings);
        secrets.add(in_file.map_err(|error| failed(&error))?);
    }
    if !options.shipped {
        let apart = verify::set_shipped_apart(&subject.survey, &files, &mut secrets);
        apart.map_err(|error| failed(&error))?;
    }
    Ok(secrets)
}
