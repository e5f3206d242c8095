//! Which shard this task is, by the variables that batch engines set.
//!
//! How many shards there are says the plan alone: a task that an engine runs again may find itself in a smaller array.

use crate::{Error, Result};

/// Variable, and the number that it has for the first task as our job files and the engines' own rules have it.
const VARIABLES: [(&str, u32); 8] = [
    // sbatch(1): whatever --array says; ours begins at 0.
    ("SLURM_ARRAY_TASK_ID", 0),
    // Kubernetes, indexed jobs.
    ("JOB_COMPLETION_INDEX", 0),
    // AWS Batch, array jobs.
    ("AWS_BATCH_JOB_ARRAY_INDEX", 0),
    // Grid Engine: `qsub -t` counts from 1, and sets `undefined` elsewhere.
    ("SGE_TASK_ID", 1),
    ("NOMAD_ALLOC_INDEX", 0),
    // PBS: whatever `qsub -J` says; from 0 here.
    ("PBS_ARRAY_INDEX", 0),
    // LSF: `bsub -J "name[1-N]"`; 0 outside an array.
    ("LSB_JOBINDEX", 1),
    // GNU parallel counts its jobs from 1.
    ("PARALLEL_SEQ", 1),
];

/// The shard of this task. `variable` looks a variable of the environment up.
///
/// # Errors
/// If no engine says, if one does not say a number, if two disagree, or if there is no such shard among `shards`.
pub fn shard_of(shards: u32, variable: &dyn Fn(&str) -> Option<String>) -> Result<u32> {
    let mut known: Option<(&str, u32)> = None;
    for (name, first) in VARIABLES {
        let Some(text) = variable(name).filter(|text| !text.is_empty() && text != "undefined") else {
            continue;
        };
        if name == "LSB_JOBINDEX" && text == "0" {
            continue;
        }
        let number = text.parse::<u32>().ok().and_then(|number| number.checked_sub(first));
        let shard = number.ok_or_else(|| {
            Error::Shard(format!("{name} is {}, not a number from {first} on", report::visible(&text)))
        })?;
        match known {
            Some((other, of)) if of != shard => {
                return Err(Error::Shard(format!(
                    "{other} says shard {of}, {name} says shard {shard}: name one with --shard"
                )));
            }
            _ => known = Some((name, shard)),
        }
    }
    let names = || VARIABLES.map(|(name, _)| name).join(", ");
    let (name, shard) = known.ok_or_else(|| {
        Error::Shard(format!("no engine says which shard this is: none of {} is set", names()))
    })?;
    if shard >= shards {
        return Err(Error::Shard(format!("{name} says shard {shard}, and the plan has {shards}, from 0 on")));
    }
    Ok(shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(set: &[(&str, &str)]) -> Result<u32, String> {
        let find = |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, text)| (*text).to_owned());
        shard_of(8, &find).map_err(|error| error.to_string())
    }

    #[test]
    fn each_engine_counts_in_its_own_way() {
        assert_eq!(shard(&[("SLURM_ARRAY_TASK_ID", "0")]), Ok(0));
        assert_eq!(shard(&[("JOB_COMPLETION_INDEX", "7")]), Ok(7));
        assert_eq!(shard(&[("AWS_BATCH_JOB_ARRAY_INDEX", "3")]), Ok(3));
        assert_eq!(shard(&[("SGE_TASK_ID", "1")]), Ok(0));
        assert_eq!(shard(&[("PARALLEL_SEQ", "8")]), Ok(7));
        // An array task of Slurm that GNU parallel started, and two that say they are no array.
        let calm = [("SLURM_ARRAY_TASK_ID", "2"), ("PARALLEL_SEQ", "3"), ("SGE_TASK_ID", "undefined")];
        assert_eq!(shard(&calm), Ok(2));
        assert_eq!(shard(&[("LSB_JOBINDEX", "0"), ("JOB_COMPLETION_INDEX", "1")]), Ok(1));
    }

    #[test]
    fn doubt_is_refused() {
        let said = |set: &[(&str, &str)]| shard(set).unwrap_err();
        assert_eq!(
            said(&[("SLURM_ARRAY_TASK_ID", "2"), ("PARALLEL_SEQ", "2")]),
            "SLURM_ARRAY_TASK_ID says shard 2, PARALLEL_SEQ says shard 1: name one with --shard"
        );
        assert_eq!(
            said(&[("JOB_COMPLETION_INDEX", "8")]),
            "JOB_COMPLETION_INDEX says shard 8, and the plan has 8, from 0 on"
        );
        assert_eq!(said(&[("SGE_TASK_ID", "0")]), "SGE_TASK_ID is 0, not a number from 1 on");
        assert_eq!(
            said(&[("JOB_COMPLETION_INDEX", "-1\u{1b}")]),
            "JOB_COMPLETION_INDEX is -1\\u{1b}, not a number from 0 on"
        );
        assert!(said(&[]).starts_with("no engine says which shard this is: none of SLURM_ARRAY_TASK_ID, "));
    }
}
