//! The findings as SARIF 2.1.0 (OASIS), for tools that gather the results of many scanners.
//!
//! A finding in a file's content lies in that file: its path is relative to the root of its volume (`VOLUME2`), its
//! region counts from the file's start. Every other finding lies in the disk: the image file itself if that is raw,
//! else the artifact `disk` inside it. The properties of a result say all that is known of the place, in the words of
//! the JSON report.

use serde_json::{Map, Value, json};
use verify::{Finding, Place, Region};

use crate::{
    Accepted, Report, Rule, guideline, human,
    json::escape,
    own_rules,
    row::Row,
    text::{file_uri, relative_uri},
    time,
};

/// The published schema (SARIF 2.1.0, section 3.13.3).
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Where a reader learns more.
const INFORMATION: &str = "https://docs.rs/diskscrub";
/// Base of the paths inside the image file.
const INSIDE: &str = "IMAGE";
/// Base of the paths that a guideline's evidence names: the guest's, over all its volumes.
pub(crate) const GUEST: &str = "GUEST";
/// Index of the image file, and of the disk in it, in `artifacts`.
pub(crate) const FILE: usize = 0;
const DISK: usize = 1;

/// The report as a SARIF log of one run.
#[must_use]
pub fn sarif(report: &Report) -> Value {
    let mut rules: Vec<Rule> = Vec::new();
    let results = report.findings.iter().map(|finding| (finding, None));
    let known = report.accepted.iter().map(|accepted| (&accepted.finding, Some(accepted)));
    let mut results: Vec<Value> =
        results.chain(known).map(|(finding, why)| result(report, &mut rules, finding, why)).collect();
    let mut descriptors: Vec<Value> = rules.iter().map(descriptor).collect();
    if let Some(table) = &report.guideline {
        results.extend(guideline::results(report, table, descriptors.len()));
        descriptors.extend(guideline::descriptors(table));
    }
    let notes = report.notes.iter().chain(&report.container);
    let notifications: Vec<Value> =
        notes.map(|note| json!({ "level": "note", "message": { "text": note } })).collect();
    let mut log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "rules": descriptors,
            } },
            "automationDetails": { "id": format!("{}/", report.command.name()) },
            "invocations": [{
                "executionSuccessful": true,
                "startTimeUtc": time::rfc3339(report.started),
                "toolExecutionNotifications": notifications,
            }],
            "artifacts": artifacts(report),
            "originalUriBaseIds": bases(report),
            "results": results,
            "properties": { "residueBytes": report.residue_bytes() },
        }],
    });
    escape(&mut log);
    log
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.heading },
        "fullDescription": { "text": rule.explain },
        "help": { "text": rule.explain },
        "helpUri": INFORMATION,
        "properties": { "tags": ["security"] },
    })
}

/// The image file, and the disk in it.
fn artifacts(report: &Report) -> Value {
    let image = &report.image;
    let mut file = json!({ "location": { "uri": file_uri(&image.path) }, "roles": ["analysisTarget"] });
    if let Some(size) = image.file_size {
        file["length"] = size.into();
    }
    let mut disk = json!({
        "location": { "uri": "disk", "uriBaseId": INSIDE },
        "parentIndex": FILE,
        "length": image.size,
        "description": { "text": "The guest's disk, as the image file presents it" },
    });
    if let Some(digest) = &image.digest {
        disk["hashes"] = json!({ digest.algorithm.clone(): digest.value });
    }
    json!([file, disk])
}

/// Bases without a URI: nobody but the image knows where they are (section 3.14.14).
fn bases(report: &Report) -> Map<String, Value> {
    let base = |text: String| json!({ "description": { "text": text } });
    let mut bases = Map::new();
    bases.insert(INSIDE.to_owned(), base("Inside the image file".to_owned()));
    if report.guideline.is_some() {
        bases.insert(GUEST.to_owned(), base("Root directory of the guest".to_owned()));
    }
    let known = report.accepted.iter().map(|accepted| &accepted.finding);
    for row in report.findings.iter().chain(known).map(Row::new) {
        if let Some(number) = row.place.and_then(|place| place.volume) {
            let name = human::volume_name(report, Some(number), Region::File);
            bases.entry(base_id(number)).or_insert_with(|| base(format!("Root directory of {name}")));
        }
    }
    bases
}

fn base_id(volume: u32) -> String {
    format!("VOLUME{volume}")
}

fn result(report: &Report, rules: &mut Vec<Rule>, finding: &Finding, accepted: Option<&Accepted>) -> Value {
    let row = Row::new(finding);
    let index = rules.iter().position(|rule| rule.id == row.rule).unwrap_or_else(|| {
        rules.push(own_rules::rule(report, finding));
        rules.len() - 1
    });
    let mut result = json!({
        "ruleId": row.rule,
        "ruleIndex": index,
        "level": row.level.name(),
        "message": { "text": format!("{}: {finding}", rules[index].heading) },
        "locations": [location(report, &row)],
        "properties": properties(&row),
    });
    if let Some(digest) = row.digest {
        result["partialFingerprints"] = json!({ "keyedDigest/v1": digest });
    }
    if let Some(accepted) = accepted {
        result["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": accepted.reason }]);
    }
    result
}

fn location(report: &Report, row: &Row<'_>) -> Value {
    let mut physical = json!({});
    let content = row.place.and_then(|place| Some((place, content(place)?)));
    let region = row.place.map_or_else(
        || match row.finding {
            Finding::Residue { region, .. } => Some(*region),
            _ => None,
        },
        |place| Some(place.region),
    );
    match (content, row.bytes) {
        (Some((place, (volume, path, offset))), Some((_, length))) => {
            physical["artifactLocation"] = json!({ "uri": relative_uri(path), "uriBaseId": base_id(volume) });
            // In an archive, the bytes of the file say nothing of where the secret is in its member.
            if place.inside.is_empty() {
                physical["region"] = json!({ "byteOffset": offset, "byteLength": length });
            }
        }
        (_, bytes) => {
            let in_file = region == Some(Region::Container) || report.image.format == "raw";
            physical["artifactLocation"] = if in_file {
                json!({ "uri": file_uri(&report.image.path), "index": FILE })
            } else {
                json!({ "uri": "disk", "uriBaseId": INSIDE, "index": DISK })
            };
            if let Some((offset, length)) = bytes {
                physical["region"] = json!({ "byteOffset": offset, "byteLength": length });
            }
        }
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(name) = row.place.and_then(logical) {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": name, "kind": "resource" }]);
    }
    location
}

/// Volume, path and offset of what is content of a file that exists.
fn content(place: &Place) -> Option<(u32, &str, u64)> {
    let path = place.path.as_deref().filter(|path| place.region == Region::File && !path.is_empty())?;
    Some((place.volume?, path, place.file_offset?))
}

/// `volume 2:/var/backups/old.tar.gz > backup.tar > etc/shadow`
fn logical(place: &Place) -> Option<String> {
    let (volume, path) = (place.volume?, place.path.as_deref()?);
    let mut name = format!("volume {volume}:{path}");
    for member in &place.inside {
        name.push_str(" > ");
        name.push_str(member);
    }
    Some(name)
}

/// The finding in the words of the JSON report.
fn properties(row: &Row<'_>) -> Value {
    let mut value = serde_json::to_value(row.finding).expect("findings are plain data");
    if let Some(fields) = value.as_object_mut() {
        // These have a place of their own in SARIF.
        fields.remove("rule");
        fields.remove("digest");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn results(report: &Report) -> Vec<Value> {
        sarif(report)["runs"][0]["results"].as_array().unwrap().clone()
    }

    #[test]
    fn a_secret_in_a_file_lies_in_the_file() {
        let results = results(&sample::report());
        let location = &results[1]["locations"][0]["physicalLocation"];
        assert_eq!(
            *location,
            json!({
                "artifactLocation": { "uri": "root/.ssh/id_ed25519", "uriBaseId": "VOLUME2" },
                "region": { "byteOffset": 96, "byteLength": 399 },
            })
        );
        assert_eq!(results[1]["partialFingerprints"]["keyedDigest/v1"], "a2".repeat(16));
    }

    #[test]
    fn a_secret_in_residue_lies_in_the_disk() {
        let results = results(&sample::report());
        let location = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "disk");
        assert_eq!(location["region"]["byteOffset"], (128 + 40) * (1 << 20) + 512);
        assert_eq!(results[0]["properties"]["place"]["was"]["path"], "/root/.ssh");
        // That of the container counts in the image file.
        let container = &results[5]["locations"][0]["physicalLocation"];
        assert_eq!(container["artifactLocation"]["uri"], "shelf/web%20server.qcow2");
    }

    #[test]
    fn in_a_raw_image_the_disk_is_the_file() {
        let mut report = sample::report();
        report.image.format = "raw".to_owned();
        assert_eq!(results(&report)[0]["locations"][0]["physicalLocation"]["artifactLocation"]["index"], 0);
    }

    #[test]
    fn accepted_findings_are_suppressed_with_their_reason() {
        let results = results(&sample::report());
        let suppressed: Vec<&Value> =
            results.iter().filter(|result| result.get("suppressions").is_some()).collect();
        assert_eq!(suppressed.len(), 1);
        let why = &suppressed[0]["suppressions"][0]["justification"];
        assert_eq!(why, "a published example, in Debian's package openssl");
    }

    #[test]
    fn every_result_names_a_rule_of_the_run() {
        let log = sarif(&sample::report());
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
    }

    #[test]
    fn names_cannot_leave_their_strings() {
        sample::assert_tame(&serde_json::to_string(&sarif(&sample::hostile())).unwrap());
    }
}
