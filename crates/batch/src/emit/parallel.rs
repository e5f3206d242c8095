//! GNU parallel: a script for one machine, or for several by ssh.

use super::{AGAIN, Job, quote};

/// A script for `sh`. Its arguments go to parallel (`--sshlogin`, for instance); its exit code is that of the summary.
#[must_use]
pub fn parallel(job: &Job<'_>) -> String {
    let (last, tries) = (job.shards.saturating_sub(1), u32::from(job.retries) + 1);
    let at_once = job.at_once.map_or_else(String::new, |count| format!(" --jobs {count}"));
    // parallel tries whatever fails again: what is final has to look well. The summary knows better.
    let task = format!(
        "{}; code=$?; [ $code -ne {AGAIN} ] || exit {AGAIN}; [ $code -eq 0 ] || echo \"shard {{}} ended with $code\" >&2",
        quote::line(&job.words("SHARD")).replace(" SHARD ", " {} ")
    );
    let (task, merge) = (quote::shell(&task), quote::line(&job.merge()));
    format!(
        "#!/bin/sh\n\
         # Made by `diskscrub batch emit --engine parallel`: needs GNU parallel, whose shells expand what is quoted here.\n\
         # shellcheck disable=SC2016\n\
         seq 0 {last} | parallel{at_once} --retries {tries} --will-cite \"$@\" {task}\n\
         exec {merge}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;

    #[test]
    fn is_a_script() {
        let script = super::parallel(&job());
        assert!(script.contains("seq 0 15 | parallel --jobs 4 --retries 4 "), "{script}");
        let checked = std::process::Command::new("sh").args(["-nc", &script]).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
