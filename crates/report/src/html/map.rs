//! The disk map as SVG. Residue is hatched and findings are dots, so that nothing is told by colour alone.

use verify::Region;

use crate::{
    Report,
    human::known_count,
    map::{self, Spot},
    size,
    text::{line, markup},
};

/// Width of the picture, and how many cells it has at most.
const WIDTH: usize = 1024;
const MOST: usize = 4096;
/// Width of a cell, if there are many and if there are few; each divides [`WIDTH`]. Height of every cell.
const NARROW: usize = 8;
const BROAD: usize = 16;
const HEIGHT: usize = 13;
/// The space for offsets on the left.
const MARGIN: usize = 76;
/// Height of the strip of volumes, and of the space below it.
const STRIP: usize = 24;
const SPACE: usize = 8;

/// The class that style.css colours, and its words in the legend.
const KINDS: [(&str, &str); 8] = [
    ("file", "content of files"),
    ("metadata", "metadata"),
    ("boot", "boot code"),
    ("journal", "journal"),
    ("swap", "swap"),
    ("opaque", "cannot be read"),
    ("unowned", "allocated, not owned"),
    ("unused", "free or unused"),
];

const fn kind(region: Region) -> &'static str {
    match region {
        Region::File => "file",
        Region::Metadata => "metadata",
        Region::BootCode => "boot",
        Region::Journal => "journal",
        Region::Swap => "swap",
        Region::Opaque => "opaque",
        Region::Unowned | Region::OwnedButFree => "unowned",
        Region::Gap
        | Region::Free
        | Region::Unwritten
        | Region::Slack
        | Region::DeadInode
        | Region::DirectoryTail
        | Region::MetadataTail
        | Region::Reserved
        | Region::Unmapped
        | Region::OldMetadata
        | Region::Empty
        | Region::Container => "unused",
    }
}

/// Appends the map and its legend, if the report has one.
pub(super) fn section(page: &mut String, report: &Report) {
    let Some(disk) = report.map.as_ref().filter(|map| !map.cells.is_empty()) else { return };
    let (each, spots) = map::picture(disk, &report.findings, MOST);
    let across = if spots.len() > MOST / 4 { NARROW } else { BROAD };
    let columns = WIDTH / across;
    let (width, height) = (MARGIN + WIDTH, STRIP + SPACE + spots.len().div_ceil(columns) * HEIGHT + 1);
    line!(page, "<h2>Disk map</h2>\n<div class=\"card\">");
    line!(
        page,
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Disk map, {} a cell\">",
        size(each)
    );
    line!(
        page,
        "<defs><pattern id=\"hatch\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"hatch\" width=\"4\" height=\"4\"/>\
         <path class=\"stripe\" d=\"M0 0V4\"/></pattern></defs>"
    );
    strip(page, report);
    for (row, spots) in spots.chunks(columns).enumerate() {
        let top = STRIP + SPACE + row * HEIGHT;
        let start = each.saturating_mul(known_count(row * columns));
        line!(
            page,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            MARGIN - 8,
            top + 10,
            size(start)
        );
        cells(page, spots, start, each, (across, top));
    }
    line!(page, "</svg>");
    legend(page, &spots, each);
    line!(page, "</div>");
}

/// The volumes as boxes over the width of the disk.
fn strip(page: &mut String, report: &Report) {
    let whole = u128::from(report.image.size.max(1));
    let scale = |bytes: u64| {
        let scaled = u128::from(bytes) * known_u128(WIDTH) / whole;
        usize::try_from(scaled).unwrap_or(WIDTH).min(WIDTH)
    };
    line!(page, "<text x=\"{}\" y=\"16\" text-anchor=\"end\">volumes</text>", MARGIN - 8);
    for volume in &report.volumes {
        for extent in &volume.extents {
            let left = scale(extent.start);
            let width = (scale(extent.start.saturating_add(extent.length)) - left).max(2);
            let words = [volume.logical_name(), &volume.content, &volume.label];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            let name = markup(&format!("{} {}", volume.number, words.join(" ")));
            line!(
                page,
                "<g><title>volume {name}, {} at {}</title><rect class=\"volume\" x=\"{}\" y=\"1\" width=\"{width}\" \
                 height=\"{}\" rx=\"3\"/>",
                size(extent.length),
                size(extent.start),
                MARGIN + left,
                STRIP - 4
            );
            // A name that does not fit its box (at some 7 units a character) is in the tooltip only.
            let short = visible_words(volume.number, &volume.content);
            let named = if name.chars().count() * 7 < width { name } else { short };
            if named.chars().count() * 7 < width {
                line!(page, "<text x=\"{}\" y=\"15\">{named}</text>", MARGIN + left + 5);
            }
            line!(page, "</g>");
        }
    }
}

fn visible_words(number: u32, content: &str) -> String {
    markup(&format!("{number} {content}"))
}

fn known_u128(number: usize) -> u128 {
    u128::from(known_count(number))
}

/// One row: neighbours that look alike are one box.
fn cells(page: &mut String, spots: &[Spot], start: u64, each: u64, (across, top): (usize, usize)) {
    let alike = |a: &Spot, b: &Spot| a.region == b.region && (a.residue > 0) == (b.residue > 0);
    let mut column = 0;
    for run in spots.chunk_by(alike) {
        let (first, residue) = (run[0], run.iter().map(|spot| spot.residue).fold(0, u64::saturating_add));
        let from = start.saturating_add(each.saturating_mul(known_count(column)));
        let length = each.saturating_mul(known_count(run.len()));
        let (left, width) = (MARGIN + column * across, run.len() * across);
        let more = if residue > 0 { format!(", {} of residue", size(residue)) } else { String::new() };
        line!(
            page,
            "<g><title>{} at {}: {}{more}</title><rect class=\"{}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" \
             height=\"{}\"/>",
            size(length),
            size(from),
            first.region.name(),
            kind(first.region),
            HEIGHT - 1
        );
        if residue > 0 {
            // The colour of the class stays as a line, so that one sees what the residue is in.
            line!(
                page,
                "<rect fill=\"url(#hatch)\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{}\"/>",
                HEIGHT - 3
            );
        }
        line!(page, "</g>");
        column += run.len();
    }
    for (column, spot) in spots.iter().enumerate().filter(|(_, spot)| spot.findings > 0) {
        line!(
            page,
            "<circle class=\"mark\" cx=\"{}\" cy=\"{}\" r=\"4\"><title>{}</title></circle>",
            MARGIN + column * across + across / 2,
            top + HEIGHT / 2,
            crate::count(spot.findings, "finding")
        );
    }
}

fn legend(page: &mut String, spots: &[Spot], each: u64) {
    let item = |page: &mut String, shape: &str, words: &str| {
        line!(page, "<span><svg viewBox=\"0 0 15 15\" aria-hidden=\"true\">{shape}</svg>{words}</span>");
    };
    line!(page, "<div class=\"legend\">");
    for (class, words) in KINDS {
        if spots.iter().any(|spot| kind(spot.region) == class) {
            let shape = format!("<rect class=\"{class}\" width=\"15\" height=\"15\" rx=\"2\"/>");
            item(page, &shape, words);
        }
    }
    if spots.iter().any(|spot| spot.residue > 0) {
        item(page, "<rect fill=\"url(#hatch)\" width=\"15\" height=\"15\" rx=\"2\"/>", "<b>residue</b>");
    }
    if spots.iter().any(|spot| spot.findings > 0) {
        item(page, "<circle class=\"mark\" cx=\"7.5\" cy=\"7.5\" r=\"5\"/>", "<b>a finding</b>");
    }
    line!(page, "<span class=\"dim\">{} a cell</span>\n</div>", size(each));
}
