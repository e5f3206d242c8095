//! Which content rules apply.

use super::{ContentRule, rules};
use crate::{PolicyError, nearest::nearest};

/// The content rules of these ids, all if none is named, but not those to skip; in the registry's order.
pub fn select(only: &[String], skip: &[String]) -> Result<Vec<&'static ContentRule>, PolicyError> {
    select_among(&[], only, skip)
}

/// The same among the registry's rules and those that a policy defines, which come last.
pub fn select_among(
    own: &[&'static ContentRule],
    only: &[String],
    skip: &[String],
) -> Result<Vec<&'static ContentRule>, PolicyError> {
    let all = || rules::all().chain(own.iter().copied());
    let known = |id: &String| {
        all().find(|rule| rule.id == *id).ok_or_else(|| PolicyError::UnknownRule {
            id: id.clone(),
            nearest: nearest(id, all().map(|rule| rule.id)),
        })
    };
    let ids = |ids: &[String]| ids.iter().map(known).collect::<Result<Vec<_>, _>>();
    let (only, skip) = (ids(only)?, ids(skip)?);
    let applies = |rule: &&ContentRule| (only.is_empty() || only.contains(rule)) && !skip.contains(rule);
    Ok(all().filter(applies).collect())
}

/// The content rule of this id; the error names the nearest one.
pub fn find_rule(id: &str) -> Result<&'static ContentRule, PolicyError> {
    rules::get(id).ok_or_else(|| PolicyError::UnknownRule {
        id: id.to_owned(),
        nearest: nearest(id, rules::all().map(|rule| rule.id)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_and_without() {
        let of = |only: &[&str], skip: &[&str]| {
            let owned = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
            select(&owned(only), &owned(skip))
        };
        assert_eq!(of(&[], &[]).unwrap().len(), rules::all().count());
        assert_eq!(of(&["github-token"], &[]).unwrap()[0].id, "github-token");
        assert!(of(&["github-token"], &["github-token"]).unwrap().is_empty());
        assert_eq!(
            of(&[], &["github-tokn"]).unwrap_err(),
            PolicyError::UnknownRule { id: "github-tokn".to_owned(), nearest: Some("github-token") }
        );
    }
}
