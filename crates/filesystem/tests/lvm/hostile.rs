//! Wrong bytes everywhere: an answer or a refusal, never a panic, and never a byte of the disk in two volumes.

use filesystem::{ExtentSet, layout};

use super::sample::{AREA, PV, group, linear, lv, pv, seal_header, seal_label, set_text};

fn text() -> String {
    let raid = "type = \"raid1\"\ndevice_count = 2\nraids = [\"r_rmeta_0\", \"r_rimage_0\", \"r_rmeta_1\", \"r_rimage_1\"]";
    let logical = [
        lv("root", true, &[(4, &linear(0, 0)), (1, &linear(0, 9))]),
        lv("s", true, &[(2, "type = \"striped\"\nstripe_size = 2\nstripes = [\"pv0\", 20, \"pv0\", 30]")]),
        lv("r", true, &[(2, raid)]),
        lv("r_rmeta_0", false, &[(1, &linear(0, 40))]),
        lv("r_rimage_0", false, &[(2, &linear(0, 41))]),
        lv("r_rmeta_1", false, &[(1, &linear(0, 44))]),
        lv("r_rimage_1", false, &[(2, &linear(0, 45))]),
    ];
    group(1, &logical.concat())
}

/// If it is read, every byte is in one place.
fn judge(image: &Vec<u8>, what: &dyn Fn() -> String) {
    let Ok(found) = layout(image, None) else { return };
    let places = found.volumes.iter().flat_map(filesystem::Volume::places).copied();
    assert!(ExtentSet::disjoint(places.collect()).is_ok(), "{}", what());
    let end = u64::try_from(image.len()).unwrap();
    assert!(found.volumes.iter().flat_map(filesystem::Volume::places).all(|place| place.end() <= end));
}

#[test]
fn every_byte_of_label_and_header() {
    let good = pv(PV[0], 64, Some(&text()));
    type Seal = fn(&mut [u8]);
    let seals: [Seal; 2] = [seal_label, seal_header];
    for (range, seal) in [512..1024, AREA..AREA + 512].into_iter().zip(seals) {
        for at in range {
            for value in [0, 1, 0x7f, 0xff] {
                let mut image = good.clone();
                image[at] = value;
                judge(&image, &|| format!("byte {at} is {value}"));
                seal(&mut image);
                judge(&image, &|| format!("byte {at} is {value}, sealed"));
            }
        }
    }
}

#[test]
fn every_byte_of_the_text() {
    let good = text();
    let mut image = pv(PV[0], 64, Some(&good));
    for at in 0..good.len() {
        for value in ["9", "\"", "}", "0", "[", "", "\n#"] {
            let mut changed = good.clone();
            changed.replace_range(at..=at, value);
            set_text(&mut image, 512, &changed);
            judge(&image, &|| format!("byte {at} of the text is {value:?}"));
        }
    }
}
