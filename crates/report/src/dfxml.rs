//! The findings as Digital Forensics XML, for the tools of examiners.
//!
//! The elements are those of DFXML 1.2 in its order, and what DFXML has no word for is in a namespace of our own, first
//! among the children, where the schema allows it. A finding is a `fileobject` in its volume: `alloc` says whether a
//! file that exists holds it; `byte_run` says where it is. Written as it is made: memory does not follow the findings.

use std::io::{self, Write};

use verify::{Finding, Place, Region};

use crate::{Report, Volume, human, row::Row, text::markup, time};

const NAMESPACE: &str = "http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML";
/// What of ours is in it: class, rule, tier, digest, history. Names it, is no address.
const OURS: &str = "urn:diskscrub:dfxml:1";
const VERSION: &str = "1.2.0";

/// Writes the report as DFXML.
///
/// Fails only if `out` does.
pub fn dfxml(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<?xml version='1.0' encoding='UTF-8'?>")?;
    writeln!(
        out,
        "<dfxml xmlns='{NAMESPACE}' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:ds='{OURS}' version='{VERSION}'>"
    )?;
    head(report, out)?;
    for volume in &report.volumes {
        self::volume(report, volume, out)?;
    }
    let outside = |number: Option<u32>| {
        number.is_none_or(|number| report.volumes.iter().all(|volume| volume.number != number))
    };
    fileobjects(report, outside, "  ", out)?;
    writeln!(out, "</dfxml>")
}

fn head(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let verdict = if report.is_clean() { "clean" } else { "findings" };
    writeln!(
        out,
        "  <ds:report command='{}' verdict='{verdict}' residue='{}'/>",
        report.command.name(),
        report.residue_bytes()
    )?;
    let volumes: Vec<u32> = report.volumes.iter().map(|volume| volume.number).collect();
    totals(report, |number| number.is_none_or(|number| !volumes.contains(&number)), "  ", out)?;
    for note in report.notes.iter().chain(&report.container) {
        writeln!(out, "  <ds:note>{}</ds:note>", markup(note))?;
    }
    writeln!(out, "  <metadata>\n    <dc:type>Disk Image</dc:type>\n  </metadata>")?;
    writeln!(out, "  <creator>")?;
    element(out, "    ", "program", &report.tool.name)?;
    element(out, "    ", "version", &report.tool.version)?;
    writeln!(out, "    <execution_environment>")?;
    element(out, "      ", "start_time", &time::rfc3339(report.started))?;
    writeln!(out, "    </execution_environment>\n  </creator>\n  <source>")?;
    element(out, "    ", "image_filename", &report.image.path)?;
    writeln!(out, "  </source>")
}

fn element(out: &mut dyn Write, indent: &str, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{indent}<{name}>{}</{name}>", markup(text))
}

fn totals(
    report: &Report,
    of: impl Fn(Option<u32>) -> bool,
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    for total in report.totals.iter().filter(|total| of(total.volume)) {
        writeln!(
            out,
            "{indent}<ds:total class='{}' bytes='{}' residue='{}'/>",
            total.region.name(),
            total.bytes,
            total.residue()
        )?;
    }
    Ok(())
}

fn volume(report: &Report, volume: &Volume, out: &mut dyn Write) -> io::Result<()> {
    let start = volume.extents.first().map_or(0, |extent| extent.start);
    writeln!(out, "  <volume offset='{start}'>")?;
    writeln!(
        out,
        "    <ds:volume number='{}' label='{}' uuid='{}'/>",
        volume.number,
        markup(&volume.label),
        markup(&volume.uuid)
    )?;
    totals(report, |number| number == Some(volume.number), "    ", out)?;
    if !volume.extents.is_empty() {
        writeln!(out, "    <byte_runs>")?;
        for extent in &volume.extents {
            writeln!(out, "      <byte_run img_offset='{}' len='{}'/>", extent.start, extent.length)?;
        }
        writeln!(out, "    </byte_runs>")?;
    }
    if start > 0 {
        writeln!(out, "    <partition_offset>{start}</partition_offset>")?;
    }
    element(out, "    ", "ftype_str", &volume.content)?;
    fileobjects(report, |number| number == Some(volume.number), "    ", out)?;
    writeln!(out, "  </volume>")
}

fn fileobjects(
    report: &Report,
    of: impl Fn(Option<u32>) -> bool,
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let known = report.accepted.iter().map(|accepted| (&accepted.finding, Some(accepted.reason.as_str())));
    for (finding, reason) in report.findings.iter().map(|finding| (finding, None)).chain(known) {
        let row = Row::new(finding);
        if of(row.volume) {
            fileobject(report, &row, reason, indent, out)?;
        }
    }
    Ok(())
}

fn fileobject(
    report: &Report,
    row: &Row<'_>,
    reason: Option<&str>,
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let inner = format!("{indent}  ");
    let region = match row.finding {
        Finding::Residue { region, .. } => Some(*region),
        _ => row.place.map(|place| place.region),
    };
    writeln!(out, "{indent}<fileobject>")?;
    write!(out, "{inner}<ds:finding rule='{}' level='{}'", markup(&row.rule), row.level.name())?;
    if let Some(region) = region {
        write!(out, " class='{}'", region.name())?;
    }
    if let Some(digest) = row.digest {
        write!(out, " digest='{}'", markup(digest))?;
    }
    if let Some(reason) = reason {
        write!(out, " accepted='{}'", markup(reason))?;
    }
    writeln!(out, ">{}</ds:finding>", markup(&human::sentence(row)))?;
    let place = row.place;
    if let Some(path) = place.and_then(filename) {
        element(out, &inner, "filename", &path)?;
    }
    // Partitions count from one in DFXML.
    if let Some(number) = row.volume.filter(|number| *number > 0) {
        writeln!(out, "{inner}<partition>{number}</partition>")?;
    }
    if let Some(region) = region {
        let allocated = u8::from(region.is_live());
        writeln!(out, "{inner}<alloc>{allocated}</alloc>")?;
    }
    if let Some(inode) = place.and_then(|place| place.inode) {
        writeln!(out, "{inner}<inode>{inode}</inode>")?;
    }
    if let Some(bytes) = row.bytes {
        byte_runs(report, row, region, bytes, &inner, out)?;
    }
    writeln!(out, "{indent}</fileobject>")
}

/// Where the finding is; all that is known of it, if it is the residue of a whole class.
fn byte_runs(
    report: &Report,
    row: &Row<'_>,
    region: Option<Region>,
    (offset, length): (u64, u64),
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let of_class =
        |place: &&Place| row.place.is_none() && place.volume == row.volume && Some(place.region) == region;
    let mut runs: Vec<(u64, u64)> =
        report.residue.iter().filter(of_class).map(|place| (place.offset, place.length)).collect();
    if runs.is_empty() {
        runs.push((offset, length));
    }
    writeln!(out, "{indent}<byte_runs>")?;
    for (offset, length) in runs {
        // What lies in the container has no place in the image that the guest sees.
        let at = match (region, row.place.and_then(|place| place.file_offset)) {
            (Some(Region::Container), _) => format!("file_offset='{offset}'"),
            (_, Some(in_file)) => format!("file_offset='{in_file}' img_offset='{offset}'"),
            (_, None) => format!("img_offset='{offset}'"),
        };
        writeln!(out, "{indent}  <byte_run {at} len='{length}'/>")?;
    }
    writeln!(out, "{indent}</byte_runs>")
}

/// The path relative to the root of its volume, as DFXML has it, and the way into archives.
fn filename(place: &Place) -> Option<String> {
    let path = place.path.as_deref()?;
    let mut name = path.trim_start_matches('/').to_owned();
    for member in &place.inside {
        name.push_str(" > ");
        name.push_str(member);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn text(report: &Report) -> String {
        let mut out = Vec::new();
        dfxml(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_finding_is_a_fileobject() {
        let report = sample::report();
        let text = text(&report);
        let wanted = report.findings.len() + report.accepted.len();
        assert_eq!(text.matches("<fileobject>").count(), wanted);
        assert!(text.contains("<filename>root/.ssh/id_ed25519</filename>"), "{text}");
        assert!(text.contains("<byte_run file_offset='96' img_offset='354418688' len='399'/>"), "{text}");
        // In no volume: a gap, the container's two.
        assert_eq!(text.split("</volume>").last().unwrap().matches("<fileobject>").count(), 3);
    }

    #[test]
    fn names_cannot_leave_their_element() {
        let text = text(&sample::hostile());
        sample::assert_tame(&text);
        assert!(!text.contains("<script"), "{text}");
        // Four findings have a path now, and one of four lines is new.
        assert_eq!(text.lines().count(), self::text(&sample::report()).lines().count() + 8);
    }
}
