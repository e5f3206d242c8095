//! Swap areas and swap files' headers.
#![no_main]

support::target!("swap", support::targets::swap);
