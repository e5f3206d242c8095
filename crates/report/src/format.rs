//! The formats of a report, by the name of the file that it goes to.

use std::{ffi::OsStr, io, path::Path};

use crate::{Report, dfxml, html, human, json, sarif};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// All of it, for programs.
    Json,
    /// The findings, for tools that gather results of many scanners.
    Sarif,
    /// The findings as Digital Forensics XML.
    Dfxml,
    /// One page, with the disk map.
    Html,
    /// Text for a terminal.
    Text,
}

impl Format {
    /// The endings of file names, for messages.
    pub const ENDINGS: &'static str = ".json, .sarif, .xml, .dfxml, .html or .txt";

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Json, Self::Sarif, Self::Dfxml, Self::Html, Self::Text];

    /// What the name of a file asks for. A name without an ending asks for JSON; `None`: an ending that is no format's.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let Some(ending) = path.extension() else { return Some(Self::Json) };
        match ending.to_ascii_lowercase().as_encoded_bytes() {
            // `result.sarif.json` is the other usual name of SARIF.
            b"json" if Path::new(path.file_stem()?).extension() == Some(OsStr::new("sarif")) => {
                Some(Self::Sarif)
            }
            b"json" => Some(Self::Json),
            b"sarif" => Some(Self::Sarif),
            b"xml" | b"dfxml" => Some(Self::Dfxml),
            b"html" | b"htm" => Some(Self::Html),
            b"txt" | b"text" => Some(Self::Text),
            _ => None,
        }
    }

    /// Writes the report in this format.
    ///
    /// Fails only if `out` does.
    pub fn write(self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Self::Json => pretty(&json(report), out),
            Self::Sarif => pretty(&sarif(report), out),
            Self::Dfxml => dfxml(report, out),
            Self::Html => out.write_all(html(report).as_bytes()),
            Self::Text => out.write_all(human(report).as_bytes()),
        }
    }
}

fn pretty(value: &serde_json::Value, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        for (name, format) in [
            ("r.json", Some(Format::Json)),
            ("report", Some(Format::Json)),
            (".hidden", Some(Format::Json)),
            ("a.sarif", Some(Format::Sarif)),
            ("a.sarif.json", Some(Format::Sarif)),
            ("dir.html/a.XML", Some(Format::Dfxml)),
            ("a.dfxml", Some(Format::Dfxml)),
            ("a.html", Some(Format::Html)),
            ("a.txt", Some(Format::Text)),
            ("a.pdf", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
