//! Slurm: a script that submits an array, and a task that summarises behind it.

use super::{AGAIN, Job, quote};

/// A script for `sh` on a login node. It submits both, prints their numbers and ends.
///
/// A task that is stopped (time limit, preemption) gets a minute's notice, ends with 75 and requeues itself; one whose node
/// fails is requeued by Slurm. The last task follows the array however it ended, and fails unless every row is clean.
#[must_use]
pub fn slurm(job: &Job<'_>) -> String {
    let last = job.shards.saturating_sub(1);
    let at_once = job.at_once.map_or_else(String::new, |count| format!("%{count}"));
    let (name, memory, processors, retries) =
        (quote::shell(job.name), job.memory, job.processors, job.retries);
    let (run, merge) = (quote::line(&job.words("auto")), quote::line(&job.merge()));
    format!(
        r#"#!/bin/sh
# Made by `diskscrub batch emit --engine slurm`: run it on a login node. Other options of sbatch (--account, --time ...)
# can be given in the environment (SBATCH_ACCOUNT ...).
set -eu

array=$(sbatch --parsable --job-name={name} --array=0-{last}{at_once} --requeue --open-mode=append \
    --cpus-per-task={processors} --mem={memory}M --signal=B:TERM@60 <<'TASK'
#!/bin/sh
# The shell passes the notice on, waits until nothing half is left, and asks for another try if that can help.
{run} &
task=$!
trap 'kill -TERM "$task" 2>/dev/null' TERM INT
wait "$task" && code=0 || code=$?
while kill -0 "$task" 2>/dev/null; do
    wait "$task" && code=0 || code=$?
done
if [ "$code" -eq {AGAIN} ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {retries} ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
TASK
)
array=${{array%%;*}}

merge=$(sbatch --parsable --job-name={name}-merge --dependency="afterany:$array" --open-mode=append <<'TASK'
#!/bin/sh
exec {merge}
TASK
)
echo "array $array, summary ${{merge%%;*}}"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;

    #[test]
    fn the_plan_says_how_many_tasks_there_are() {
        let script = super::slurm(&job());
        assert!(script.contains(" --array=0-15%4 "), "{script}");
        assert!(
            script.contains(r"--plan '/shelf/it'\''s a plan.jsonl' --shard auto --jobs 2 --memory 1536M"),
            "{script}"
        );
        let checked = std::process::Command::new("sh").args(["-nc", &script]).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
