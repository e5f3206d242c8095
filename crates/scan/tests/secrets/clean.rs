//! What the rules find where nothing should be: a tree that a distribution installed. Off unless `DISKSCRUB_CLEAN_ROOT`
//! names one or more, separated by colons.

use std::{collections::BTreeMap, fs, path::Path};

use scan::content::{LOOK_AHEAD, LOOK_BACK, Tier};

use super::{scanner, walk};

/// Scanned at a time; files may be larger than memory.
const PIECE: usize = 32 << 20;

#[test]
fn clean_roots() {
    let Ok(roots) = std::env::var("DISKSCRUB_CLEAN_ROOT") else {
        println!("not run: DISKSCRUB_CLEAN_ROOT names no tree");
        return;
    };
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut by_rule: BTreeMap<(Tier, &str), Vec<String>> = BTreeMap::new();
    let mut scanner = scanner();
    for root in roots.split(':') {
        walk(Path::new(root), &mut |path| {
            let Ok(content) = fs::read(path) else { return };
            files += 1;
            bytes += u64::try_from(content.len()).unwrap();
            for start in (0..content.len()).step_by(PIECE) {
                let end = (start + PIECE).min(content.len());
                let (from, to) = (start.saturating_sub(LOOK_BACK), (end + LOOK_AHEAD).min(content.len()));
                scanner.scan(&content[from..to], start - from..end - from, &mut |hit| {
                    let place = format!("{} at {}", path.display(), from + hit.secret.start);
                    by_rule.entry((hit.rule.tier, hit.rule.id)).or_default().push(place);
                });
            }
        });
    }
    println!("{files} files, {bytes} bytes");
    for ((tier, rule), places) in &by_rule {
        println!("| {tier} | {rule} | {} |", places.len());
        let shown = if *tier == Tier::Context { 0 } else { 40 };
        for place in places.iter().take(shown) {
            println!("    {place}");
        }
    }
}
