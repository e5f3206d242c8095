//! A good image in memory, and a view of it that is patched: cheap to make, whatever the image's size.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt, path::Path, sync::Arc};

use block::{BlockRead, BlockWrite, Extent, Run, to_u64, to_usize};

use crate::parts::Part;

const PAGE: usize = 4096;
const PAGE_LEN: u64 = 4096;
type Page = Box<[u8; PAGE]>;

/// A good image. Pages of zeros take no memory.
pub struct Base {
    /// Its file's name.
    pub name: String,
    size: u64,
    pages: Arc<BTreeMap<u64, Page>>,
    /// Its structures: where it pays to patch.
    pub parts: Vec<Part>,
}

impl Base {
    /// Reads an image's file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut pages = BTreeMap::new();
        for number in 0..size.div_ceil(PAGE_LEN) {
            let start = number * PAGE_LEN;
            let mut page: Page = Box::new([0; PAGE]);
            file.read_exact_at(&mut page[..to_usize(PAGE_LEN.min(size - start))], start)?;
            if !block::is_zero(&*page) {
                pages.insert(number, page);
            }
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self { name: name.unwrap_or_default(), size, pages: Arc::new(pages), parts: Vec::new() })
    }

    /// The same image, its structures known.
    #[must_use]
    pub fn with(&self, parts: Vec<Part>) -> Self {
        Self { name: self.name.clone(), size: self.size, pages: Arc::clone(&self.pages), parts }
    }

    /// By what an input names it: the same on every machine that has an image of this name.
    #[must_use]
    pub fn id(&self) -> u32 {
        crc32fast::hash(self.name.as_bytes())
    }

    /// The stored pages' places.
    pub fn stored(&self) -> impl Iterator<Item = Extent> + '_ {
        self.pages
            .keys()
            .map(|number| Extent::between(number * PAGE_LEN, self.size.min((number + 1) * PAGE_LEN)))
    }
}

/// A base with patches over it.
pub struct Patched {
    base: &'static Base,
    pages: BTreeMap<u64, Page>,
}

impl Patched {
    /// Without patches yet.
    #[must_use]
    pub fn new(base: &'static Base) -> Self {
        Self { base, pages: BTreeMap::new() }
    }

    /// What is patched.
    #[must_use]
    pub fn base(&self) -> &'static Base {
        self.base
    }

    fn page(&self, number: u64) -> Option<&Page> {
        self.pages.get(&number).or_else(|| self.base.pages.get(&number))
    }

    /// Some bytes; `None` past the end.
    #[must_use]
    pub fn bytes(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_at(at, &mut bytes).is_ok().then_some(bytes)
    }

    /// A little-endian number of up to 8 bytes; 0 past the end.
    #[must_use]
    pub fn little(&self, at: u64, width: usize) -> u64 {
        self.bytes(at, width)
            .map_or(0, |bytes| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// The same, big-endian.
    #[must_use]
    pub fn big(&self, at: u64, width: usize) -> u64 {
        self.bytes(at, width).map_or(0, |bytes| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// Writes what fits.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        let len = self.size().saturating_sub(at).min(to_u64(bytes.len()));
        let _ = self.write_at(at, &bytes[..to_usize(len)]);
    }

    /// The whole image, to a file.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.base.size)?;
        for (number, page) in self.base.pages.iter().chain(&self.pages) {
            let start = number * PAGE_LEN;
            file.write_all_at(&page[..to_usize(PAGE_LEN.min(self.base.size - start))], start)?;
        }
        Ok(())
    }
}

fn checked(size: u64, offset: u64, len: usize) -> io::Result<()> {
    match offset.checked_add(to_u64(len)) {
        Some(end) if end <= size => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The parts of a range by pages: number, offset in the page, range in the buffer.
fn split(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + to_u64(done);
        let within = to_usize(at % PAGE_LEN);
        let part = done..len.min(done + PAGE - within);
        done = part.end;
        (!part.is_empty()).then_some((at / PAGE_LEN, within, part))
    })
}

impl BlockRead for Patched {
    fn size(&self) -> u64 {
        self.base.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        checked(self.size(), offset, buf.len())?;
        for (number, within, part) in split(offset, buf.len()) {
            match self.page(number) {
                Some(page) => buf[part.clone()].copy_from_slice(&page[within..within + part.len()]),
                None => buf[part].fill(0),
            }
        }
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        checked(self.size(), offset, 1)?;
        let number = offset / PAGE_LEN;
        if self.page(number).is_some() {
            let end = self.size().min((number + 1) * PAGE_LEN);
            return Ok(Run { len: end - offset, zero: false });
        }
        let next =
            [&self.pages, &*self.base.pages].into_iter().filter_map(|pages| pages.range(number..).next());
        let end = next.map(|(number, _)| number * PAGE_LEN).min().unwrap_or(u64::MAX).min(self.size());
        Ok(Run { len: end - offset, zero: true })
    }
}

impl BlockWrite for Patched {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        checked(self.size(), offset, data.len())?;
        for (number, within, part) in split(offset, data.len()) {
            let base = self.base;
            let page = self
                .pages
                .entry(number)
                .or_insert_with(|| base.pages.get(&number).cloned().unwrap_or_else(|| Box::new([0; PAGE])));
            page[within..within + part.len()].copy_from_slice(&data[part]);
        }
        Ok(())
    }
}
