//! The plan: a header and one row for each image, as lines of JSON that can be read, filtered and kept.
//!
//! A plan says everything that a run needs, so that any machine that sees the same paths does the same. Who edits one is
//! told what no longer fits, with the line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Found, Result, Stamp, Wrapper, lines, names, output_name, shards};

/// The version of the plan's format.
pub const PLAN_SCHEMA: &str = "diskscrub-batch/1";
/// Shards, unless somebody says how many: one image each, as far as a stock Slurm's MaxArraySize (1001) goes.
const SHARDS_MAX: u32 = 1000;

/// The policy that all rows are cleaned by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyName {
    /// As it was asked for; a file's path is absolute.
    pub name: String,
    /// Digest of what it came to, with the overrides of the command line, as reports have it.
    pub digest: String,
}

/// The plan's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`PLAN_SCHEMA`].
    pub schema: String,
    /// How many rows follow.
    pub images: usize,
    /// How many shards they are on, from 0 on.
    pub shards: u32,
    /// Directory of all outputs, absolute.
    pub out: String,
    /// What is applied.
    pub policy: PolicyName,
    /// Arguments of `clean` that choose the policy.
    pub select: Vec<String>,
    /// Arguments of `clean` that change what is written in another way.
    pub options: Vec<String>,
}

impl Header {
    /// Digest of everything but the input that decides what an output is: the policy's meaning, and the options.
    #[must_use]
    pub fn settings(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"diskscrub batch settings 1\n").update(self.policy.digest.as_bytes());
        for option in &self.options {
            hasher.update(b"\n").update(option.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// One image. `id` names it in summaries, and stays the same when the shelf grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its output's path below the plan's directory.
    pub id: String,
    /// Who does it.
    pub shard: u32,
    /// The image, absolute.
    pub input: String,
    /// Size and time of the input when the plan was made.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// What the input is wrapped in.
    pub wrapper: Wrapper,
    /// What the file looks like: `raw`, `qcow2`, or why neither.
    pub format: String,
    /// The clean image, absolute.
    pub output: String,
    /// The header's [`settings`](Header::settings).
    pub policy: String,
}

impl Row {
    /// The input's path.
    #[must_use]
    pub fn input(&self) -> &Path {
        Path::new(&self.input)
    }

    /// The output's path.
    #[must_use]
    pub fn output(&self) -> &Path {
        Path::new(&self.output)
    }
}

/// An image to be planned for.
#[derive(Debug)]
pub struct Image {
    /// Which, and where it lies on the shelf.
    pub found: Found,
    /// Its size and time.
    pub stamp: Stamp,
    /// What the file looks like.
    pub format: String,
}

/// What is to be cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What holds for all rows.
    pub header: Header,
    /// The images.
    pub rows: Vec<Row>,
}

impl Plan {
    /// A plan for these images. `header` has everything but the number of images; its `shards` are as many as asked
    /// for, or 0 for one each image. `output_format` is the ending of all outputs, if one was asked for.
    ///
    /// # Errors
    /// If a path is no text, or two files would be one. Files are not looked at: see [`check_files`](crate::check_files).
    pub fn new(header: Header, images: Vec<Image>, output_format: Option<&str>) -> Result<Self> {
        let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
        let most = if header.shards == 0 { SHARDS_MAX } else { header.shards };
        let header = Header { images: images.len(), shards: count.min(most).max(1), ..header };
        let sizes: Vec<u64> = images.iter().map(|image| image.stamp.size).collect();
        let (out, policy) = (PathBuf::from(&header.out), header.settings());
        let rows = images.into_iter().zip(shards::balance(&sizes, header.shards)).map(|(image, shard)| {
            let Image { found: Found { path, place }, stamp, format } = image;
            let name = place.file_name().map(text).transpose()?.unwrap_or_default();
            let output = place.with_file_name(output_name(&name, output_format));
            Ok(Row {
                id: text(&output)?,
                shard,
                input: text(&path)?,
                stamp,
                wrapper: Wrapper::of(&name).0,
                format,
                output: text(out.join(&output))?,
                policy: policy.clone(),
            })
        });
        let plan = Self { rows: rows.collect::<Result<_>>()?, header };
        names::check(&plan.rows)?;
        Ok(plan)
    }

    /// As lines of JSON.
    #[must_use]
    pub fn to_lines(&self) -> String {
        lines::write([&self.header]) + &lines::write(&self.rows)
    }

    /// Reads what [`to_lines`](Self::to_lines) wrote.
    ///
    /// # Errors
    /// With the line that is not as it should be.
    pub fn from_lines(text: &str) -> Result<Self> {
        let mut numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let (number, first) = numbered.next().ok_or_else(|| Error::line(1, "the plan is empty"))?;
        let schema: Schema = lines::read(number, first)?;
        if schema.schema.as_deref() != Some(PLAN_SCHEMA) {
            return Err(Error::line(number, format!("a plan begins with \"schema\": \"{PLAN_SCHEMA}\"")));
        }
        let header: Header = lines::read(number, first)?;
        let (mut rows, mut ids) = (Vec::new(), BTreeMap::new());
        let (mut last, settings) = (number, header.settings());
        for (number, line) in numbered {
            last = number;
            let row: Row = lines::read(number, line)?;
            let refuse = |what: String| Err(Error::line(number, what));
            let below = |path: &str| {
                let path = Path::new(path);
                path.is_absolute() && path.components().all(|part| part != std::path::Component::ParentDir)
            };
            if row.shard >= header.shards {
                return refuse(format!("shard is {}, and the plan has {}", row.shard, header.shards));
            }
            if row.policy != settings {
                return refuse(
                    "policy is not the header's: the rows of two plans cannot be mixed".to_owned(),
                );
            }
            if !below(&row.input) || !below(&row.output) {
                return refuse("input and output have to be absolute paths, without `..`".to_owned());
            }
            if Path::new(&header.out).join(&row.id) != row.output() || row.output().file_name().is_none() {
                return refuse("output is not the header's directory and the row's id".to_owned());
            }
            if let Some(other) = ids.insert(row.id.clone(), number) {
                return refuse(format!("id is the same as that of line {other}"));
            }
            rows.push(row);
        }
        if rows.len() != header.images {
            let what = format!("the plan ends after {} of {} images", rows.len(), header.images);
            return Err(Error::line(last, what));
        }
        names::check(&rows)?;
        Ok(Self { header, rows })
    }

    /// The rows of one shard, or all.
    pub fn rows_of(&self, shard: Option<u32>) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| shard.is_none_or(|shard| row.shard == shard))
    }
}

/// The only field that every version of a plan has.
#[derive(Deserialize)]
struct Schema {
    schema: Option<String>,
}

/// A path as text: JSON has no other strings.
fn text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::path(path, "is not UTF-8, so a plan cannot name it"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn header(shards: u32) -> Header {
        Header {
            schema: PLAN_SCHEMA.to_owned(),
            images: 0,
            shards,
            out: "/out".to_owned(),
            policy: PolicyName { name: "aws".to_owned(), digest: "d1".to_owned() },
            select: vec!["--policy".to_owned(), "aws".to_owned()],
            options: Vec::new(),
        }
    }

    pub(crate) fn plan(images: &[(&str, u64)], shards: u32) -> Result<Plan> {
        let image = |&(place, size): &(&str, u64)| Image {
            found: Found { path: Path::new("/in").join(place), place: place.into() },
            stamp: Stamp { size, modified: "1763800000.000000001".to_owned() },
            format: "raw".to_owned(),
        };
        Plan::new(header(shards), images.iter().map(image).collect(), None)
    }

    #[test]
    fn survives_being_written() {
        let plan = plan(&[("a.raw", 5), ("web/b.qcow2.gz", 9), ("c.tar.gz", 5)], 2).unwrap();
        assert_eq!(plan.rows[1].output, "/out/web/b.qcow2");
        assert_eq!((plan.rows[2].id.as_str(), plan.rows[2].wrapper), ("c.raw", Wrapper::TarGzip));
        assert_eq!(plan.rows.iter().map(|row| row.shard).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!(Plan::from_lines(&plan.to_lines()).unwrap(), plan);
        assert_eq!(plan.rows_of(Some(1)).count(), 2);
    }

    #[test]
    fn one_shard_each_image_up_to_a_limit() {
        let shards = |images: usize, asked| {
            let names: Vec<String> = (0..images).map(|number| format!("{number}.raw")).collect();
            let images: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
            plan(&images, asked).unwrap().header.shards
        };
        assert_eq!((shards(3, 0), shards(1200, 0), shards(3, 16), shards(3, 2)), (3, 1000, 3, 2));
    }

    #[test]
    fn settings_follow_the_meaning_alone() {
        let one = header(1);
        let renamed = Header { select: vec!["--policy".into(), "same.toml".into()], ..one.clone() };
        assert_eq!(one.settings(), renamed.settings());
        let kept = Header { options: vec!["--opaque".into(), "keep".into()], ..one.clone() };
        assert_ne!(one.settings(), kept.settings());
    }

    #[test]
    fn a_line_that_does_not_fit_is_named() {
        let whole = plan(&[("a.raw", 5), ("b.raw", 9)], 2).unwrap().to_lines();
        let said = |text: &str| Plan::from_lines(text).unwrap_err().to_string();
        let with = |from: &str, to: &str| said(&whole.replacen(from, to, 1));
        assert_eq!(said(""), "line 1: the plan is empty");
        assert_eq!(said("{}\n"), "line 1: a plan begins with \"schema\": \"diskscrub-batch/1\"");
        assert_eq!(
            with("batch/1", "batch/2"),
            "line 1: a plan begins with \"schema\": \"diskscrub-batch/1\""
        );
        assert!(with("\"images\"", "\"imagse\"").starts_with("line 1: unknown field `imagse`"));
        let cut: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
        assert_eq!(said(&cut), "line 2: the plan ends after 1 of 2 images");
        assert_eq!(said(&whole[..whole.len() - 9]), "line 3: EOF while parsing a string at column 209");
        assert_eq!(with("\"shard\":1", "\"shard\":2"), "line 2: shard is 2, and the plan has 2");
        assert_eq!(
            with("\"id\":\"b.raw\"", "\"id\":\"a.raw\""),
            "line 3: output is not the header's directory and the row's id"
        );
        assert!(with("/in/b.raw", "b.raw").starts_with("line 3: input and output have to be absolute"));
        assert!(with("/in/b.raw", "/out/../b.raw").starts_with("line 3: input and output have to be"));
        assert!(with("\"d1\"", "\"d2\"").starts_with("line 2: policy is not the header's"));
        let twice = whole.replace("b.raw", "a.raw");
        assert_eq!(said(&twice), "line 3: id is the same as that of line 2");
    }
}
