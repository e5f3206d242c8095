//! The command line.

mod batch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sanitize::in_place::Passes;

pub(crate) use self::batch::{
    BatchArgs, BatchCommand, BatchEmitArgs, BatchPlanArgs, BatchRunArgs, BatchSettings, BatchStatusArgs,
    EngineArg, KeptSettings, ShardArg,
};

/// Clean a disk image offline: write a new one that works as before and holds no host keys, histories,
/// credentials or logs, nor any hidden copy of them
#[derive(Debug, Parser)]
#[command(name = "diskscrub", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Keep the rights that the process gives up otherwise (network, other programs, other files): for debuggers
    #[arg(long, global = true)]
    pub(crate) no_sandbox: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show an image's layout, filesystems, operating system and users
    Inspect(InspectArgs),
    /// List what `clean` would remove or change, and write nothing
    Plan(PlanArgs),
    /// Write a clean copy of an image, or clean it in place, and verify it
    Clean(CleanArgs),
    /// Find secrets by what they look like, anywhere in an image: files, free space, journals, swap, slack
    Scan(ScanArgs),
    /// Say what every byte of an image is, and what is left where nothing should be
    Verify(VerifyArgs),
    /// Say of each bullet of a guideline whether an image meets it, and why
    Audit(AuditArgs),
    /// Clean a shelf of images: plan, run here or on a cluster, and sum up
    Batch(BatchArgs),
    /// Check the signature of an attestation, and that it speaks of an image
    VerifyAttestation(VerifyAttestationArgs),
    /// List or explain the rules
    Rules(RulesArgs),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
    /// Write the manual pages to a directory
    Manual(ManualArgs),
}

/// How to read the input.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// The image: raw, qcow2, or a block device
    #[arg(value_name = "IMAGE")]
    pub(crate) input: PathBuf,

    /// A further disk of the same machine, for volume groups and mounts that lie on several; can be given more than once
    #[arg(long, value_name = "IMAGE")]
    pub(crate) disk: Vec<PathBuf>,

    /// Format of the image, whatever it looks like
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<FormatArg>,

    /// Open the backing and data files that the image names
    #[arg(long)]
    pub(crate) allow_backing: bool,

    /// Format of a backing file whose image does not record it
    #[arg(long, value_name = "FORMAT", requires = "allow_backing")]
    pub(crate) backing_format: Option<FormatArg>,

    /// Bytes of a logical sector, if the partition table does not tell
    #[arg(long, value_name = "BYTES")]
    pub(crate) sector_size: Option<u32>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to remove.
#[derive(Debug, Clone, Args)]
pub(crate) struct PolicyArgs {
    /// Policy: default, aws, outscale, none, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    pub(crate) policy: String,

    /// Apply only these rules
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) rules: Vec<String>,

    /// Do not apply these rules
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,

    /// Remove what this path pattern matches, too
    #[arg(long, value_name = "GLOB")]
    pub(crate) remove: Vec<String>,

    /// Keep what this path pattern matches, whatever rule says otherwise
    #[arg(long, value_name = "GLOB")]
    pub(crate) keep: Vec<String>,

    /// Remove this account, with its home, mail, crontab, groups and sudo rights
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_user: Vec<String>,

    /// Leave the password of this account as it is
    #[arg(long, value_name = "NAME")]
    pub(crate) keep_user: Vec<String>,

    /// What to do with volumes that cannot be read (LUKS, Btrfs, NTFS ...) [default: refuse the image]
    #[arg(long, value_name = "WHAT")]
    pub(crate) opaque: Option<OpaqueArg>,

    /// Drop blocks that are allocated but owned by nothing, instead of refusing the image
    #[arg(long)]
    pub(crate) drop_unowned: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,

    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CleanArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// The clean image to write; a block device is overwritten whole. One for each disk, in their order
    #[arg(short, long, value_name = "FILE", required_unless_present = "in_place")]
    pub(crate) output: Vec<PathBuf>,

    /// Clean the image, a raw file or a block device, where it lies: nothing is copied
    #[arg(long, conflicts_with_all = ["output", "output_format", "compress", "force", "disk"])]
    pub(crate) in_place: bool,

    #[command(flatten)]
    pub(crate) overwriting: OverwritingArgs,

    /// Format of the output [default: as the input; raw on a device]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output_format: Option<FormatArg>,

    /// Compress the clusters of a qcow2 output
    #[arg(long, value_name = "METHOD")]
    pub(crate) compress: Option<CompressArg>,

    /// Replace the output if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// How the finished output is verified: its tree, or every file's content too
    #[arg(long, value_name = "HOW", default_value = "tree")]
    pub(crate) verify: VerifyArg,

    /// Whether the finished output is searched for pieces of removed files, in files that stay
    #[arg(long, value_name = "WHETHER", default_value = "on")]
    pub(crate) taint: TaintArg,

    /// Write the report to this file, too, in the format of its name: .json, .sarif, .xml (DFXML), .html or .txt;
    /// can be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) attest: AttestArgs,

    /// Threads that read, hash and compress [default: one each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,

    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// The row of a plan that this is for, from `batch run` to its own child
    #[arg(long, hide = true)]
    pub(crate) row: Option<String>,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// How bytes are overwritten where they lie.
#[derive(Debug, Clone, Args)]
pub(crate) struct OverwritingArgs {
    /// What dead bytes are overwritten with, in place: zero, random, or passes of both, such as random,random,zero; zeros
    /// are always the last [default: zero]
    #[arg(long, value_name = "PASSES")]
    pub(crate) overwrite: Option<Passes>,

    /// Then give the storage of dead bytes back, in place: holes in a file, discarded blocks of a device
    #[arg(long)]
    pub(crate) discard: bool,

    /// Where the intent log of a run in place lies, which resumes it [default: beside the image; needed for devices]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Do not ask before a device, or an image in place, is changed
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What to sign.
#[derive(Debug, Clone, Args)]
pub(crate) struct AttestArgs {
    /// Sign what was verified with this private key (Ed25519 or P-256; PKCS#8 in PEM, not encrypted)
    #[arg(long, value_name = "KEY", conflicts_with = "disk")]
    pub(crate) attest: Option<PathBuf>,

    /// Where the attestation goes [default: the output's name and .intoto.jsonl]
    #[arg(long, value_name = "FILE", requires = "attest")]
    pub(crate) attest_output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyAttestationArgs {
    /// The attestation, as `clean --attest` writes it
    #[arg(value_name = "FILE")]
    pub(crate) attestation: PathBuf,

    /// Public key of the signer (PEM)
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,

    /// The image that it should speak of, in any format
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<PathBuf>,

    /// Format of the image, whatever it looks like
    #[arg(long, value_name = "FORMAT", requires = "image")]
    pub(crate) format: Option<FormatArg>,

    /// Print the statement as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `scan` and `verify` share.
#[derive(Debug, Clone, Args)]
pub(crate) struct SearchArgs {
    /// Do not look into archives and compressed files
    #[arg(long)]
    pub(crate) no_archives: bool,

    /// Report secrets in unchanged files of packages, too, and look into their archives: they are public only if their
    /// package is
    #[arg(long)]
    pub(crate) shipped: bool,

    /// Threads that read and search [default: one each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,

    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Write the report to this file, too, in the format of its name: .json, .sarif, .xml (DFXML), .html or .txt;
    /// can be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,

    /// Accept the findings that this TOML file names by digest, each with a reason
    #[arg(long, value_name = "FILE")]
    pub(crate) allow: Option<PathBuf>,

    /// Write what was found to this new file, to be completed for --allow
    #[arg(long, value_name = "FILE")]
    pub(crate) write_allow: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Apply the content rules that this policy defines, too, and accept what it accepts: a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    pub(crate) policy: String,

    /// Apply only these content rules
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) rules: Vec<String>,

    /// Do not apply these content rules
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,

    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

/// What `verify` and `audit` share.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExamineArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Search the image's files for pieces of what the policy removes from this image, which it was made from
    #[arg(long, value_name = "IMAGE", conflicts_with = "disk")]
    pub(crate) original: Option<PathBuf>,

    /// Volumes that cannot be read (LUKS, Btrfs, NTFS ...): were kept on purpose, or have to be zero
    #[arg(long, value_name = "WHAT", default_value = "zero")]
    pub(crate) opaque: ExpectArg,

    /// What other readers have to agree on: the tree, or every file's content too
    #[arg(long, value_name = "WHAT", default_value = "tree")]
    pub(crate) readers: ReadersArg,

    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Policy whose files must not be there: default, aws, outscale, none, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    pub(crate) policy: String,

    #[command(flatten)]
    pub(crate) examine: ExamineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Whose guideline: aws, outscale, or a TOML file that extends one of them
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: String,

    #[command(flatten)]
    pub(crate) examine: ExamineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List the rules, and which policies apply them
    List {
        /// Also those of this policy: a TOML file
        #[arg(long, value_name = "NAME|FILE", default_value = "default")]
        policy: String,

        /// List the rules by content instead: what `scan` looks for
        #[arg(long)]
        content: bool,

        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a rule removes or finds, and why; or what a check of `audit` looks at
    Explain {
        /// The rule or check
        #[arg(value_name = "ID")]
        id: String,

        /// One of this policy: a TOML file
        #[arg(long, value_name = "NAME|FILE", default_value = "default")]
        policy: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManualArgs {
    /// Existing directory
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    Raw,
    Qcow2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressArg {
    Zstd,
    Deflate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpaqueArg {
    /// Copy them whole, uncleaned
    Keep,
    /// Let them become zero
    Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExpectArg {
    /// They are no finding
    Keep,
    /// All in them that is not zero is residue
    Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadersArg {
    /// Names, kinds and sizes
    Tree,
    /// The same, and content and link targets
    Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyArg {
    /// Zeros outside live ranges, and names, kinds and sizes by a second reader
    Tree,
    /// The same, and content and link targets: by the second reader, and before against after
    Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaintArg {
    /// Search, name what is found, and end with exit code 1 if there is any
    On,
    /// Do not search
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
