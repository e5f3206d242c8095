//! One file a command, and what they share: opening the input, and the policy.

pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod clean;
mod examine;
mod input;
pub(crate) mod inspect;
pub(crate) mod plan;
pub(crate) mod rules;
pub(crate) mod scan;
mod search;
mod taint;
pub(crate) mod verify;
pub(crate) mod verify_attestation;

pub(crate) use examine::Examined;
use input::Input;

use std::{num::NonZero, path::Path, sync::OnceLock, thread};

use ::scan::{Around, Overrides, Policy, Selection, built_in_policies};
use block::{BlockRead, Format, Image, OpenOptions};
use sanitize::{OpaqueVolumes, Request};

use crate::{
    args::{FormatArg, InputArgs, OpaqueArg, PolicyArgs},
    failure::Failure,
};

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Raw => Self::Raw,
            FormatArg::Qcow2 => Self::Qcow2,
        }
    }
}

/// How the command line wants the input opened.
fn open_options(args: &InputArgs) -> OpenOptions {
    OpenOptions {
        format: args.format.map(Format::from),
        allow_backing: args.allow_backing,
        backing_format: args.backing_format.map(Format::from),
    }
}

/// Opens the input, which is one image, read-only.
fn open_image(args: &InputArgs) -> Result<Image, Failure> {
    block::open(&args.input, &open_options(args)).map_err(|error| Failure::image(&args.input, &error))
}

/// Bytes of a logical sector: as the command line says, else as the device does; unless its partitions say otherwise.
fn sector_size(args: &InputArgs, device: &dyn BlockRead) -> Option<u32> {
    let of_device = || block::device_sector_size(&args.input);
    args.sector_size.or_else(|| of_device().filter(|&size| filesystem::layout(device, Some(size)).is_ok()))
}

/// The policy of this name, or in this file.
fn policy(name: &str) -> Result<Policy, Failure> {
    let built_in = built_in_policies().iter().any(|policy| policy.name == name);
    let path = Path::new(name);
    if !built_in && name.contains(['/', '.']) && !path.exists() {
        return Err(Failure::usage(format!("{}: there is no such policy file", path.display())));
    }
    if built_in || !path.exists() {
        return Policy::built_in(name).map_err(Failure::usage);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display())))?;
    let (checks, bullets) = (::audit::checks::ids(), ::audit::sources());
    let around = Around { read: &|path| std::fs::read_to_string(path), checks: &checks, bullets: &bullets };
    Policy::from_file(path, &text, &around).map_err(Failure::usage)
}

/// The effective policy of the command line.
fn selection(args: &PolicyArgs) -> Result<Selection, Failure> {
    selection_by(&policy(&args.policy)?, args)
}

/// The same; `policy` is the one that the command line names.
fn selection_by(policy: &Policy, args: &PolicyArgs) -> Result<Selection, Failure> {
    let overrides = Overrides {
        rules: (!args.rules.is_empty()).then(|| args.rules.clone()),
        skip: args.skip.clone(),
        remove: args.remove.clone(),
        keep: args.keep.clone(),
        remove_users: args.remove_user.clone(),
        keep_users: args.keep_user.clone(),
    };
    Selection::new(policy, &overrides).map_err(Failure::usage)
}

/// What the command line asks of `sanitize`.
fn request<'a>(
    input: &InputArgs,
    device: &dyn BlockRead,
    policy: &PolicyArgs,
    selection: &'a Selection,
    workers: usize,
) -> Request<'a> {
    let opaque = match policy.opaque {
        None => OpaqueVolumes::Refuse,
        Some(OpaqueArg::Keep) => OpaqueVolumes::Keep,
        Some(OpaqueArg::Zero) => OpaqueVolumes::Zero,
    };
    Request {
        selection,
        create: &[],
        opaque,
        drop_unowned: policy.drop_unowned,
        sector_size: sector_size(input, device),
        list_files: false,
        workers,
    }
}

/// As many threads as asked for, or one each processor.
pub(crate) fn workers(threads: Option<u16>) -> usize {
    // Asked once, and early: the limits of a container are in files that are out of reach later.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(2, NonZero::get));
    threads.map_or(processors, usize::from)
}
