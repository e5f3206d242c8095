"""Makes job.schema.json: the strict schema of a Job, and nothing else, out of kubernetes-validate.

    pip download --no-deps kubernetes-validate && python3 make.py kubernetes_validate-*.whl v1.33.0

The package's schemas are made from Kubernetes' own OpenAPI document (Apache-2.0). Descriptions are left out.
"""

import json
import sys
import zipfile

wheel, version = sys.argv[1:]
folder = f"kubernetes_validate/kubernetes-json-schema/{version}-local-strict/"
archive = zipfile.ZipFile(wheel)
definitions = json.loads(archive.read(folder + "_definitions.json"))["$defs"]
ROOT = "io.k8s.api.batch.v1.Job"
kept, left = {}, [ROOT]


def walk(value):
    if isinstance(value, list):
        return [walk(one) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str):
        name = value["$ref"].rsplit("/", 1)[1]
        left.append(name)
        return {"$ref": f"#/$defs/{name}"}
    # A property may be called description; then it is a schema.
    walked = {key: walk(one) for key, one in value.items() if not (key == "description" and isinstance(one, str))}
    # Strict: what the schema does not know is a mistake.
    if isinstance(value.get("properties"), dict) and value.get("type") == "object":
        walked["additionalProperties"] = False
    return walked


while left:
    name = left.pop()
    if name not in kept:
        kept[name] = walk(definitions[name])
schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"Job of batch/v1, Kubernetes {version}, from the Kubernetes authors' OpenAPI document, Apache-2.0",
    "$ref": f"#/$defs/{ROOT}",
    "$defs": dict(sorted(kept.items())),
}
with open("job.schema.json", "w") as out:
    json.dump(schema, out, separators=(",", ":"))
    out.write("\n")
