//! The report as JSON: every field of it, described by docs/report.schema.json.

use serde_json::{Map, Value};

use crate::{Report, SCHEMA, visible};

/// The whole report. All strings are safe on a terminal, should somebody print the file there.
#[must_use]
pub fn json(report: &Report) -> Value {
    let mut object = Map::new();
    object.insert("schema".to_owned(), SCHEMA.into());
    let verdict = if report.is_clean() { "clean" } else { "findings" };
    object.insert("verdict".to_owned(), verdict.into());
    match serde_json::to_value(report).expect("reports are plain data") {
        Value::Object(fields) => object.extend(fields),
        _ => unreachable!("a struct is an object"),
    }
    let mut value = Value::Object(object);
    escape(&mut value);
    value
}

/// Escapes what is hidden in every string of the value.
pub(crate) fn escape(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(seen) = visible(text) {
                *text = seen;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(escape),
        Value::Object(fields) => {
            let named = std::mem::take(fields).into_iter();
            *fields = named
                .map(|(name, mut value)| {
                    escape(&mut value);
                    (visible(&name).into_owned(), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn says_its_version_and_its_verdict() {
        let value = json(&sample::report());
        assert_eq!(value["schema"], SCHEMA);
        assert_eq!(value["verdict"], "findings");
        assert_eq!(value["started"], "2026-01-31T12:00:00Z");
        assert_eq!(json(&sample::clean())["verdict"], "clean");
    }

    #[test]
    fn no_string_steers_a_terminal() {
        let text = serde_json::to_string(&json(&sample::hostile())).unwrap();
        sample::assert_tame(&text);
    }
}
