//! What the fuzzing targets share: good images, what libFuzzer's bytes do to them, and what must be true then.
//!
//! An input never is an image: it says which good image, what is patched where, and what is done; the checksums of what
//! is patched are redone ([`parts`]), so that executions get deep. The images are made by `bases.sh`.
#![forbid(unsafe_code)]

pub mod bases;
pub mod disk;
pub mod exercise;
pub mod input;
pub mod mutate;
pub mod parts;
pub mod patch;
pub mod seeds;
pub mod targets;

use std::sync::OnceLock;

use disk::{Base, Patched};
use input::Input;

/// The images of the target that runs.
static BASES: OnceLock<Vec<&'static Base>> = OnceLock::new();

/// Loads the images of a target, and writes its seeds to the directory that `DISKSCRUB_FUZZ_SEEDS` names; before
/// anything else.
pub fn start(target: &str) {
    let into = std::env::var_os("DISKSCRUB_FUZZ_SEEDS");
    let written = match (&into, target) {
        (Some(into), "policy") => seeds::write_policies(into.as_ref()),
        (Some(into), _) => seeds::write(target, load(target), into.as_ref()),
        (None, "policy") => Ok(()),
        (None, _) => {
            load(target);
            Ok(())
        }
    };
    written.unwrap_or_else(|error| panic!("seeds: {error}"));
}

fn load(target: &str) -> &'static [&'static Base] {
    let shape = targets::SHAPES.iter().find(|(name, _)| *name == target).map(|(_, shape)| *shape);
    BASES.get_or_init(|| bases::load(target, shape.expect("every target has a shape")))
}

/// The images that were loaded.
pub fn bases() -> &'static [&'static Base] {
    BASES.get().map_or(&[], Vec::as_slice)
}

/// What an input means: itself, parsed, and its image. `None` if it is too short to mean anything.
#[must_use]
pub fn image(data: &[u8]) -> Option<(Input<'_>, Patched)> {
    let input = Input::parse(data)?;
    let base = mutate::choose(bases(), input.base)?;
    let device = patch::image(&input, base);
    Some((input, device))
}

/// Writes the image to the file that `DISKSCRUB_FUZZ_SAVE` names, if it names one: to look at a finding.
pub fn save(device: &Patched) {
    if let Some(path) = std::env::var_os("DISKSCRUB_FUZZ_SAVE") {
        device.save(path.as_ref()).unwrap_or_else(|error| panic!("the image is saved: {error}"));
    }
}

/// A target whose inputs are patches of good images: the name of their directory, and what is done with each.
#[macro_export]
macro_rules! target {
    ($name:literal, $run:path) => {
        libfuzzer_sys::fuzz_target!(
            init: $crate::start($name),
            |data: &[u8]| { $run(data) }
        );
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
            $crate::mutate::mutate(data, size, most, seed, $crate::bases())
                .unwrap_or_else(|| libfuzzer_sys::fuzzer_mutate(data, size, most))
        });
        libfuzzer_sys::fuzz_crossover!(|one: &[u8], other: &[u8], out: &mut [u8], _seed: u32| {
            $crate::mutate::cross(one, other, out)
        });
    };
}
