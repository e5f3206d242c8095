//! Rules, guests and walks over trees that are written as text.

mod edits;
mod first_boot;
mod guest;
mod policy;
mod rules;
mod sshd;
mod walk;
