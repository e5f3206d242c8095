//! fatfs reads the finished FAT. Our own checks have excluded cyclic chains, on which it would not end.

use std::{io::Read, sync::Arc};

use block::{BlockRead, Window};
use fatfs::{Dir, FileSystem, FsOptions, OemCpConverter};
use filesystem::{Content, Entry, FileKind, InodeId, Result, fat::cp437_letter};

use super::{
    Opinion, Reader,
    cursor::Cursor,
    guarded,
    tree::{Other, PIECE, Seen, compare},
};
use crate::{Names, Options};

type Disk = Cursor<Window<Arc<dyn BlockRead>>>;

struct View(FileSystem<Disk>);

/// The letters of 8.3 names, of which fatfs alone knows ASCII.
#[derive(Debug)]
struct CodePage;

impl OemCpConverter for CodePage {
    fn decode(&self, oem_char: u8) -> char {
        cp437_letter(oem_char)
    }

    fn encode(&self, uni_char: char) -> Option<u8> {
        (0..=u8::MAX).find(|&byte| cp437_letter(byte) == uni_char)
    }
}

/// The opinion of fatfs on a volume.
pub(crate) fn fat(window: &Window<Arc<dyn BlockRead>>, number: u32, asked: Options) -> Result<Opinion> {
    let mut outcome = Ok(());
    let opinion = guarded(Reader::Fatfs, Some(number), |opinion| {
        let options = || FsOptions::new().update_accessed_date(false).oem_cp_converter(&CodePage);
        let load = || FileSystem::new(Cursor::new(window.clone()), options());
        match load() {
            Ok(_) => match compare(
                &|| filesystem::open(window, Content::Fat),
                &|| load().map(View).map_err(|error| error.to_string()),
                asked,
            ) {
                Ok(compared) => opinion.take(compared),
                Err(error) => outcome = Err(error),
            },
            Err(error) => opinion.refused = Some(error.to_string()),
        }
    });
    outcome.map(|()| opinion)
}

impl View {
    fn dir(&self, path: &[u8]) -> Result<Dir<'_, Disk>, String> {
        let path = std::str::from_utf8(path).map_err(|error| error.to_string())?;
        match path.trim_matches('/') {
            "" => Ok(self.0.root_dir()),
            path => self.0.root_dir().open_dir(path).map_err(|error| error.to_string()),
        }
    }
}

/// What fatfs shows for half of a pair of UTF-16: U+FFFD.
const REPLACED: &[u8] = "\u{fffd}".as_bytes();

impl Other for View {
    /// Long names are UTF-16 of any kind. We show a half of a pair as its three bytes.
    fn shown(&self, name: &[u8]) -> Option<Vec<u8>> {
        if std::str::from_utf8(name).is_ok() {
            return None;
        }
        let mut shown = Vec::with_capacity(name.len());
        let mut rest = name;
        while let Some((&first, behind)) = rest.split_first() {
            rest = match rest {
                [0xed, 0xa0..=0xbf, _, behind @ ..] => {
                    shown.extend_from_slice(REPLACED);
                    behind
                }
                _ => {
                    shown.push(first);
                    behind
                }
            };
        }
        Some(shown)
    }

    /// The bits of Windows NT that ask for lower case change ASCII letters only for it.
    fn folded(name: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_ascii())?;
        Some(name.to_lowercase().into_bytes())
    }

    fn list(&mut self, dir: &[u8], _: &[Entry]) -> Result<Names<Seen>, String> {
        let mut entries = Vec::new();
        for entry in self.dir(dir)?.iter() {
            let entry = entry.map_err(|error| error.to_string())?;
            let name = entry.file_name().into_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = if entry.is_dir() { FileKind::Directory } else { FileKind::File };
            entries.push((name, Seen { kind, size: Some(entry.len()) }));
        }
        Ok(entries.into_iter().collect())
    }

    fn target(&mut self, _: &[u8]) -> Result<Vec<u8>, String> {
        Err("FAT has no symbolic links".to_owned())
    }

    fn content(
        &mut self,
        file: &[u8],
        _: InodeId,
        visit: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), String> {
        let path = std::str::from_utf8(file).map_err(|error| error.to_string())?;
        let mut file =
            self.0.root_dir().open_file(path.trim_matches('/')).map_err(|error| error.to_string())?;
        let mut buf = vec![0; PIECE];
        loop {
            let len = file.read(&mut buf).map_err(|error| error.to_string())?;
            if len == 0 || !visit(&buf[..len]) {
                return Ok(());
            }
        }
    }
}
