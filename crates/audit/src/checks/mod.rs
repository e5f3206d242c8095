//! The registry of checks. Each file holds one question and its record.

mod certificates;
mod clear_text;
mod cloud_passwords;
mod first_boot;
mod identity;
mod network_services;
mod package_age;
mod passwords;
mod permissions;
mod programs;
mod registered_agents;
mod sshd;
mod sudo_rights;
mod uid_zero;

use crate::Check;

/// All checks.
const CHECKS: &[Check] = &[
    clear_text::CLEAR_TEXT_SERVICES,
    network_services::NETWORK_SERVICES,
    registered_agents::REGISTERED_AGENTS,
    certificates::CERTIFICATES,
    passwords::DEFAULT_PASSWORDS,
    uid_zero::UID_ZERO,
    sudo_rights::SUDO_RIGHTS,
    passwords::ROOT_PASSWORD,
    cloud_passwords::CLOUD_PASSWORDS,
    sshd::SSHD_ROOT,
    sshd::SSHD_PASSWORDS,
    sshd::SSHD_DNS,
    package_age::PACKAGE_AGE,
    first_boot::LOGIN_KEY,
    first_boot::LOGIN,
    first_boot::HOST_KEY_MAKER,
    permissions::PERMISSIONS,
    identity::IDENTITY,
];

/// Every check, in order.
pub fn all() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter()
}

/// The ids of all checks.
#[must_use]
pub fn ids() -> Vec<&'static str> {
    all().map(|check| check.id).collect()
}

/// A check by its id.
#[must_use]
pub fn get(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id == id)
}
