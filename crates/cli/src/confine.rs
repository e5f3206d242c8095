//! The sandbox, on unless the command line says otherwise: what the process gives up, and when.

use std::{
    env, io,
    path::Path,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use block::OutputFile;
use sandbox::{Children, Reach};
use signal_hook::consts::SIGXFSZ;

use crate::{
    args::{BatchCommand, Cli, Command},
    commands,
};

/// Set if files shall be confined.
static WANTED: OnceLock<()> = OnceLock::new();

/// First thing: before a file is opened, and before there is a second thread.
pub(crate) fn begin(cli: &Cli) -> io::Result<()> {
    // A file that may grow no further is an error that is told, no reason to die.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    if cli.no_sandbox {
        return Ok(());
    }
    WANTED.get_or_init(|| ());
    let starts_others =
        matches!(&cli.command, Command::Batch(args) if matches!(args.command, BatchCommand::Run(_)));
    // A system that has less than this is no reason to refuse the work: docs/threat-model.md says how to find out.
    let _ = sandbox::harden(if starts_others { Children::Some } else { Children::None });
    Ok(())
}

/// Whether the command line wants it.
pub(crate) fn is_wanted() -> bool {
    WANTED.get().is_some()
}

/// When all files are open, and before what they hold is read: from here on, no others can be. The system's temporary
/// directory stays, for what outgrows memory.
pub(crate) fn files(mut reach: Reach) {
    if is_wanted() {
        reach.make_in(&env::temp_dir());
        let _ = commands::workers(None);
        let _ = sandbox::confine(&reach);
    }
}

/// Adds the places of files that are open, and have no name yet.
pub(crate) fn names<'f>(reach: &mut Reach, files: impl IntoIterator<Item = &'f OutputFile>) {
    for file in files {
        reach.name_in(file.directory());
    }
}

/// Adds a device that is changed. The system says how in /sys.
pub(crate) fn device(reach: &mut Reach, path: &Path) {
    reach.change(path).read(Path::new("/sys"));
}
