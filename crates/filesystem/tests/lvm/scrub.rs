//! What stays in a physical volume, and what does not.

use filesystem::{Content, ExtentSet, Tail, layout, scrub_table, table_tails};

use super::sample::{
    AREA, DATA, EXTENT, PV, group, linear, lv, put, put64, pv, seal_header, seal_label, set_text,
};

fn tails(image: &Vec<u8>) -> Vec<(u64, Tail)> {
    let mut tails = Vec::new();
    let found = layout(image, None).unwrap();
    table_tails(image, &found, &mut |extent, tail| {
        tails.push((extent.start, tail));
        Ok(())
    })
    .unwrap();
    tails
}

/// Live bytes after a scrub, zero elsewhere: what the sanitizer writes of a disk whose volumes are all empty.
pub(crate) fn clean(image: &[u8]) -> Vec<u8> {
    let mut view = image.to_vec();
    let found = layout(&view, None).unwrap();
    assert!(found.volumes.iter().all(|volume| volume.reason.is_none()));
    scrub_table(&mut view, &found).unwrap();
    assert_eq!(tails(&view), [], "what the scrub left");
    assert_eq!(scrub_table(&mut view.clone(), &found).unwrap(), 0, "done twice");
    let volumes = found.volumes.iter().filter(|volume| volume.content != Content::Lvm2);
    let live: ExtentSet = volumes
        .flat_map(filesystem::Volume::places)
        .copied()
        .chain(found.live.iter().map(|region| region.extent))
        .collect();
    let mut copy = vec![0; view.len()];
    for extent in live.iter() {
        let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
        copy[range.clone()].copy_from_slice(&view[range]);
    }
    assert_eq!(layout(&copy, None).unwrap(), found, "the same layout");
    copy
}

#[test]
fn only_the_current_text_stays() {
    let text = group(1, &lv("root", true, &[(4, &linear(0, 0))]));
    let mut image = vec![b'R'; 0];
    image.extend(pv(PV[0], 64, None));
    for (at, byte) in image.iter_mut().enumerate() {
        let kept = (512..1024).contains(&at) || (AREA..AREA + 512).contains(&at);
        *byte = if kept { *byte } else { b'R' };
    }
    // Old texts, a text that was being written, and bytes behind the fields.
    put(&mut image, AREA + 512, b"oldvg { tags = [\"RRR\"] }");
    put64(&mut image, AREA + 64, 9000);
    put64(&mut image, AREA + 72, 100);
    put(&mut image, 512 + 400, b"RR");
    put(&mut image, AREA + 300, b"RR");
    set_text(&mut image, 20_480, &text);
    image[DATA..DATA + 4 * EXTENT].fill(0);
    seal_label(&mut image);
    seal_header(&mut image);
    let kinds: Vec<u64> = tails(&image).iter().map(|(start, _)| *start).collect();
    assert_eq!(kinds[..2], [912, 4096 + 64]);
    assert_eq!(kinds.len(), 4, "description and host besides");
    let copy = clean(&image);
    assert!(!copy.contains(&b'R') || !copy.windows(2).any(|pair| pair == b"RR"));
    let said = String::from_utf8_lossy(&copy);
    assert!(!said.contains("SECRET") && said.contains("t-vg {"));
    assert!(said.contains("description = \"\"") && said.contains("creation_host = \"\""));
    assert_eq!(clean(&copy), copy);
}

/// An area that is switched off keeps its flag, not its text.
#[test]
fn an_ignored_area_is_emptied() {
    let text = group(2, &lv("root", true, &[(4, &linear(0, 0))]));
    let first = pv(PV[0], 64, Some(&text));
    let mut second = pv(PV[1], 64, Some(&text));
    second[AREA + 60] = 1;
    seal_header(&mut second);
    let image = super::sample::disk(&[&first, &second]);
    let copy = clean(&image);
    let base = (1 << 20) + first.len() + AREA;
    assert_eq!(copy[base + 40..base + 64], [&[0; 20][..], &[1, 0, 0, 0]].concat());
    assert!(copy[base + 512..base + 60 * 1024].iter().all(|&byte| byte == 0));
}
