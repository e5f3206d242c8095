//! Rules, guests and walks over trees that are written as text.

mod edits;
mod guest;
mod policy;
mod rules;
mod sshd;
mod walk;
