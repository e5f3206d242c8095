//! What a process that has given its rights up is denied, and what it can still do. A thread each: the process that runs
//! the tests keeps its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests throughout")]

use std::{
    env,
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    net::{TcpListener, UdpSocket},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    thread,
};

use block::OutputFile;
use sandbox::{Children, Reach, Strength, confine, harden};

/// Does it in a thread of its own, of which nothing is left.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// Whether this system has the means; under CI it has.
fn has(strength: Strength) -> bool {
    assert!(strength > Strength::None || env::var_os("CI").is_none());
    if strength == Strength::None {
        println!("not run: this kernel has no such thing");
    }
    strength > Strength::None
}

#[test]
fn no_other_machine_and_no_other_program() {
    let kind = |outcome: std::io::Result<()>| outcome.map_err(|error| error.kind());
    let denied = Err(ErrorKind::PermissionDenied);
    apart(|| {
        if !has(harden(Children::None)) {
            return;
        }
        assert_eq!(kind(TcpListener::bind("127.0.0.1:0").map(drop)), denied);
        assert_eq!(kind(UdpSocket::bind("127.0.0.1:0").map(drop)), denied);
        assert_eq!(kind(UnixStream::pair().map(drop)), denied);
        assert_eq!(kind(Command::new("true").status().map(drop)), denied);
        // The rest goes on: files, threads, time.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"bytes").unwrap();
        apart(|| assert!(TcpListener::bind("127.0.0.1:0").is_err()));
    });
    assert!(TcpListener::bind("127.0.0.1:0").is_ok(), "this thread is not bound");
}

/// Calls by number, as code would that somebody smuggled in; arguments are such that nothing happens if one is let through.
const SMUGGLED: &str = r#"
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = {"socket": 41, "socketpair": 53, "connect": 42, "bind": 49, "ptrace": 101, "process_vm_readv": 310,
       "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "bpf": 321,
       "kexec_load": 246, "init_module": 175, "io_uring_setup": 425, "userfaultfd": 323, "perf_event_open": 298,
       "open_by_handle_at": 304, "mknod": 133, "keyctl": 250, "setuid": 105, "open_tree": 428, "fsopen": 430}
arm = {"socket": 198, "socketpair": 199, "connect": 203, "bind": 200, "ptrace": 117, "process_vm_readv": 270,
       "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268, "bpf": 280,
       "kexec_load": 104, "init_module": 105, "io_uring_setup": 425, "userfaultfd": 282, "perf_event_open": 241,
       "open_by_handle_at": 265, "mknodat": 33, "keyctl": 219, "setuid": 146, "open_tree": 428, "fsopen": 430}
calls = dict(x86 if platform.machine() == "x86_64" else arm)
if platform.machine() == "x86_64":
    calls.update({name + " of x32": number | 0x40000000 for name, number in x86.items()})
def fails(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(number, *arguments)
    return errno.errorcode.get(ctypes.get_errno(), done)
bad = ctypes.c_long(-1)
for name, number in calls.items():
    print(name, fails(number, bad, bad, bad, bad, bad), sep=": ")
ioctl = 16 if platform.machine() == "x86_64" else 29
for name, request in [("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541C), ("TCGETS", 0x5401)]:
    print(name, fails(ioctl, bad, ctypes.c_long(request), bad), sep=": ")
print("privileges:", open("/proc/self/status").read().split("NoNewPrivs:")[1].split()[0])
print("core:", open("/proc/self/limits").read().split("Max core file size")[1].split()[0])
"#;

#[test]
fn no_call_that_reaches_the_kernel_itself() {
    let said = apart(|| {
        has(harden(Children::Some)).then(|| {
            let output = Command::new("python3").args(["-c", SMUGGLED]).output();
            String::from_utf8(output.expect("python3 has to be installed").stdout).unwrap()
        })
    });
    let Some(said) = said else { return };
    assert!(said.lines().count() > 25, "{said}");
    for line in said.lines() {
        let expected = match line.split_once(": ").unwrap().0 {
            "TCGETS" => "EBADF",
            "privileges" => "1",
            "core" => "0",
            _ => "EPERM",
        };
        assert!(line.ends_with(&format!(": {expected}")), "{line}");
    }
}

#[test]
fn no_file_but_those_that_were_announced() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["out", "scratch", "other"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("old"), "there before").unwrap();
    }
    fs::write(at("image"), "an image").unwrap();
    fs::write(at("device"), "a target").unwrap();
    let mut reach = Reach::default();
    reach.read(&at("image")).change(&at("device")).name_in(&at("out")).make_in(&at("scratch"));
    reach.read(Path::new("/nowhere/at/all"));
    // As the command does: what is to be written is open before.
    let outputs = ["new", "old"].map(|name| OutputFile::create(&at("out").join(name), true, &[]).unwrap());
    let mut image = File::open(at("image")).unwrap();
    apart(|| {
        if !has(confine(&reach)) {
            for output in outputs {
                output.publish().unwrap();
            }
            return;
        }
        let denied =
            |outcome: std::io::Result<File>| outcome.unwrap_err().kind() == ErrorKind::PermissionDenied;
        assert!(denied(File::open("/etc/passwd")));
        assert!(denied(File::open(at("other").join("old"))));
        assert!(denied(File::create(at("other").join("new"))));
        assert!(denied(File::create(at("image"))));
        assert!(denied(File::open(at("out").join("old"))));
        assert!(denied(File::create(at("out").join("another"))));
        assert!(denied(File::options().append(true).open("/dev/null")));
        assert!(fs::remove_file(at("other").join("old")).is_err());
        assert!(fs::rename(at("out").join("old"), at("other").join("moved")).is_err());
        assert!(fs::read_dir("/").is_err());
        assert!(std::os::unix::fs::symlink("a", at("out").join("link")).is_err());

        // By whatever name.
        let mut text = String::new();
        image.read_to_string(&mut text).unwrap();
        assert_eq!(text, fs::read_to_string(at("image")).unwrap());
        assert_eq!(fs::read_to_string(at("other").join("../image")).unwrap(), text);
        fs::write(at("device"), "changed").unwrap();
        let mut spilled = tempfile::tempfile_in(at("scratch")).unwrap();
        spilled.write_all(b"pages").unwrap();
        fs::write(at("scratch").join("old"), "new").unwrap();
        for output in outputs {
            output.file().write_all(b"written").unwrap();
            output.publish().unwrap();
        }
        assert!(apart(|| denied(File::open("/etc/passwd"))));
    });
    assert!(fs::read_to_string(at("out").join("new")).is_ok());
    assert!(File::open("/etc/passwd").is_ok(), "this thread is not bound");
}
