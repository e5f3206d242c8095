//! `[[rule]]`: a rule by path of the policy's own. It is a record like those of the registry, and does what they do.

use super::{
    FileError,
    file::Reader,
    keys::{At, Table},
};
use crate::{
    Action, Find, Kinds, Rule, Source,
    edits::{EditId, LineEdit, LineEdits},
};

/// Its keys.
pub(super) const KEYS: &[&str] =
    &["id", "heading", "explain", "paths", "except", "kinds", "action", "edit", "bullets"];
/// Those of one edit.
pub(super) const EDIT_KEYS: &[&str] = &["delete", "replace", "with"];
/// What a rule does; an edit's lines are said elsewhere.
pub(super) const ACTIONS: &[(&str, Option<Action>)] =
    &[("remove", Some(Action::Remove)), ("truncate", Some(Action::Truncate)), ("edit", None)];
/// Which files it takes.
pub(super) const KINDS: &[(&str, Kinds)] =
    &[("any", Kinds::Any), ("not-directories", Kinds::NotDirectories), ("files", Kinds::Files)];

/// Reads one.
///
/// It lives as long as the program, as those of the registry do: a run reads its policy once.
pub(super) fn read(reader: &Reader<'_>, table: &Table<'_>) -> Result<&'static Rule, FileError> {
    let id = reader.new_id(table)?;
    let heading = table.text("heading")?.value;
    let explain = table.text("explain")?.value;
    let paths = table.some_strings("paths")?;
    let except = table.strings("except")?;
    for glob in paths.iter().chain(&except) {
        super::pattern(glob.value).map_err(|error| table.error(glob.at, error))?;
    }
    let action = table.chosen("action", ACTIONS)?;
    let edits = table.tables("edit", "an edit", EDIT_KEYS)?;
    let action = match (action.value, edits.as_slice()) {
        (Some(action), []) => action,
        (Some(_), [edit, ..]) => {
            return Err(table.error(edit.at, "lines are edited only if the action is \"edit\""));
        }
        (None, []) => return Err(table.error(action.at, "the action \"edit\" needs the key \"edit\"")),
        (None, edits) => {
            let edits = edits.iter().map(edit).collect::<Result<Vec<_>, _>>()?;
            Action::Edit(EditId::Lines(Box::leak(Box::new(LineEdits::new(edits)))))
        }
    };
    let kinds = match (table.choice("kinds", KINDS)?, action) {
        (None, Action::Remove) => Kinds::Any,
        (None, _) => Kinds::Files,
        (Some(At { value, .. }), Action::Remove) => value,
        (Some(At { value: Kinds::Files, .. }), _) => Kinds::Files,
        (Some(At { at, .. }), _) => {
            return Err(table.error(at, "only files have content: the key \"kinds\" must be \"files\""));
        }
    };
    let sources = sources(reader, table)?;
    let find = Find { paths: texts(&paths), except: texts(&except), kinds, ..Find::NOTHING };
    let heading: &'static str = heading.trim().to_owned().leak();
    let explain: &'static str = explain.trim().to_owned().leak();
    let rule = Rule { id: id.to_owned().leak(), heading, explain, sources, find, action, default: false };
    Ok(Box::leak(Box::new(rule)))
}

/// The bullets of guidelines that it counts towards.
fn sources(reader: &Reader<'_>, table: &Table<'_>) -> Result<&'static [Source], FileError> {
    let bullets = table.strings("bullets")?;
    let known = reader.around.bullets;
    let source = |bullet: &At<&str>| {
        known.iter().copied().find(|source| source.bullet() == Some(bullet.value)).ok_or_else(|| {
            let ids = known.iter().filter_map(|source| source.bullet());
            let hint = super::error::hint(&crate::nearest::nearest(bullet.value, ids));
            table.error(bullet.at, format_args!("no guideline has a bullet {:?}{hint}", bullet.value))
        })
    };
    let mut sources = bullets.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    if sources.is_empty() {
        sources.push(Source::Policy);
    }
    Ok(sources.leak())
}

fn edit(table: &Table<'_>) -> Result<LineEdit, FileError> {
    let delete = table.string("delete", "a regular expression")?;
    let replace = table.string("replace", "a regular expression")?;
    let with = table.string("with", "a string")?;
    let (pattern, with) = match (delete, replace, with) {
        (Some(pattern), None, None) => (pattern, None),
        (None, Some(pattern), Some(with)) => (pattern, Some(with)),
        (Some(_), Some(second), _) => {
            return Err(table.error(second.at, "an edit has \"delete\" or \"replace\", not both"));
        }
        (None, Some(pattern), None) => {
            return Err(table.error(pattern.at, "\"replace\" needs the key \"with\""));
        }
        (Some(_), None, Some(with)) => return Err(table.error(with.at, "\"with\" needs the key \"replace\"")),
        (None, None, _) => {
            return Err(table.error(table.at, "an edit needs the key \"delete\" or \"replace\""));
        }
    };
    if let Some(with) = with.filter(|with| with.value.contains(['\n', '\r', '\0'])) {
        return Err(table.error(with.at, "the key \"with\" must be one line of text"));
    }
    LineEdit::new(pattern.value, with.map(|with| with.value)).map_err(|reason| {
        table.error(pattern.at, format_args!("the regular expression cannot be used: {reason}"))
    })
}

/// The same strings, for as long as the program lives.
pub(super) fn texts(list: &[At<&str>]) -> &'static [&'static str] {
    let texts: Vec<&'static str> = list.iter().map(|text| &*text.value.to_owned().leak()).collect();
    texts.leak()
}
