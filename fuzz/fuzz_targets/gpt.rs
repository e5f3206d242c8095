//! GUID partition tables, in sectors of both sizes.
#![no_main]

support::target!("gpt", support::targets::table);
