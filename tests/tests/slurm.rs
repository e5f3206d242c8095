//! `batch` on a real Slurm: four nodes on this machine's loopback, one of which dies in mid-run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tests::{
    program::{command, diskscrub, lossy, workspace},
    shelf::Shelf,
};

const NODES: u16 = 4;
/// The node that dies.
const VICTIM: &str = "n3";
/// Longest wait for anything that a scheduler decides.
const PATIENCE: Duration = Duration::from_secs(150);

/// The daemons of a cluster, ended when this is dropped.
struct Cluster {
    directory: tempfile::TempDir,
}

impl Cluster {
    fn up() -> Self {
        let cluster = Self { directory: tempfile::tempdir().unwrap() };
        let port = (20_000..30_000).step_by(20).find(|port| free(*port)).unwrap().to_string();
        cluster.script(&["up", &cluster.path(), &port, &NODES.to_string()]);
        cluster
    }

    fn path(&self) -> String {
        self.directory.path().display().to_string()
    }

    fn script(&self, arguments: &[&str]) {
        let mut script = command(workspace().join("tests/slurm/cluster.sh"));
        let done = script.args(arguments).output().unwrap();
        assert!(done.status.success(), "{}{}", lossy(&done.stdout), lossy(&done.stderr));
    }

    /// A command that talks to this cluster.
    fn command(&self, program: &str) -> Command {
        let mut command = command(program);
        command.env("SLURM_CONF", self.directory.path().join("slurm.conf"));
        command
    }

    fn said(&self, program: &str, arguments: &[&str]) -> String {
        let done = self.command(program).args(arguments).output().unwrap();
        assert!(done.status.success(), "{program}: {}", lossy(&done.stderr));
        lossy(&done.stdout)
    }

    /// Kills the node's daemon, and everything that runs on it, at once: what a power failure does.
    fn kill_node(&self, node: &str) {
        let pid = fs::read_to_string(self.directory.path().join(format!("{node}.pid"))).unwrap();
        let mut doomed = vec![pid.trim().parse::<i32>().unwrap()];
        let of_node = format!("SLURMD_NODENAME={node}");
        let of_cluster = format!("SLURM_CONF={}/slurm.conf", self.path());
        for process in processes() {
            let path = Path::new("/proc").join(process.to_string());
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            let has = |text: &str| environment.split(|byte| *byte == 0).any(|one| one == text.as_bytes());
            if has(&of_node) && has(&of_cluster) {
                // Its parent may be the step's own daemon, which is the node's, too.
                doomed.extend(parent(&path).filter(|parent| name(*parent).starts_with("slurmstepd")));
                doomed.push(process);
            }
        }
        for process in doomed {
            // Some die with others.
            let _ = kill_process(Pid::from_raw(process).unwrap(), Signal::KILL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Jobs first, or they would outlive their daemons.
        let _ = self.command("scancel").args(["--user=root", "--full", "--signal=KILL"]).output();
        let _ = self.command("scancel").arg("--user=root").output();
        thread::sleep(Duration::from_millis(500));
        self.script(&["down", &self.path()]);
    }
}

fn free(port: u16) -> bool {
    (port..=port + NODES).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}

fn processes() -> impl Iterator<Item = i32> {
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok())
}

fn name(process: i32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default()
}

fn parent(process: &Path) -> Option<i32> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Waits until `done` says so.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_node_that_dies_costs_nothing_but_time() {
    let have =
        |program: &str| Command::new("which").arg(program).output().is_ok_and(|done| done.status.success());
    if !rustix::process::geteuid().is_root() || !have("slurmctld") || !have("munged") {
        assert!(
            env::var_os("CI").is_none(),
            "Slurm needs root, and Debian's slurmctld, slurmd, slurm-client and munge"
        );
        println!("not run: needs root, and Debian's slurmctld, slurmd, slurm-client and munge");
        return;
    }
    let shelf = Shelf::wrapped(58);
    shelf.plan("local", &["--shards", "4"]);
    let local = shelf.batch(&["run", "--plan", "local.jsonl"]);
    assert!(local.status.success(), "{}", lossy(&local.stderr));
    let plan = shelf.plan("out", &["--shards", "4"]);
    let program = diskscrub().display().to_string();
    let script = shelf.batch(&[
        "emit",
        "--engine",
        "slurm",
        "--plan",
        "out.jsonl",
        "--program",
        &program,
        "--memory",
        "512M",
    ]);
    fs::write(shelf.at("job.sh"), script.stdout).unwrap();

    let cluster = Cluster::up();
    let submitted = cluster.command("sh").arg("job.sh").current_dir(shelf.at("")).output().unwrap();
    assert!(submitted.status.success(), "{}", lossy(&submitted.stderr));
    let said = lossy(&submitted.stdout);
    // "array 1, summary 2"
    let merge = said.trim().rsplit(' ').next().unwrap().to_owned();
    let array = said.split([' ', ',']).nth(1).unwrap().to_owned();

    // In mid-run: the victim has a task, and one of the task's rows is done.
    let text = fs::read_to_string(plan).unwrap();
    let shard_of = |id: &str| {
        let row = text.lines().find(|line| line.contains(&format!("\"id\":\"{id}\""))).unwrap();
        serde_json::from_str::<serde_json::Value>(row).unwrap()["shard"].as_u64().unwrap()
    };
    let reports = || -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(shelf.at("out")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_string_lossy().ends_with(".report.json")).collect()
    };
    let mut done = Vec::new();
    wait("a task on the node that is to die", || {
        let tasks =
            cluster.said("squeue", &["--noheader", "--states=R", "--nodelist", VICTIM, "--format=%K"]);
        let Some(task) = tasks.lines().find_map(|line| line.trim().parse::<u64>().ok()) else { return false };
        done = reports();
        let of_task = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            shard_of(name.strip_suffix(".report.json").unwrap()) == task
        };
        done.iter().any(of_task)
    });
    // Another task gets the notice that its time is over; it ends with 75 and asks for another try.
    let others = cluster.said("squeue", &["--noheader", "--states=R", "--format=%K %N"]);
    let noticed = others.lines().find_map(|line| {
        let (task, node) = line.trim().split_once(' ')?;
        (node != VICTIM && task.parse::<u64>().is_ok()).then(|| task.to_owned())
    });
    let noticed = noticed.expect("four nodes are busy");
    cluster.said("scancel", &["--batch", "--signal=TERM", &format!("{array}_{noticed}")]);
    cluster.kill_node(VICTIM);
    let before: Vec<(PathBuf, u64)> =
        done.iter().map(|path| (path.clone(), fs::metadata(path).unwrap().ino())).collect();
    println!("{} of {} rows were done when the node died", before.len(), text.lines().count() - 1);

    wait("the summary behind the array", || {
        cluster.said("squeue", &["--noheader", "--format=%i"]).trim().is_empty()
    });
    let log =
        |name: &str| fs::read_to_string(cluster.directory.path().join("log").join(name)).unwrap_or_default();
    assert!(log("slurmctld").contains(&format!("due to failure of node {VICTIM}")), "{}", log("slurmctld"));
    let task = fs::read_to_string(shelf.at(&format!("slurm-{array}_{noticed}.out"))).unwrap();
    assert!(
        task.contains("diskscrub: stopped: what is done stays done, and another run does the rest"),
        "{task}"
    );
    let summary = fs::read_to_string(shelf.at(&format!("slurm-{merge}.out"))).unwrap();
    assert!(summary.contains("64 images, all clean"), "{summary}");
    assert!(shelf.batch(&["merge", "--plan", "out.jsonl", "--read-outputs"]).status.success());
    // What was done before was not done again, and all is what one machine makes of it.
    for (path, inode) in before {
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "{}", path.display());
    }
    assert_eq!(shelf.outputs("out"), shelf.outputs("local"));
    assert!(shelf.files("out").keys().eq(shelf.files("local").keys()));
}
