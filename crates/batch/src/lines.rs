//! Values as lines of JSON; what is wrong with a line is said with its number.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// One line of JSON for each value.
pub(crate) fn write<T: Serialize>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().fold(String::new(), |mut text, value| {
        let line = serde_json::to_string(&value).expect("rows are plain data");
        text.push_str(&report::visible_json(&line));
        text.push('\n');
        text
    })
}

/// The value of a line.
pub(crate) fn read<T: DeserializeOwned>(number: usize, line: &str) -> Result<T> {
    serde_json::from_str(line).map_err(|error| {
        // serde_json counts lines from 1, and there is only this one.
        let what = error.to_string();
        Error::line(number, what.replace(" at line 1 column ", " at column "))
    })
}
