//! What an export is wrapped in, by its name, and the name that the clean image gets.
//!
//! Names decide here, not bytes: an image that happens to begin with a magic number must not be unpacked.

use serde::{Deserialize, Serialize};

/// What an image is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrapper {
    /// Nothing: the file is the image.
    None,
    /// RFC 1952, as OUTSCALE exports.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
    /// An archive with `disk.raw`, compressed, as Google's Compute Engine exports and imports.
    TarGzip,
}

/// Endings and what they mean; the longer ones first.
const WRAPPERS: [(&str, Wrapper); 6] = [
    (".tar.gz", Wrapper::TarGzip),
    (".tgz", Wrapper::TarGzip),
    (".gz", Wrapper::Gzip),
    (".zst", Wrapper::Zstd),
    (".zstd", Wrapper::Zstd),
    (".xz", Wrapper::Xz),
];

/// Endings of image files. Those that cannot be read are rows, too: with the reason, instead of in silence.
const IMAGES: [&str; 10] =
    [".raw", ".img", ".dd", ".qcow2", ".qcow", ".vmdk", ".vhd", ".vhdx", ".vdi", ".qed"];

impl Wrapper {
    /// What a file of this name is wrapped in, and the name of what is inside.
    #[must_use]
    pub fn of(name: &str) -> (Self, String) {
        for (ending, wrapper) in WRAPPERS {
            let Some(inner) = without(name, ending).filter(|inner| !inner.is_empty()) else { continue };
            return match wrapper {
                Self::TarGzip => (wrapper, format!("{inner}.raw")),
                _ => (wrapper, inner.to_owned()),
            };
        }
        (Self::None, name.to_owned())
    }
}

/// The name without this ending, whatever its case.
fn without<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (inner, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    end.eq_ignore_ascii_case(ending).then_some(inner)
}

/// Whether a file in a directory is taken for an image, or for a wrapped one.
#[must_use]
pub fn is_image_name(name: &str) -> bool {
    let (_, inner) = Wrapper::of(name);
    IMAGES.iter().any(|ending| without(&inner, ending).is_some_and(|stem| !stem.is_empty()))
}

/// The clean image's name. `format`, if the output's was asked for, is its ending instead of the old one.
#[must_use]
pub fn output_name(name: &str, format: Option<&str>) -> String {
    let (_, inner) = Wrapper::of(name);
    let Some(format) = format else { return inner };
    let stem = IMAGES.iter().find_map(|ending| without(&inner, ending)).unwrap_or(&inner);
    format!("{stem}.{format}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_inside() {
        for (name, wrapper, inner) in [
            ("a.qcow2", Wrapper::None, "a.qcow2"),
            ("a.qcow2.gz", Wrapper::Gzip, "a.qcow2"),
            ("a.RAW.XZ", Wrapper::Xz, "a.RAW"),
            ("a.raw.zst", Wrapper::Zstd, "a.raw"),
            ("a.tar.gz", Wrapper::TarGzip, "a.raw"),
            ("a.tgz", Wrapper::TarGzip, "a.raw"),
            (".gz", Wrapper::None, ".gz"),
            ("é.gz", Wrapper::Gzip, "é"),
            ("xé", Wrapper::None, "xé"),
        ] {
            assert_eq!(Wrapper::of(name), (wrapper, inner.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_directory_offers_its_images() {
        for name in ["a.raw", "a.QCOW2", "a.img.gz", "a.vmdk", "a.tar.gz"] {
            assert!(is_image_name(name), "{name}");
        }
        for name in ["a.txt", "notes.txt.gz", "raw", ".raw", "a.raw.report.json", "a.iso"] {
            assert!(!is_image_name(name), "{name}");
        }
    }

    #[test]
    fn the_output_is_called_as_its_format() {
        assert_eq!(output_name("a.qcow2.gz", None), "a.qcow2");
        assert_eq!(output_name("a.raw", Some("qcow2")), "a.qcow2");
        assert_eq!(output_name("a.tar.gz", Some("qcow2")), "a.qcow2");
        assert_eq!(output_name("disk", Some("raw")), "disk.raw");
        assert_eq!(output_name("web-1.2", Some("raw")), "web-1.2.raw");
    }
}
