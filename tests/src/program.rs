//! Runs programs. A program that is missing is a failure, never a reason to leave a test out.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use crate::Result;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// The diskscrub binary, as fresh as the sources: cargo builds it first. With the whole workspace asked for, its
/// dependencies have the features that they have in all tests, and are not built again.
pub fn diskscrub() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--workspace", "--bin", "diskscrub"])
            .current_dir(workspace())
            .stdin(Stdio::null())
            .status();
        assert!(built.is_ok_and(|status| status.success()), "diskscrub does not build");
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
        target.join("debug/diskscrub")
    })
}

/// A program that speaks English, reads nothing, and is found where only root looks, too.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let path = env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"))
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    command.stdin(Stdio::null());
    command
}

/// Runs to the end, whatever the outcome.
pub fn output(command: &mut Command) -> Result<Output> {
    command.output().map_err(|error| {
        format!("{} cannot run: {error} (is it installed?)", command.get_program().to_string_lossy())
    })
}

/// What a program printed on stdout; an exit code other than 0 is an error.
pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(program: &str, arguments: I) -> Result<String> {
    let mut command = command(program);
    command.args(arguments);
    let output = output(&mut command)?;
    let (stdout, stderr) = (lossy(&output.stdout), lossy(&output.stderr));
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(format!("{command:?} failed, {}:\n{stdout}{stderr}", output.status))
    }
}

/// Bytes that should be text.
pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether loop devices can be mounted here. Under CI they have to be: nothing is left out there.
pub fn can_mount() -> bool {
    let can = rustix::process::geteuid().is_root() && Path::new("/dev/loop-control").exists();
    assert!(can || env::var_os("CI").is_none(), "mounting an image needs root and loop devices");
    can
}
