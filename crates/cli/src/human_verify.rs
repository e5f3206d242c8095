//! The report of `verify` for people: what each volume is made of, what was found, and a map of the disk.

use std::{fmt::Write, path::Path};

use verify::{ClassTotal, Examination, Picture, Place, Region};

use crate::human::{count, line, size};

/// Runs of residue shown of a long list.
const SHOWN: usize = 20;
/// Cells in a line of the map.
const WIDTH: usize = 64;

/// What an image is made of, and what was found in it.
pub(crate) fn examination(examination: &Examination, image: &Path) -> String {
    let mut text = String::new();
    let Examination { table, sector_size, .. } = examination;
    line!(text, "{table}, {} disk, sectors of {sector_size} bytes", size(examination.size));
    for volume in &examination.volumes {
        let mut facts = vec![size(volume.size)];
        facts.extend((!volume.name.is_empty()).then(|| format!("{:?}", volume.name)));
        facts.extend((!volume.label.is_empty()).then(|| format!("label {:?}", volume.label)));
        facts.extend(volume.dirty.then(|| "journal to be replayed".to_owned()));
        line!(text, "\nVolume {}, {}, {}:", volume.number, volume.content, facts.join(", "));
        classes(&mut text, &volume.classes);
    }
    if !examination.outside.is_empty() {
        line!(text, "\nOutside volumes:");
        classes(&mut text, &examination.outside);
    }
    map(&mut text, &examination.map);
    if !examination.notes.is_empty() {
        line!(text, "\nTo know:");
        examination.notes.iter().for_each(|note| line!(text, "  {note}"));
    }
    line!(text, "\nOther readers:");
    if examination.opinions.is_empty() {
        line!(text, "  none can read what is there");
    }
    for opinion in &examination.opinions {
        let volume = opinion.volume.map_or_else(|| "table".to_owned(), |number| format!("volume {number}"));
        match &opinion.refused {
            Some(why) => line!(text, "  {} has no opinion on {volume}: {why}", opinion.reader),
            None if !opinion.differences.is_empty() => {
                line!(text, "  {} disagrees on {volume}", opinion.reader);
            }
            None => {
                line!(text, "  {} agrees on {volume}: {}", opinion.reader, count(opinion.compared, "name"));
            }
        }
    }
    residue(&mut text, &examination.residue, examination.unlisted);
    if examination.findings.is_empty() {
        line!(text, "\n{}: nothing is left where nothing should be.", image.display());
    } else {
        line!(text, "\n{}:", count(block::to_u64(examination.findings.len()), "finding"));
        examination.findings.iter().for_each(|finding| line!(text, "  FOUND {finding}"));
    }
    text
}

fn classes(text: &mut String, classes: &[ClassTotal]) {
    for class in classes {
        let non_zero = match class.non_zero {
            None => String::new(),
            Some(0) => "all zero".to_owned(),
            Some(bytes) => format!("{} not zero", size(bytes)),
        };
        let line = format!("  {:14}  {:>10}  {non_zero}", class.region.name(), size(class.bytes));
        line!(text, "{}", line.trim_end());
    }
}

fn map(text: &mut String, picture: &Picture) {
    line!(text, "\nMap, {} a letter, upper case where residue is:", size(picture.cell));
    let letters = picture.letters();
    let mut rest = &*letters;
    while !rest.is_empty() {
        // Letters are ASCII.
        let (row, below) = rest.split_at(rest.len().min(WIDTH));
        line!(text, "  {row}");
        rest = below;
    }
    let met = Region::ALL.iter().filter(|region| picture.cells.iter().any(|cell| cell.region == **region));
    let legend: Vec<String> = met.map(|region| format!("{} {}", region.letter(), region.name())).collect();
    line!(text, "  ({})", legend.join(", "));
}

fn residue(text: &mut String, places: &[Place], unlisted: u64) {
    if places.is_empty() {
        return;
    }
    line!(text, "\nResidue:");
    places.iter().take(SHOWN).for_each(|place| line!(text, "  {place}"));
    let more = block::to_u64(places.len().saturating_sub(SHOWN)) + unlisted;
    if more > 0 {
        line!(text, "  and {more} more (--json lists up to 256 of each class of each volume)");
    }
}
