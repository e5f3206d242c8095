//! What is signed: an in-toto Statement (v1) whose predicate is a Simple Verification Result (svr/v0.2), extended by
//! what links the output to its input.
//!
//! Field names are the JSON's. Readers ignore fields that they do not know, as in-toto asks of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `_type` of a Statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType` of a Simple Verification Result.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/svr/v0.2";

/// What `predicate` says of every `subject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The things it speaks of, each known by a digest alone.
    pub subject: Vec<Resource>,
    /// [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What was verified.
    pub predicate: Predicate,
}

/// A thing, by its digests; in-toto's `ResourceDescriptor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Algorithm and value, in lower-case hexadecimal.
    pub digest: BTreeMap<String, String>,
}

impl Resource {
    /// A thing with one digest.
    #[must_use]
    pub fn new(name: &str, algorithm: &str, value: &str) -> Self {
        Self { name: name.to_owned(), digest: [(algorithm.to_owned(), value.to_owned())].into() }
    }
}

/// What was verified, by whom, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicate {
    /// Who, and by which rules.
    pub verifier: Verifier,
    /// When, as RFC 3339 in UTC.
    #[serde(rename = "timeCreated")]
    pub time_created: String,
    /// What holds. What is not here was not verified; it need not be false.
    pub properties: Vec<String>,
    /// What the subject was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diskscrub_input: Option<Resource>,
    /// The reports of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diskscrub_reports: Vec<Resource>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI, with the version.
    pub id: String,
    /// The policies that were applied.
    #[serde(default)]
    pub policies: Vec<Resource>,
}

impl Statement {
    /// That `predicate` holds for each of `subject`.
    #[must_use]
    pub fn new(subject: Vec<Resource>, predicate: Predicate) -> Self {
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject,
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        }
    }

    /// As compact JSON: what is signed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a statement is plain text")
    }

    /// From JSON. `Err`, with a sentence: it is no such statement.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let statement: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let Self { kind, predicate_type, .. } = &statement;
        if kind != STATEMENT_TYPE || predicate_type != PREDICATE_TYPE {
            return Err(format!("it is of type {kind:?} with a predicate of type {predicate_type:?}"));
        }
        Ok(statement)
    }

    /// The values that its subjects have by `algorithm`.
    pub fn digests<'a>(&'a self, algorithm: &'a str) -> impl Iterator<Item = &'a str> {
        self.subject.iter().filter_map(move |subject| subject.digest.get(algorithm)).map(String::as_str)
    }
}
