//! The examination that `verify` and `audit` share: every byte, every reader, secrets, and what a policy wants gone.

use scan::{
    Note, Scan, Selection,
    content::{self, ContentRule},
};
use verify::{Examination, Finding, Options, Secrets, container, taint::Taint};

use super::{
    Input,
    search::{self, Acceptance, Named, Subject},
    taint, workers,
};
use crate::{
    args::{ExamineArgs, ExpectArg, ReadersArg},
    bar::{Bar, Unit},
    failure::Failure,
    reports::{self, ReportFiles},
};

/// All that is known of an image.
pub(crate) struct Examined {
    pub(super) subject: Subject,
    pub(crate) examination: Examination,
    pub(crate) container: container::Examined,
    pub(crate) secrets: Secrets,
    /// What the rules by path would take, and what they could not.
    pub(super) files: Scan,
    unwanted: Vec<Finding>,
    taint: Option<(report::Image, Taint)>,
}

impl Examined {
    /// Every finding, in the order in which they were made.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.examination.findings.clone();
        findings.extend(self.container.findings());
        findings.extend_from_slice(&self.unwanted);
        findings.extend_from_slice(&self.secrets.findings);
        findings.extend(self.taint.iter().flat_map(|(_, taint)| taint.findings.iter().cloned()));
        findings
    }

    /// The image that it was compared with.
    pub(super) fn original(&self) -> Option<report::Image> {
        self.taint.as_ref().map(|(original, _)| original.clone())
    }
}

/// What a command begins with: checked before the work, so that no hour is spent on a report that cannot be written.
pub(super) struct Begun {
    pub(super) report: report::Report,
    pub(super) files: ReportFiles,
    pub(super) acceptance: Acceptance,
    pub(super) inputs: Vec<block::FileId>,
    pub(super) input: Input,
    pub(super) rules: Vec<&'static ContentRule>,
}

/// Opens the image and the files of the report.
pub(super) fn begin(
    args: &ExamineArgs,
    command: report::Command,
    policy: &str,
    selection: &Selection,
) -> Result<Begun, Failure> {
    let rules = content::select_among(selection.content(), &[], &[]).map_err(Failure::usage)?;
    let acceptance = Acceptance::read(&args.search, selection)?;
    let input = Input::open(&args.input)?;
    let inputs = input.files();
    let original =
        args.original.as_ref().map(|original| Input::open(&args.input.of(original))).transpose()?;
    let files = ReportFiles::create(&args.search.report, &[], &inputs)?;
    let mut report = reports::new(command, input.about(&args.input))?;
    report.policy = Some(report::Policy { name: policy.to_owned(), digest: selection.digest() });
    let mut reach = input.reach();
    original.iter().for_each(|original| original.reach_too(&mut reach));
    search::confined(&args.search, reach, &files);
    Ok(Begun { report, files, acceptance, inputs, input, rules })
}

/// Examines an image, and searches it for pieces of what its original had, if one is given.
pub(super) fn examine(
    args: &ExamineArgs,
    opened: Input,
    selection: &Selection,
    rules: &[&'static ContentRule],
    acceptance: &Acceptance,
    bar: &Bar,
) -> Result<Examined, Failure> {
    let input = &args.input;
    let failed = |error: block::Error| Failure::image(&input.label(), &error);
    let subject = search::subject(input, opened, bar)?;
    let options = Options {
        sector_size: super::sector_size(input, &subject.device),
        keep_opaque: args.opaque == ExpectArg::Keep,
        drop_unowned: false,
        content: args.readers == ReadersArg::Content,
        threads: workers(args.search.threads),
    };
    let (device, survey) = (&subject.device, &subject.survey);
    let examine = || -> block::Result<_> {
        let residue = verify::residue(device, survey, options.keep_opaque)?;
        let examination = verify::conclude(device, survey, residue, options)?;
        let mut container = container::Examined::default();
        for (_, image) in subject.input.images() {
            container.files.extend(container::examine(image)?.files);
        }
        Ok((examination, container))
    };
    // Two that ask nothing of each other: the examination waits for one small read after the other.
    let search = || {
        let named = Named::by_default(input, &subject)?;
        let secrets = search::secrets(input, &subject, &named, rules, &acceptance.key(), &args.search, bar)?;
        bar.begin("verifying", Unit::Pieces, None);
        Ok::<_, Failure>((named, secrets))
    };
    let (secrets, examined) = block::side_by_side(options.threads, search, examine);
    let (named, secrets) = secrets?;
    let (mut examination, container) = examined.map_err(failed)?;
    let Named { scan: files, damage, .. } = named.by(input, &subject, selection)?;
    examination.findings.extend(damage);
    let mut unwanted = verify::unwanted(survey, &files.findings).map_err(failed)?;
    unwanted.extend(files.notes.iter().filter_map(Note::undone).map(|(volume, path, rule)| {
        Finding::undone(rule.to_string(), survey.number(volume), path.to_string())
    }));
    let taint = args.original.as_ref().map(|original| {
        bar.begin("comparing", Unit::Pieces, None);
        let original = input.of(original);
        taint::against(&original, selection, device, acceptance.whole_key(), options.threads)
    });
    let taint = taint.transpose()?;
    Ok(Examined { subject, examination, container, secrets, files, unwanted, taint })
}
