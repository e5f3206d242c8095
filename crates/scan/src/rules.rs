//! The registry: every rule, by family, in the order in which they are asked. Records only.

mod accounts;
mod authentication;
mod cloud;
mod credentials;
mod first_boot;
mod histories;
mod hosts;
mod identity;
mod keystores;
mod logs;
mod residue;
mod services;
mod sshd;

use crate::Rule;

/// Rules that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// For documents and lists.
    pub heading: &'static str,
    /// In order.
    pub rules: &'static [Rule],
}

/// All rules. Where two match, the first one has the finding.
pub const FAMILIES: &[Family] = &[
    Family { heading: "Host keys", rules: hosts::RULES },
    Family { heading: "First boot", rules: first_boot::RULES },
    Family { heading: "Users' keys and access", rules: accounts::RULES },
    Family { heading: "The SSH server's settings", rules: sshd::RULES },
    Family { heading: "Histories", rules: histories::RULES },
    Family {
        heading: "Credentials of clouds, containers, developers and databases",
        rules: credentials::RULES,
    },
    Family { heading: "Key stores and certificates", rules: keystores::RULES },
    Family { heading: "Authentication infrastructure", rules: authentication::RULES },
    Family { heading: "Identity of the machine", rules: identity::RULES },
    Family { heading: "Clouds' and managements' agents", rules: cloud::RULES },
    Family { heading: "Logs", rules: logs::RULES },
    Family { heading: "Services' spools and data", rules: services::RULES },
    Family { heading: "Caches, temporary files and residue", rules: residue::RULES },
];

/// Every rule, in order.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|family| family.rules)
}

/// A rule by its id.
#[must_use]
pub fn get(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Action, Kinds, pattern::Pattern};

    #[test]
    fn every_record_is_complete() {
        let mut ids = BTreeSet::new();
        for rule in all() {
            let id = rule.id;
            assert!(ids.insert(id), "{id} twice");
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id}");
            assert!(!rule.sources.is_empty(), "{id}: no source");
            assert!(rule.explain.ends_with('.') && !rule.explain.contains("  "), "{id}: explain");
            assert!(!rule.heading.ends_with('.'), "{id}: heading");
            if let Action::Create(_) = rule.action {
                assert!(rule.find.paths.is_empty(), "{id}: it takes nothing");
                continue;
            }
            assert!(!rule.find.paths.is_empty() || rule.find.also.is_some(), "{id}: no path");
            for path in rule.find.paths.iter().chain(rule.find.except) {
                Pattern::parse(path).unwrap_or_else(|error| panic!("{id}: {path}: {error}"));
            }
            if rule.action != Action::Remove {
                assert_eq!(rule.find.kinds, Kinds::Files, "{id}: only files have content");
            }
        }
    }
}
