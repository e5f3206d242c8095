//! `diskscrub batch emit`: the job file for an engine. Nothing is submitted.

use std::{path::Path, process::ExitCode};

use batch::{
    Plan,
    emit::{self, Job},
};

use super::read_plan;
use crate::{
    args::{BatchEmitArgs, EngineArg},
    failure::Failure,
    output,
};

/// Longest name that every engine takes, with what they append.
const NAME_MAX: usize = 50;
/// Tasks of an array of AWS Batch.
const AWS_MAX: u32 = 10_000;
/// The least memory that leaves a job what `batch run` asks for.
const MEMORY_MIN: u64 = 384 << 20;

/// Prints a job file.
pub(super) fn run(args: &BatchEmitArgs) -> Result<ExitCode, Failure> {
    let plan = read_plan(&args.plan)?;
    let path = std::path::absolute(&args.plan)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", args.plan.display())))?;
    let text = path.to_str().ok_or_else(|| Failure::usage("the plan's path is not UTF-8"))?;
    check_name(&args.name)?;
    // Job files are lines: no path ends one.
    if [text, &args.program].iter().any(|path| path.contains(char::is_control)) {
        return Err(Failure::usage("the plan's path or --program has a control character"));
    }
    let memory = u32::try_from(args.memory >> 20).unwrap_or(u32::MAX);
    if args.memory < MEMORY_MIN {
        return Err(Failure::usage("--memory: a task takes 384M at least"));
    }
    let job = Job {
        plan: text,
        shards: plan.header.shards,
        name: &args.name,
        program: &args.program,
        at_once: args.at_once,
        processors: args.processors,
        memory,
        retries: args.retries,
    };
    let in_container = || -> Result<(&str, &str, &str), Failure> {
        let mount = args.mount.as_deref().or(path.parent()).unwrap_or(Path::new("/"));
        check_mount(&plan, &path, mount)?;
        let mount = mount.to_str().ok_or_else(|| Failure::usage("--mount is not UTF-8"))?;
        let asked = |value: &'_ Option<String>| value.is_some();
        debug_assert!(asked(&args.image) && asked(&args.volume), "the command line requires them");
        Ok((args.image.as_deref().unwrap_or_default(), args.volume.as_deref().unwrap_or_default(), mount))
    };
    match args.engine {
        EngineArg::Slurm => output::print(&emit::slurm(&job))?,
        EngineArg::Parallel => output::print(&emit::parallel(&job))?,
        EngineArg::K8s => {
            let (image, volume, mount) = in_container()?;
            output::print(&emit::kubernetes(&job, image, volume, mount))?;
        }
        EngineArg::AwsBatch => {
            if plan.header.shards > AWS_MAX {
                return Err(Failure::usage(
                    "AWS Batch takes 10000 shards at most: make the plan with --shards",
                ));
            }
            let (image, volume, mount) = in_container()?;
            let queue = args.queue.as_deref().unwrap_or_default();
            output::print_json(&emit::aws_batch(&job, image, queue, volume, mount))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that all engines take (RFC 1123).
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty()
        || name.len() > NAME_MAX
        || !name.chars().all(plain)
        || name.starts_with('-')
        || name.ends_with('-')
    {
        return Err(Failure::usage(
            "--name: up to 50 lower case letters, digits and hyphens, none at its ends",
        ));
    }
    Ok(())
}

/// A container sees nothing but what is mounted.
fn check_mount(plan: &Plan, path: &Path, mount: &Path) -> Result<(), Failure> {
    if !mount.is_absolute() {
        return Err(Failure::usage("--mount is not an absolute path"));
    }
    let policy = Path::new(&plan.header.policy.name);
    let paths = plan.rows.iter().flat_map(|row| [row.input(), row.output()]);
    let mut all = paths.chain([path]).chain(Some(policy).filter(|policy| policy.is_absolute()));
    match all.find(|path| !path.starts_with(mount)) {
        None => Ok(()),
        Some(path) => Err(Failure::usage(format_args!(
            "{}: is not below {}, so no task can see it: see --mount",
            path.display(),
            mount.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_every_engine_takes() {
        for name in ["diskscrub", "a", "shelf-2026"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a b", "a;b", &"a".repeat(51)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
