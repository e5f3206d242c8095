//! The programs that the tests need, and the Debian packages that bring them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::run::{Result, check};

/// Program (or a file that is there where its package is) and package.
const TOOLS: &[(&str, &str)] = &[
    ("/usr/bin/time", "time"),
    ("/usr/lib/python3/dist-packages/botocore/validate.py", "python3-botocore"),
    ("/usr/lib/python3/dist-packages/yaml/__init__.py", "python3-yaml"),
    ("blkid", "util-linux"),
    ("bzip2", "bzip2"),
    ("chattr", "e2fsprogs"),
    ("curl", "curl"),
    ("debugfs", "e2fsprogs"),
    ("dumpe2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("fallocate", "util-linux"),
    ("fdisk", "fdisk"),
    ("file", "file"),
    ("fsck.fat", "dosfstools"),
    ("getfattr", "attr"),
    ("g++", "g++"),
    ("gzip", "gzip"),
    ("ip", "iproute2"),
    ("jls", "sleuthkit"),
    ("jsonschema", "python3-jsonschema"),
    ("kill", "procps"),
    ("losetup", "mount"),
    ("vgck", "lvm2"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.fat", "dosfstools"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkswap", "util-linux"),
    ("mount", "mount"),
    ("munged", "munge"),
    ("openssl", "openssl"),
    ("parallel", "parallel"),
    ("pwck", "passwd"),
    ("python3", "python3"),
    ("qemu-img", "qemu-utils"),
    ("qemu-io", "qemu-utils"),
    ("sbatch", "slurm-client"),
    ("script", "bsdutils"),
    ("setfacl", "acl"),
    ("setfattr", "attr"),
    ("sfdisk", "fdisk"),
    ("sgdisk", "gdisk"),
    ("shellcheck", "shellcheck"),
    ("slurmctld", "slurmctld"),
    ("slurmd", "slurmd"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("strace", "strace"),
    ("swaplabel", "util-linux"),
    ("systemd-analyze", "systemd"),
    ("tar", "tar"),
    ("tune2fs", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("useradd", "passwd"),
    ("visudo", "sudo"),
    ("wget", "wget"),
    ("xfs_db", "xfsprogs"),
    ("xfs_io", "xfsprogs"),
    ("xfs_logprint", "xfsprogs"),
    ("xfs_repair", "xfsprogs"),
    ("xmllint", "libxml2-utils"),
    ("xz", "xz-utils"),
    ("zip", "zip"),
    ("zstd", "zstd"),
];

/// What the lab needs, too.
const LAB: &[(&str, &str)] =
    &[("cc", "gcc"), ("mmdebstrap", "mmdebstrap"), ("openssl", "openssl"), ("ssh-keygen", "openssh-client")];

/// What the trees of distributions need, too.
const DISTRIBUTIONS: &[(&str, &str)] =
    &[("mmdebstrap", "mmdebstrap"), ("openssl", "openssl"), ("rpmdb", "rpm"), ("systemctl", "systemd")];

/// What the bench compares with, besides: it does without.
const BENCH: &[(&str, &str)] = &[("rg", "ripgrep"), ("zerofree", "zerofree")];

/// Sees to it that every tool is there.
pub(crate) fn provide() -> Result<()> {
    install(TOOLS)
}

/// The same for the tools of the lab.
pub(crate) fn provide_for_lab() -> Result<()> {
    install(LAB)
}

/// The same for the trees of distributions.
pub(crate) fn provide_for_distributions() -> Result<()> {
    install(DISTRIBUTIONS)
}

/// The same for the tools of the bench.
pub(crate) fn provide_for_bench() -> Result<()> {
    install(BENCH)
}

/// Installs missing tools if we are root and apt-get is there; otherwise says how to get them.
fn install(tools: &[(&str, &'static str)]) -> Result<()> {
    let packages = missing(tools);
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !root || find("apt-get").is_none() {
        return Err(format!("programs are missing; on Debian: sudo apt-get install {list}"));
    }
    println!("installing Debian packages: {list}");
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        check(apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    apt(&["-qq", "update"])?;
    let install = ["-qq", "--yes", "--no-install-recommends", "install"];
    apt(&[install.as_slice(), packages.as_slice()].concat())?;
    match missing(tools) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("still missing after the installation: {}", left.join(" "))),
    }
}

/// Packages of the programs that are not there.
fn missing(tools: &[(&str, &'static str)]) -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        tools.iter().filter(|(tool, _)| find(tool).is_none()).map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Where a program is, if it is anywhere: on the path, or where only root looks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain([Path::new("/usr/sbin").into(), Path::new("/sbin").into()]);
    places.map(|place| place.join(program)).find(|path| path.is_file())
}
