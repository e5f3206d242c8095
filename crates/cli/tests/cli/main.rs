//! The command itself, as a user runs it: what it says, what it writes, and its exit codes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests throughout")]

mod archives;
mod attestation;
mod audit;
mod changes;
mod confined;
mod container;
mod devices;
mod gate;
mod history;
mod in_place;
mod names;
mod policy;
mod refusals;
mod report;
mod rules;
mod sandbox;
mod scan;
mod shipped;
mod verify;
