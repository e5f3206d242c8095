//! The child of `batch run`: `clean` for one row.
//!
//! It is a process of its own, so that whatever an image does to it (a bug, too much memory) ends one row and not the
//! shelf, and so that the kernel can hold it to its share of the memory. It dies with its parent, whose unfinished work it
//! is. Its unpacked image has no name where the file system can do that: nothing is left of it however it ends.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use batch::{Commit, Row, Stamp, Unpacked, Wrapper};
use block::OutputFile;
use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use scan::Selection;
use serde::{Deserialize, Serialize};

use super::super::clean;
use crate::{
    args::{CleanArgs, InputArgs},
    bar::Told,
    failure::Failure,
    human, output,
};

/// What the parent tells the child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Which row.
    pub(super) row: Row,
    /// Digest of what the policy meant when the parent looked.
    pub(super) digest: String,
    /// Bytes of memory that the child may take.
    pub(super) memory: u64,
    /// Where the unpacked image would be, had it a name.
    pub(super) scratch: PathBuf,
    /// Bytes that may be stored there.
    pub(super) room: u64,
    /// Process of the parent.
    pub(super) parent: i32,
}

impl Order {
    /// The input as the plan names it.
    pub(crate) fn input(&self) -> &Path {
        self.row.input()
    }

    /// Fails if the policy changed after the parent had looked at it.
    pub(crate) fn check(&self, selection: &Selection) -> Result<(), Failure> {
        if selection.digest() == self.digest {
            return Ok(());
        }
        Err(Failure::usage("the policy changed while the batch ran: make the plan again"))
    }

    /// What ties the report to the row. `output`: what was written, if anything was; `met`: whether nothing was found.
    pub(crate) fn commit(&self, output: Option<&Path>, met: bool) -> Result<Commit, Failure> {
        let stamp = |path: &Path| {
            fs::metadata(path).map(|data| Stamp::from(&data)).map_err(|error| Failure::output(path, &error))
        };
        let output = output.map(stamp).transpose()?;
        Ok(Commit { output, exit_code: u8::from(!met), ..Commit::of(&self.row) })
    }
}

/// Cleans the image of a row.
pub(crate) fn run(args: &CleanArgs, order: &str) -> Result<ExitCode, Failure> {
    let order: Order = serde_json::from_str(order)
        .map_err(|error| Failure::usage(format_args!("--row is for `batch run` alone: {error}")))?;
    bind(&order)
        .map_err(|error| Failure::again(format_args!("the job could not be bound to its run: {error}")))?;
    let path = order.input();
    if order.row.wrapper == Wrapper::None {
        return clean::clean(args, Some(&order));
    }
    let scratch = OutputFile::create(&order.scratch, true, &[]).map_err(|error| Failure::naming(&error))?;
    let input = File::open(path).map_err(|error| Failure::image(path, &error.into()))?;
    let watched = input.try_clone().map_err(|error| Failure::image(path, &error.into()))?;
    permit(&input, scratch.file()).map_err(|error| Failure::output(&order.scratch, &error))?;
    let told = Told::Stage { name: "unpacking".to_owned(), bytes: None };
    output::tell(&told);
    let unpacked = batch::unpack(order.row.wrapper, input, scratch.file(), order.room);
    // What is wrong with a file that somebody writes to is that.
    let stamp = watched.metadata().map_err(|error| Failure::image(path, &error.into()))?;
    if Stamp::from(&stamp) != order.row.stamp {
        return Err(Failure::changed(path));
    }
    let unpacked = unpacked.map_err(|error| Failure::copying(path, &order.scratch, &error))?;
    if unpacked == Unpacked::TooLarge {
        output::tell(&Told::Scratch);
        let room = human::size(order.room);
        let sentence =
            format!("{}: unpacked, it takes more than the {room} of --scratch-size", path.display());
        return Err(Failure::budget(sentence));
    }
    // The file has no name, but this process can open it once more.
    let input = PathBuf::from(format!("/proc/self/fd/{}", scratch.file().as_raw_fd()));
    let args = CleanArgs { input: InputArgs { input, ..args.input.clone() }, ..args.clone() };
    // What is wrong is wrong with the file that the user knows.
    clean::clean(&args, Some(&order)).map_err(|failure| failure.of_another(&args.input.input, path))
}

/// Ties this process to its parent's life and to its share of the memory.
fn bind(order: &Order) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before that.
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(order.parent) {
        return Err(io::Error::other("the run has ended"));
    }
    // Heap and stacks, but not the image's pages in the cache: those are the kernel's to give back. Who set a lower limit
    // from outside meant it.
    let most = getrlimit(Resource::Data).maximum.map_or(order.memory, |most| most.min(order.memory));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    Ok(setrlimit(Resource::Data, limit)?)
}

/// Whoever could not read the wrapped image can read neither the unpacked nor the clean one.
fn permit(input: &File, scratch: &File) -> io::Result<()> {
    let mode = input.metadata()?.permissions().mode() & 0o644 | 0o600;
    scratch.set_permissions(fs::Permissions::from_mode(mode))
}
