//! A policy file: read, merged with a command line's words, told again.

use scan::{Overrides, Policy, Selection};

/// The bytes are the file's text.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Policy::from_toml(text) {
        Ok(policy) => {
            let Ok(selection) = Selection::new(&policy, &Overrides::default()) else { return };
            let _ = selection.check_accounts(&[]);
            assert_eq!(selection.digest(), selection.digest());
            assert!(selection.canonical().len() < 1 << 20, "what a policy comes to is short");
            for rule in selection.rules() {
                assert!(policy.find_rule(rule.id).is_ok(), "a rule that counts is known");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error is a sentence"),
    }
}
