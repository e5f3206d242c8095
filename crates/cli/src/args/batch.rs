//! The command line of `batch`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{CompressArg, FormatArg, PolicyArgs, TaintArg, VerifyArg};

#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    pub(crate) command: BatchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Print the plan for a shelf of images: one line of JSON for each
    Plan(Box<BatchPlanArgs>),
    /// Clean the images of a plan that are not done yet, several at a time, here or as a task of a cluster
    Run(BatchRunArgs),
    /// Say which images of a plan are clean, failed, stale or missing
    Status(BatchStatusArgs),
    /// Write one summary of a plan's images; fail unless all are done and clean
    Merge(BatchMergeArgs),
    /// Print the job file for an engine
    Emit(BatchEmitArgs),
}

/// What decides what an output is, apart from its input.
#[derive(Debug, Args)]
pub(crate) struct BatchSettings {
    /// Format of the outputs [default: as each input]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output_format: Option<FormatArg>,

    /// Compress the clusters of qcow2 outputs
    #[arg(long, value_name = "METHOD", requires = "output_format")]
    pub(crate) compress: Option<CompressArg>,

    /// How finished outputs are verified: their trees, or every file's content too
    #[arg(long, value_name = "HOW", default_value = "tree")]
    pub(crate) verify: VerifyArg,

    /// Whether finished outputs are searched for pieces of removed files, in files that stay
    #[arg(long, value_name = "WHETHER", default_value = "on")]
    pub(crate) taint: TaintArg,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// Settings as a plan keeps them.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(crate) struct KeptSettings {
    #[command(flatten)]
    pub(crate) settings: BatchSettings,
}

#[derive(Debug, Args)]
pub(crate) struct BatchPlanArgs {
    /// Images, directories of images, or patterns; exports in .gz, .zst, .xz and .tar.gz are unpacked on the fly
    #[arg(value_name = "INPUT", required_unless_present = "from")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Read more inputs from this file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,

    /// Directory of the clean images
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Shards to spread the images on, balanced by size [default: one for each image, 1000 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) shards: Option<u32>,

    #[command(flatten)]
    pub(crate) settings: BatchSettings,
}

/// Whose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardArg {
    /// As the engine's variables say.
    Auto,
    /// This one.
    Number(u32),
}

fn shard(text: &str) -> Result<ShardArg, String> {
    match text {
        "auto" => Ok(ShardArg::Auto),
        text => text.parse().map(ShardArg::Number).map_err(|_| "auto, or a number from 0 on".to_owned()),
    }
}

/// Bytes: a number, and K, M, G or T for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.trim_end_matches(['i', 'B']).char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some((at, 't' | 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let number: Option<u64> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << shift)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "a size is a number of bytes, or one with K, M, G or T: 512M".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct BatchRunArgs {
    /// The plan, as `batch plan` prints it
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,

    /// Only the rows of this shard; auto: the one that the engine's variables say [default: all rows]
    #[arg(long, value_name = "auto|N", value_parser = shard)]
    pub(crate) shard: Option<ShardArg>,

    /// Images at the same time [default: one each processor, as far as the memory goes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,

    /// Memory of all jobs together [default: three quarters of what is available]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,

    /// Directory for unpacked images [default: beside each output]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,

    /// Room for the unpacked images of all jobs together [default: three quarters of what is free there]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) scratch_size: Option<u64>,

    /// Clean those again, too, that failed or have findings
    #[arg(long)]
    pub(crate) again: bool,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Show no progress, and speak of failures only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BatchStatusArgs {
    /// The plan, as `batch plan` prints it
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,

    /// Read every output, and compare its digest with the report's, even if its size and time are the report's
    #[arg(long)]
    pub(crate) read_outputs: bool,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BatchMergeArgs {
    #[command(flatten)]
    pub(crate) status: BatchStatusArgs,

    /// Write the summary to this file, too, in the format of its name: .json, .csv, .html or .txt; can be given more than
    /// once
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// A script for a login node: an array, and a summary behind it
    Slurm,
    /// An indexed Job
    K8s,
    /// A job definition and an array job, as JSON
    AwsBatch,
    /// A script for GNU parallel
    Parallel,
}

#[derive(Debug, Args)]
pub(crate) struct BatchEmitArgs {
    /// Who runs the tasks
    #[arg(long)]
    pub(crate) engine: EngineArg,

    /// The plan, as `batch plan` prints it
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,

    /// What the job is called: lower case letters, digits and hyphens
    #[arg(long, default_value = "diskscrub")]
    pub(crate) name: String,

    /// Where the tasks find diskscrub
    #[arg(long, value_name = "PATH", default_value = "diskscrub")]
    pub(crate) program: String,

    /// Tasks at the same time [default: as the engine likes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) at_once: Option<u32>,

    /// Processors of a task
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) processors: u16,

    /// Memory of a task
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size)]
    pub(crate) memory: u64,

    /// How often a task that ended with 75 is tried again
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) retries: u8,

    /// Container image with diskscrub (k8s, aws-batch)
    #[arg(long, value_name = "IMAGE", required_if_eq_any([("engine", "k8s"), ("engine", "aws-batch")]))]
    pub(crate) image: Option<String>,

    /// PersistentVolumeClaim (k8s) or EFS file system (aws-batch) that holds plan, images and outputs
    #[arg(long, value_name = "NAME", required_if_eq_any([("engine", "k8s"), ("engine", "aws-batch")]))]
    pub(crate) volume: Option<String>,

    /// Where the volume appears in a task; all paths of the plan lie below it [default: the plan's directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) mount: Option<PathBuf>,

    /// Job queue (aws-batch)
    #[arg(long, value_name = "NAME", required_if_eq("engine", "aws-batch"))]
    pub(crate) queue: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("1", 1), ("4K", 4096), ("512M", 512 << 20), ("2GiB", 2 << 30), ("1t", 1 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "M", "-1", "1.5G", "99999999999T", "1X"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(shard("auto"), Ok(ShardArg::Auto));
        assert_eq!(shard("7"), Ok(ShardArg::Number(7)));
        assert!(shard("x").is_err());
    }
}
