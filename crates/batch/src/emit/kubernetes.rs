//! Kubernetes: an indexed Job, one pod for each shard (`batch/v1`, from 1.33 on).

use super::{FINAL, Job, quote};

/// A manifest for `kubectl create -f`. `image` is a container image with diskscrub, `claim` a PersistentVolumeClaim of the
/// Job's namespace that can be mounted on all nodes; it appears at `mount`, where plan, inputs and outputs are.
///
/// Unpacked images lie in the claim, without a name. A pod that its node loses does not count as a try.
#[must_use]
pub fn kubernetes(job: &Job<'_>, image: &str, claim: &str, mount: &str) -> String {
    let name = quote::json(job.name);
    let (image, claim, mount) = (quote::json(image), quote::json(claim), quote::json(mount));
    let arguments: String =
        job.words("auto").iter().map(|word| format!("            - {}\n", quote::json(word))).collect();
    let codes = FINAL.map(|code| code.to_string()).join(", ");
    let (shards, retries, memory, processors) = (job.shards, job.retries, job.memory, job.processors);
    let at_once = job.at_once.unwrap_or(shards).min(shards);
    let merge = quote::line(&job.merge());
    format!(
        r#"# Made by `diskscrub batch emit --engine k8s`. When it is through, where the claim is mounted:
#   {merge}
apiVersion: batch/v1
kind: Job
metadata:
  generateName: {generate}
  labels:
    app.kubernetes.io/name: {name}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {at_once}
  # Each index has its own tries, and none ends the others.
  backoffLimitPerIndex: {retries}
  maxFailedIndexes: {shards}
  podReplacementPolicy: Failed
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
      # Another try would end the same: findings, usage, a bad image, a bug, a full disk. 75 is tried again.
      - action: FailIndex
        onExitCodes:
          containerName: diskscrub
          operator: In
          values: [{codes}]
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 60
      automountServiceAccountToken: false
      containers:
        - name: diskscrub
          image: {image}
          command:
{arguments}          resources:
            requests:
              cpu: "{processors}"
              memory: {memory}Mi
            limits:
              memory: {memory}Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
          env:
            - name: TMPDIR
              value: /tmp
          volumeMounts:
            - name: shelf
              mountPath: {mount}
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: shelf
          persistentVolumeClaim:
            claimName: {claim}
        - name: tmp
          emptyDir: {{}}
"#,
        generate = quote::json(&format!("{}-", job.name))
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;

    #[test]
    fn strings_cannot_leave_their_place() {
        let file = super::kubernetes(&job(), "reg/\"x\nkind: Pod", "claim", "/shelf");
        assert!(file.contains("\n          image: \"reg/\\\"x\\nkind: Pod\"\n"), "{file}");
        assert!(file.contains("            - \"/shelf/it's a plan.jsonl\"\n"), "{file}");
        assert!(file.contains("completions: 16\n  parallelism: 4\n"), "{file}");
        assert!(file.contains("values: [1, 2, 65, 70, 74]\n"), "{file}");
    }
}
