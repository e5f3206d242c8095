//! A guideline's bullets: what each asks, and which questions answer it. Records only.

use std::fmt;

use scan::Source;
use serde::Serialize;

use crate::bullets::{aws, outscale};

/// A document that says what a shared image has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guideline {
    /// AWS, "Guidelines for shared Linux AMIs".
    Aws,
    /// 3DS OUTSCALE, "Guidelines for Building OUTSCALE Machine Images".
    Outscale,
}

impl Guideline {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Aws, Self::Outscale];

    /// Its policy's name.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Outscale => "outscale",
        }
    }

    /// The guideline that a built-in policy follows.
    #[must_use]
    pub fn of_policy(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guideline| guideline.policy() == name)
    }
}

impl fmt::Display for Guideline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "AWS, Guidelines for shared Linux AMIs",
            Self::Outscale => "3DS OUTSCALE, Guidelines for Building OUTSCALE Machine Images",
        })
    }
}

/// What answers a bullet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The rules by path that name the bullet as their source: what one of them would still take or change fails it.
    Rules,
    /// Secrets by content: those that the families of rules with these headings know, or the rules with these ids.
    Secrets(&'static [&'static str]),
    /// Private keys of SSH, and those in PEM, but a program's in a live file: `USER_KEYS` in `evidence`.
    UserKeys,
    /// Whether a rule could read these files; what else it would do is another's business.
    Readable(&'static str, &'static [&'static str]),
    /// Bytes that nothing live claims, and pieces of removed files.
    Residue,
    /// A check, by its id.
    Check(&'static str),
    /// Nothing in an image decides it; what does.
    Undecidable(&'static str),
    /// Asked of Windows images, which are not read yet.
    NotYet,
}

/// One thing that a guideline asks.
#[derive(Debug, Clone, Copy)]
pub struct Bullet {
    /// `A4`, `O12`: in the order of the document.
    pub id: &'static str,
    /// What it asks, in our words.
    pub asks: &'static str,
    /// What diskscrub does about it.
    pub does: &'static str,
    /// What answers it; the worst answer counts.
    pub questions: &'static [Question],
}

/// The bullets of a guideline, in its order.
#[must_use]
pub const fn bullets(guideline: Guideline) -> &'static [Bullet] {
    match guideline {
        Guideline::Aws => aws::BULLETS,
        Guideline::Outscale => outscale::BULLETS,
    }
}

/// Every bullet of every guideline, as the source of a rule.
#[must_use]
pub fn sources() -> Vec<Source> {
    let of = |guideline| {
        bullets(guideline).iter().map(move |bullet| match guideline {
            Guideline::Aws => Source::Aws(bullet.id),
            Guideline::Outscale => Source::Outscale(bullet.id),
        })
    };
    Guideline::ALL.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use scan::content::rules as content;

    use super::*;
    use crate::checks;

    #[test]
    fn every_record_is_complete() {
        let mut asked = BTreeSet::new();
        for guideline in Guideline::ALL {
            assert_eq!(Guideline::of_policy(guideline.policy()), Some(guideline));
            for (number, bullet) in bullets(guideline).iter().enumerate() {
                let letter = if guideline == Guideline::Aws { 'A' } else { 'O' };
                assert_eq!(bullet.id, format!("{letter}{}", number + 1), "in the order of the document");
                assert!(bullet.asks.ends_with('.') && bullet.does.ends_with('.'), "{}", bullet.id);
                assert!(!bullet.questions.is_empty(), "{}: nothing answers it", bullet.id);
                for question in bullet.questions {
                    match question {
                        Question::Check(id) => {
                            assert!(checks::get(id).is_some(), "{}: there is no check {id}", bullet.id);
                            asked.insert(*id);
                        }
                        Question::Rules => assert!(
                            scan::rules::all().any(|rule| crate::table::names(rule, bullet.id)),
                            "{}: no rule names it",
                            bullet.id
                        ),
                        Question::Readable(id, paths) => {
                            assert!(
                                scan::rules::get(id).is_some() && !paths.is_empty(),
                                "{}: {id}",
                                bullet.id
                            );
                        }
                        Question::Secrets(names) => {
                            for name in *names {
                                let known = content::get(name).is_some()
                                    || content::FAMILIES.iter().any(|family| family.heading == *name);
                                assert!(known, "{}: {name}", bullet.id);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        let all: BTreeSet<&str> = checks::all().map(|check| check.id).collect();
        assert_eq!(asked, all, "a check that no bullet asks, or the other way round");
    }
}
