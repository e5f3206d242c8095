//! The registry of checks. Each file holds one question and its record.

mod first_boot;

use crate::Check;

/// All checks.
const CHECKS: &[Check] = &[first_boot::HOST_KEY_MAKER];

/// Every check, in order.
pub fn all() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter()
}

/// A check by its id.
#[must_use]
pub fn get(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id == id)
}
