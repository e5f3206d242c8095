//! AWS Batch: the bodies of RegisterJobDefinition and SubmitJob.

use serde_json::{Value, json};

use super::{AGAIN, Job};

/// An array job has at least two tasks.
const ARRAY_MIN: u32 = 2;

/// Both bodies in one JSON object, `jobDefinition` and `job`, for `aws batch ... --cli-input-json`. `image` is a container
/// image with diskscrub, `queue` the queue; `volume` is an EFS file system's id, mounted at `mount`, where plan, inputs and
/// outputs are.
#[must_use]
pub fn aws_batch(job: &Job<'_>, image: &str, queue: &str, volume: &str, mount: &str) -> Value {
    // With one shard there is no array, and nothing would say which shard it is.
    let (shard, array) = if job.shards < ARRAY_MIN { ("0", None) } else { ("auto", Some(job.shards)) };
    let retry = json!({
        "attempts": u32::from(job.retries) + 1,
        // The first that matches counts: our own word, then a host that went away, then everything else.
        "evaluateOnExit": [
            {"onExitCode": AGAIN.to_string(), "action": "RETRY"},
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onReason": "*", "action": "EXIT"},
        ],
    });
    let definition = json!({
        "jobDefinitionName": job.name,
        "type": "container",
        "platformCapabilities": ["EC2"],
        "retryStrategy": retry,
        "containerProperties": {
            "image": image,
            "command": job.words(shard),
            "resourceRequirements": [
                {"type": "VCPU", "value": job.processors.to_string()},
                {"type": "MEMORY", "value": job.memory.to_string()},
            ],
            "readonlyRootFilesystem": false,
            "mountPoints": [{"sourceVolume": "shelf", "containerPath": mount, "readOnly": false}],
            "volumes": [{
                "name": "shelf",
                "efsVolumeConfiguration": {"fileSystemId": volume, "transitEncryption": "ENABLED"},
            }],
        },
    });
    let mut submit = json!({"jobName": job.name, "jobQueue": queue, "jobDefinition": job.name});
    if let Some(size) = array {
        submit["arrayProperties"] = json!({"size": size});
    }
    json!({"jobDefinition": definition, "job": submit})
}

#[cfg(test)]
mod tests {
    use super::super::{Job, tests::job};

    #[test]
    fn one_shard_is_no_array() {
        let body = |shards| super::aws_batch(&Job { shards, ..job() }, "i", "q", "fs-1", "/shelf");
        assert_eq!(body(16)["job"]["arrayProperties"]["size"], 16);
        let one = body(1);
        assert!(one["job"].get("arrayProperties").is_none());
        let command = one["jobDefinition"]["containerProperties"]["command"].to_string();
        assert!(command.contains(r#""--shard","0""#), "{command}");
    }
}
