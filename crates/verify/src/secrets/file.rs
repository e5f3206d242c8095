//! Secrets in the image's file, where the guest does not see them: in leaked and zeroed clusters, and on the disks of
//! internal snapshots.

use std::collections::HashSet;

use block::{BlockRead, Extent, ExtentSet, Image};
use filesystem::Result;
use scan::content::{Digest, Secret, Tier, sweep};

use super::{Finding, LISTED, Search};
use crate::{Place, Region};

/// What was found outside the disk.
#[derive(Debug, Default)]
pub struct InFile {
    /// Bytes that were searched.
    pub scanned: u64,
    /// What was found, in the order of files and offsets.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub unlisted: u64,
}

/// Searches the bytes of the image's files that are no part of the disk, and then the disks of `snapshots`, each with its
/// name. What a snapshot shares with what was found before is not told again. An offset in a file is that of the file;
/// one in a snapshot is that of its disk, and [`Place::inside`] names it.
pub fn secrets_in_file(
    image: &Image,
    snapshots: &[(String, Image)],
    search: Search<'_>,
    known: &[Finding],
) -> Result<InFile> {
    let mut seen: HashSet<String> = known
        .iter()
        .filter_map(|finding| match finding {
            Finding::Secret { digest, .. } => Some(digest.clone()),
            _ => None,
        })
        .collect();
    let mut result = InFile::default();
    for container in image.containers() {
        let mut unused = Vec::new();
        container.unused(&mut |extent, _| {
            unused.push(extent);
            Ok(())
        })?;
        let inside = match container.is_data_file() {
            false => Vec::new(),
            true => vec![block::printable(&container.path().to_string_lossy())],
        };
        let parts: ExtentSet = unused.into_iter().collect();
        result.scanned += find(container.file(), &parts, search, &mut |secret| {
            seen.insert(secret.digest.to_string());
            result.push(|| finding(&secret, inside.clone()));
        })?;
    }
    for (name, snapshot) in snapshots {
        let whole = [Extent { start: 0, len: snapshot.device.size() }].into_iter().collect();
        let mut fresh: HashSet<Digest> = HashSet::new();
        result.scanned += find(&*snapshot.device, &whole, search, &mut |secret| {
            if !seen.contains(&secret.digest.to_string()) && fresh.insert(secret.digest) {
                result.push(|| finding(&secret, vec![format!("snapshot {}", block::printable(name))]));
            }
        })?;
        seen.extend(fresh.iter().map(ToString::to_string));
    }
    Ok(result)
}

impl InFile {
    fn push(&mut self, finding: impl FnOnce() -> Finding) {
        if self.findings.len() < LISTED {
            self.findings.push(finding());
        } else {
            self.unlisted += 1;
        }
    }
}

/// What is told by context alone counts: nothing here is live.
fn find(
    device: &dyn BlockRead,
    parts: &ExtentSet,
    search: Search<'_>,
    visit: &mut dyn FnMut(Secret),
) -> Result<u64> {
    Ok(sweep(device, parts, search.scanner, search.key, search.workers, &mut |_| (), visit)?)
}

fn finding(secret: &Secret, inside: Vec<String>) -> Finding {
    let tier: Tier = secret.rule.tier;
    Finding::Secret {
        rule: secret.rule.id,
        tier,
        place: Place {
            volume: None,
            region: Region::Container,
            offset: secret.offset,
            length: secret.length,
            inode: None,
            path: None,
            file_offset: None,
            inside,
            was: None,
        },
        digest: secret.digest.to_string(),
    }
}
