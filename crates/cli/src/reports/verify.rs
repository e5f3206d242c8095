//! What `verify` found, as a report.

use report::{Cell, Coverage, Extent, Map, Report, Total, Volume};
use verify::{ClassTotal, Examination};

/// The examination in the words of every command's report.
pub(crate) fn examined(begun: Report, examination: &Examination) -> Report {
    let totals = |volume: Option<u32>, classes: &[ClassTotal]| -> Vec<Total> {
        let total = |class: &ClassTotal| Total {
            volume,
            region: class.region,
            bytes: class.bytes,
            non_zero: class.non_zero,
        };
        classes.iter().map(total).collect()
    };
    let of_volumes = examination.volumes.iter().map(|volume| totals(Some(volume.number), &volume.classes));
    let totals: Vec<Total> = of_volumes.chain([totals(None, &examination.outside)]).flatten().collect();
    let volumes = examination.volumes.iter().map(|volume| Volume {
        number: volume.number,
        content: volume.content.clone(),
        type_name: volume.type_name.clone(),
        name: volume.name.clone(),
        label: volume.label.clone(),
        uuid: String::new(),
        dirty: volume.dirty,
        accounted: volume.accounted,
        extents: vec![Extent { start: volume.start, length: volume.size }],
    });
    let live = totals.iter().filter(|total| total.region.is_live()).map(|total| total.bytes).sum();
    let cells = examination.map.cells.iter();
    Report {
        table: Some(examination.table.clone()),
        sector_size: Some(examination.sector_size),
        volumes: volumes.collect(),
        coverage: Coverage { live, ..Coverage::default() },
        map: Some(Map {
            cell_size: examination.map.cell,
            cells: cells.map(|cell| Cell { region: cell.region, residue: cell.residue }).collect(),
        }),
        totals,
        findings: examination.findings.clone(),
        residue: examination.residue.clone(),
        unlisted: examination.unlisted,
        opinions: examination.opinions.clone(),
        notes: examination.notes.iter().map(ToString::to_string).collect(),
        ..begun
    }
}
