//! What `clean` did, as a report.

use filesystem::Content;
use report::{Coverage, Digest, Extent, Image, Policy, Removed, Report, Volume};
use sanitize::Plan;
use verify::Finding;

use crate::commands::clean::{CleanReport, dropped};

/// The run in the words of every command's report; its own words are in `clean`.
pub(crate) fn clean(begun: Report, original: Image, done: &CleanReport, plan: &Plan) -> Report {
    let (run, verdict) = (&done.run, &done.verdict);
    let digest = |digest: &sanitize::Digest| {
        let text = digest.to_string();
        let (algorithm, value) = text.split_once(':').unwrap_or(("", &text));
        Some(Digest { algorithm: algorithm.to_owned(), value: value.to_owned() })
    };
    let volumes = run.volumes.iter().zip(&plan.layout.volumes).map(|(volume, layout)| Volume {
        number: volume.number,
        content: volume.content.clone(),
        type_name: layout.type_name.clone(),
        name: layout.name.clone(),
        label: volume.label.clone(),
        uuid: volume.uuid.clone(),
        dirty: false,
        accounted: !matches!(layout.content, Content::Opaque(_)),
        extents: layout
            .extents
            .iter()
            .map(|extent| Extent { start: extent.start, length: extent.len })
            .collect(),
    });
    let removed = run.rules.iter().map(|rule| Removed {
        rule: rule.rule.clone(),
        files: rule.files,
        bytes: rule.bytes,
    });
    let remnants = done.taint.iter().flat_map(|taint| &taint.findings);
    let undone =
        plan.undone.iter().map(|(path, rule)| Finding::undone(rule.to_string(), None, path.to_string()));
    Report {
        image: Image { digest: digest(&run.output), ..begun.image.clone() },
        original: Some(Image { digest: digest(&run.input), ..original }),
        policy: Some(Policy { name: done.policy_name.clone(), digest: run.policy.clone() }),
        table: Some(run.table.clone()),
        volumes: volumes.collect(),
        coverage: Coverage {
            read: verdict.examined,
            holes: run.size.saturating_sub(verdict.live).saturating_sub(verdict.examined),
            live: verdict.live,
            ..Coverage::default()
        },
        removed: removed.collect(),
        dropped: dropped(run).into_iter().map(|(class, bytes)| (class.to_owned(), bytes)).collect(),
        findings: verdict.findings.iter().chain(remnants).cloned().chain(undone).collect(),
        opinions: verdict.opinions.clone(),
        container: done.container.clone(),
        notes: run.notes.clone(),
        clean: Some(serde_json::to_value(done).expect("reports are plain data")),
        ..begun
    }
}
