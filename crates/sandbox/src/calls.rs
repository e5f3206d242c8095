//! Privileges, core dumps, and a filter of system calls.
//!
//! The filter names what is denied and lets everything else through: what a C library or an allocator calls differs from
//! one version to the next, and a run of hours must not end over it. What is denied fails with EPERM, as for anybody
//! without the right.

use libc::{
    SYS_accept, SYS_accept4, SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bind, SYS_bpf, SYS_chroot,
    SYS_clock_adjtime, SYS_clock_settime, SYS_connect, SYS_delete_module, SYS_execve, SYS_execveat,
    SYS_finit_module, SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_ioctl, SYS_kcmp, SYS_kexec_file_load, SYS_kexec_load,
    SYS_keyctl, SYS_listen, SYS_mknodat, SYS_mount, SYS_mount_setattr, SYS_move_mount, SYS_name_to_handle_at,
    SYS_open_by_handle_at, SYS_open_tree, SYS_perf_event_open, SYS_personality, SYS_pidfd_getfd,
    SYS_pivot_root, SYS_process_madvise, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace,
    SYS_quotactl, SYS_reboot, SYS_request_key, SYS_setdomainname, SYS_setfsgid, SYS_setfsuid, SYS_setgid,
    SYS_setgroups, SYS_sethostname, SYS_setns, SYS_setregid, SYS_setresgid, SYS_setresuid, SYS_setreuid,
    SYS_settimeofday, SYS_setuid, SYS_socket, SYS_socketpair, SYS_swapoff, SYS_swapon, SYS_syslog,
    SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::{Children, Strength};

/// Other machines and other programs' sockets.
const NETWORK: [i64; 7] =
    [SYS_socket, SYS_socketpair, SYS_connect, SYS_accept, SYS_accept4, SYS_bind, SYS_listen];
/// Other processes' memory and files. The ring of io_uring would make calls that no filter sees.
const PROCESSES: [i64; 11] = [
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_userfaultfd,
    SYS_perf_event_open,
];
/// Mounts, namespaces, and files by other means than their paths.
const TREES: [i64; 18] = [
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_setns,
    SYS_unshare,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_mknodat,
    SYS_quotactl,
    SYS_acct,
];
/// The machine as a whole, and who this process is.
const MACHINE: [i64; 30] = [
    SYS_bpf,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_syslog,
    SYS_vhangup,
    SYS_personality,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
];
const EXECUTION: [i64; 2] = [SYS_execve, SYS_execveat];
/// What only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLD: [i64; 5] =
    [libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_mknod, libc::SYS_uselib, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [i64; 0] = [];

/// Requests that put characters into a terminal's input, as if somebody had typed them (ioctl_tty(2)).
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

/// On x86-64, the same calls have a second number each, for programs of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: Option<i64> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const X32: Option<i64> = None;

pub(crate) fn harden(children: Children) -> Strength {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none).is_ok();
    // The limit does not hold for a core that is piped into a program (core(5)). Nobody else's debugger can look, either.
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    // This sets no_new_privs, too, which the kernel asks of unprivileged processes.
    let filtered = filter(children).is_some_and(|filter| seccompiler::apply_filter(&filter).is_ok());
    match (limited && hidden, filtered) {
        (true, true) => Strength::Full,
        (false, false) => Strength::None,
        _ => Strength::Part,
    }
}

/// `None` on an architecture that it cannot be made for.
fn filter(children: Children) -> Option<BpfProgram> {
    let execution = match children {
        Children::None => &EXECUTION[..],
        Children::Some => &[],
    };
    let always = [&NETWORK[..], &PROCESSES, &TREES, &MACHINE, &OLD, execution].concat();
    let mut rules: Vec<(i64, Vec<SeccompRule>)> = always.into_iter().map(|call| (call, vec![])).collect();
    let typing = [TIOCSTI, TIOCLINUX].map(|request| {
        // The kernel looks at 32 bits of it.
        let same = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request);
        same.and_then(|same| SeccompRule::new(vec![same]))
    });
    rules.push((SYS_ioctl, typing.into_iter().collect::<Result<_, _>>().ok()?));
    let second = |bit| rules.clone().into_iter().map(move |(call, rules)| (call | bit, rules));
    let second: Vec<_> = X32.into_iter().flat_map(second).collect();
    rules.extend(second);
    let denied = SeccompAction::Errno(u32::try_from(libc::EPERM).ok()?);
    let architecture = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let rules = rules.into_iter().collect();
    SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_can_be_made() {
        let (none, some) = (filter(Children::None).unwrap(), filter(Children::Some).unwrap());
        assert!(none.len() > some.len() && none.len() < 4096, "{}", none.len());
    }
}
