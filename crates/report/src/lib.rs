//! Reports on an image: one value, written as text for people, JSON, SARIF 2.1.0, DFXML or one HTML page.
//!
//! Every renderer is a pure function of a [`Report`]; nothing is printed and nothing is read. Names from an image
//! are data of whoever made it: in no format can they leave their place, hide a character or steer a terminal.
//! No secret's bytes are in a report, for none are in a [`verify::Finding`].

pub mod allow;
mod dfxml;
mod format;
mod guideline;
mod html;
mod human;
mod json;
mod map;
mod model;
mod own_rules;
mod row;
mod sarif;
mod text;
mod time;

pub use block::visible;
pub use dfxml::dfxml;
pub use format::Format;
pub use html::html;
pub use human::human;
pub use json::json;
pub use model::{
    Accepted, Archives, Cell, Command, Coverage, Digest, Extent, Image, Map, Policy, Removed, Report, Rule,
    SCHEMA, Tool, Total, Volume,
};
pub use sarif::sarif;
pub use text::{count, markup, size, visible_json, visible_lines};
pub use time::rfc3339;

#[cfg(test)]
extern crate self as report;
#[cfg(test)]
#[path = "../tests/sample/mod.rs"]
mod sample;
