//! The registry of content rules, by family. Records only.

mod keys;
mod version_control;

use super::ContentRule;

/// Content rules that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// For documents and lists.
    pub heading: &'static str,
    /// In order.
    pub rules: &'static [ContentRule],
}

/// All content rules. Of two that claim the same bytes the surer has the hit, and of two equally sure the first.
pub const FAMILIES: &[Family] = &[
    Family { heading: "Private keys", rules: keys::RULES },
    Family { heading: "Tokens of source code hosts", rules: version_control::RULES },
];

/// Every content rule, in order.
pub fn all() -> impl Iterator<Item = &'static ContentRule> {
    FAMILIES.iter().flat_map(|family| family.rules)
}

/// A content rule by its id.
#[must_use]
pub fn get(id: &str) -> Option<&'static ContentRule> {
    all().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_record_is_complete() {
        let mut ids: BTreeSet<&str> = crate::rules::all().map(|rule| rule.id).collect();
        for rule in all() {
            let id = rule.id;
            assert!(ids.insert(id), "{id} twice");
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id}");
            assert!(!rule.source.is_empty(), "{id}: no source");
            assert!(rule.explain.ends_with('.') && !rule.explain.contains("  "), "{id}: explain");
            assert!(!rule.heading.ends_with('.'), "{id}: heading");
            assert!(!rule.anchors.is_empty(), "{id}: no anchor");
            for anchor in rule.anchors {
                assert!(anchor.len() >= 3, "{id}: short anchor");
                assert!(rule.reach >= anchor.len(), "{id}: reach");
            }
            assert!(rule.before <= ContentRule::MAX_BEFORE, "{id}: before");
            assert!(rule.reach <= ContentRule::MAX_REACH, "{id}: reach");
            rule.compile().unwrap_or_else(|error| panic!("{id}: {error}"));
        }
    }
}
