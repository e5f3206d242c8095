//! Policy files: an input is the text.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: support::start("policy"),
    |data: &[u8]| support::targets::policy(data)
);
