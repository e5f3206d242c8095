//! The volumes of a disk as their filesystems mean them: a journal that has to be replayed is, in memory. The image is
//! never written.

use std::{io, sync::Arc};

use block::{BlockRead, Extent, Overlay, Run, Window, to_u64, to_usize};
use filesystem::{Content, Error, Filesystem, Layout, Recovery, Result, Summary, Volume, xfs::Xfs};

use crate::Note;

/// One volume's bytes, and what is on them.
struct View {
    device: Arc<dyn BlockRead>,
    content: Content,
    summary: Summary,
}

/// A view of each volume that holds something that can be read.
#[derive(Default)]
pub struct Views(Vec<Option<View>>);

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|view| view.as_ref().map(|view| &view.summary))).finish()
    }
}

impl Views {
    /// Opens what can be opened, and replays what has to be. What cannot is noted. Fails only if the medium does.
    pub fn of(device: &Arc<dyn BlockRead>, layout: &Layout, notes: &mut Vec<Note>) -> Result<Self> {
        let mut views = Vec::with_capacity(layout.volumes.len());
        for volume in &layout.volumes {
            let mut say = |text: String| notes.push(Note { volume: Some(volume.number), text });
            views.push(match volume.content {
                Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
                    match view(device, volume, &mut say) {
                        Ok(view) => Some(view),
                        Err(error @ Error::Io(_)) => return Err(error),
                        Err(error) => {
                            say(format!("cannot be opened: {error}"));
                            None
                        }
                    }
                }
                _ => None,
            });
        }
        Ok(Self(views))
    }

    fn get(&self, volume: usize) -> Option<&View> {
        self.0.get(volume)?.as_ref()
    }

    /// The filesystem of a volume, by its index in the layout; `None` if it has none that can be read.
    #[must_use]
    pub fn filesystem(&self, volume: usize) -> Option<Result<Box<dyn Filesystem + '_>>> {
        let view = self.get(volume)?;
        Some(filesystem::open(&view.device, view.content))
    }

    /// The bytes of a volume, journal replayed, by its index in the layout.
    #[must_use]
    pub fn device(&self, volume: usize) -> Option<&Arc<dyn BlockRead>> {
        Some(&self.get(volume)?.device)
    }

    /// What a volume's filesystem said of itself before its journal was replayed.
    #[must_use]
    pub fn summary(&self, volume: usize) -> Option<&Summary> {
        Some(&self.get(volume)?.summary)
    }
}

/// A volume whose log was replayed, and lies there as before.
struct Spliced<R, P> {
    replayed: R,
    plain: P,
    log: Extent,
}

impl<R: BlockRead, P: BlockRead> BlockRead for Spliced<R, P> {
    fn size(&self) -> u64 {
        self.replayed.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.replayed.read_at(offset, buf)?;
        let log = Extent { start: offset, len: to_u64(buf.len()) }.intersect(self.log);
        if log.is_empty() {
            return Ok(());
        }
        let start = to_usize(log.start - offset);
        self.plain.read_at(log.start, &mut buf[start..start + to_usize(log.len)])
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        if self.log.contains_byte(offset) {
            let run = self.plain.run_at(offset)?;
            return Ok(Run { len: run.len.min(self.log.end() - offset), ..run });
        }
        let run = self.replayed.run_at(offset)?;
        let len = if offset < self.log.start { run.len.min(self.log.start - offset) } else { run.len };
        Ok(Run { len, ..run })
    }
}

fn view(device: &Arc<dyn BlockRead>, volume: &Volume, say: &mut dyn FnMut(String)) -> Result<View> {
    let content = volume.content;
    let window = || Window::new(Arc::clone(device), &volume.extents);
    let summary = filesystem::open(window()?, content)?.summary()?;
    summary.notes.iter().for_each(|note| say(note.clone()));
    let plain: Arc<dyn BlockRead> = Arc::new(window()?);
    if !summary.dirty || content == Content::Swap {
        return Ok(View { device: plain, content, summary });
    }
    let mut overlay = Overlay::new(window()?);
    let outcome = filesystem::open_mut(&mut overlay, content).and_then(|mut filesystem| filesystem.recover());
    let device: Arc<dyn BlockRead> = match outcome {
        Ok(Recovery { transactions, orphans, .. }) => {
            say(format!(
                "was not unmounted: read with its journal replayed in memory ({transactions} transactions, {orphans} orphans)"
            ));
            // The replay of XFS empties the log, but in the image it still is what it was: residue with a past.
            match content {
                Content::Xfs => {
                    let plain = window()?;
                    let log = Xfs::open(&plain)?.log_extent()?.0;
                    Arc::new(Spliced { replayed: overlay, plain, log })
                }
                _ => Arc::new(overlay),
            }
        }
        Err(error @ Error::Io(_)) => return Err(error),
        // Half a replay is worse than none.
        Err(error) => {
            say(format!(
                "was not unmounted, and is read as it lies: its journal cannot be replayed: {error}"
            ));
            plain
        }
    };
    Ok(View { device, content, summary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_run_of_a_volume_with_its_log() {
        let (replayed, plain) = (vec![1u8; 64], (0..64).collect::<Vec<u8>>());
        for (start, len) in [(0, 8), (20, 20), (40, 24), (63, 1)] {
            let log = Extent { start, len };
            let spliced = Spliced { replayed: replayed.clone(), plain: plain.clone(), log };
            for from in 0..64 {
                let run = spliced.run_at(from).unwrap();
                assert!(run.len > 0 && from + run.len <= 64);
                let ends = [log.start, log.end()];
                assert!(ends.iter().all(|end| !(from + 1..from + run.len).contains(end) || *end <= from));
                for to in from..=64 {
                    let mut buf = vec![0; to_usize(to - from)];
                    spliced.read_at(from, &mut buf).unwrap();
                    for (at, byte) in (from..to).zip(buf) {
                        let expected = if log.contains_byte(at) { plain[to_usize(at)] } else { 1 };
                        assert_eq!(byte, expected);
                    }
                }
            }
        }
    }
}
