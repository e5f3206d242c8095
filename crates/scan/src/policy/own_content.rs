//! `[[content]]`: a rule by content of the policy's own, for the same engine and within its limits.

use super::{FileError, file::Reader, keys::Table};
use crate::content::{ContentRule, Tier, holds};

/// Its keys.
pub(super) const KEYS: &[&str] =
    &["id", "heading", "explain", "anchors", "pattern", "before", "reach", "tier"];
/// How sure it is.
pub(super) const TIERS: &[(&str, Tier)] =
    &[("proven", Tier::Proven), ("likely", Tier::Likely), ("context", Tier::Context)];
/// The engine looks for pieces of at least this length.
const MIN_ANCHOR: usize = 3;
/// Bytes of a match if the rule does not say.
const REACH: usize = 256;

/// Reads one. It lives as long as the program, as those of the registry do.
pub(super) fn read(reader: &Reader<'_>, table: &Table<'_>) -> Result<&'static ContentRule, FileError> {
    let id = reader.new_id(table)?;
    let heading = table.text("heading")?.value;
    let explain = table.text("explain")?.value;
    let anchors = table.some_strings("anchors")?;
    for anchor in &anchors {
        if anchor.value.len() < MIN_ANCHOR {
            let what = format_args!("the anchor {:?} is shorter than {MIN_ANCHOR} bytes", anchor.value);
            return Err(table.error(anchor.at, what));
        }
    }
    let pattern = table.text("pattern")?;
    let before = table.number("before", ContentRule::MAX_BEFORE)?.map_or(0, |before| before.value);
    let reach = table.number("reach", ContentRule::MAX_REACH)?;
    let longest = anchors.iter().map(|anchor| anchor.value.len()).max().unwrap_or(0);
    let spot = reach.map_or(table.at, |reach| reach.at);
    let reach = reach.map_or(REACH, |reach| reach.value);
    if reach < longest {
        return Err(
            table.error(spot, format_args!("an anchor has {longest} bytes, and \"reach\" is {reach}"))
        );
    }
    let rule = ContentRule {
        id: id.to_owned().leak(),
        heading: heading.trim().to_owned().leak(),
        explain: explain.trim().to_owned().leak(),
        source: "the policy",
        tier: table.choice("tier", TIERS)?.map_or(Tier::Likely, |tier| tier.value),
        anchors: anchors
            .iter()
            .map(|anchor| &*anchor.value.as_bytes().to_vec().leak())
            .collect::<Vec<_>>()
            .leak(),
        pattern: pattern.value.to_owned().leak(),
        before,
        reach,
        check: |_| true,
    };
    let compiled = rule.compile().and_then(|compiled| match compiled.takes_nothing() {
        true => Err("it matches the empty text".to_owned()),
        false => Ok(()),
    });
    compiled.map_err(|reason| {
        table.error(pattern.at, format_args!("the regular expression cannot be used: {reason}"))
    })?;
    // The engine looks at nothing but what is around an anchor: such a rule would miss, and not say so.
    if holds(rule.pattern, rule.anchors) != Ok(true) {
        let what = "the regular expression can match without any of the \"anchors\", where nobody would look";
        return Err(table.error(pattern.at, what));
    }
    Ok(Box::leak(Box::new(rule)))
}
