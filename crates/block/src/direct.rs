//! Reads what is stored, past the system's memory of it, to see what a write has come to.
//!
//! `O_DIRECT` where the filesystem has it; elsewhere the system is asked to forget its clean pages first, which is
//! the best there is.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
};

use rustix::fs::{Advice, OFlags, fadvise};

use crate::{
    BlockRead, Extent, PageBuffer, RawImage, ReadFailed, Run, device::check_range, to_u64, to_usize,
};

/// Reads of `O_DIRECT` start and end at multiples of this, or of the device's sector if that is larger.
const ALIGN: u64 = 4096;
/// Most bytes read at once into memory of our own; what is aligned is read to where it shall be, in one request.
const PIECE: u64 = 1 << 20;

/// A file or device of which nothing is remembered.
#[derive(Debug)]
pub struct DirectRead {
    /// For its size and its holes, and to read from where `O_DIRECT` is not to be had.
    plain: RawImage,
    direct: Option<File>,
    align: u64,
}

impl DirectRead {
    /// Reads `file`, which is open for reading, through an opening of its own. Every byte written to it must have been
    /// synced.
    pub fn new(file: &File) -> io::Result<Self> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let plain = RawImage::new(File::open(&path)?)?;
        fadvise(plain.file(), 0, None, Advice::DontNeed)?;
        let flags = i32::try_from(OFlags::DIRECT.bits()).expect("a flag of open(2) is an int");
        let direct = OpenOptions::new().read(true).custom_flags(flags).open(&path).ok();
        let sector = rustix::fs::ioctl_blksszget(file).map_or(ALIGN, u64::from);
        let mut this = Self { plain, direct, align: sector.max(ALIGN) };
        // Some filesystems take the flag and fail the reads.
        if this.size() > 0 && this.read_at(0, &mut [0]).is_err() {
            this.direct = None;
        }
        Ok(this)
    }

    fn read_direct(&self, file: &File, range: Extent, buf: &mut [u8]) -> io::Result<()> {
        let (mut at, mut done) = (range.start, 0);
        while at < range.end() {
            let whole = to_usize((range.end() - at) / self.align * self.align);
            if whole > 0 && at.is_multiple_of(self.align) && begins_at_a_block(&buf[done..]) {
                if read_up_to(file, &mut buf[done..done + whole], at)? < whole {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                done += whole;
                at += to_u64(whole);
                continue;
            }
            let start = at / self.align * self.align;
            let end = range.end().min(start + PIECE.max(self.align));
            let aligned = end.next_multiple_of(self.align);
            let mut piece = PageBuffer::new(to_usize(aligned - start));
            let got = read_up_to(file, &mut piece, start)?;
            let (from, to) = (to_usize(at - start), to_usize(end - start));
            if got < to {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buf[done..done + to - from].copy_from_slice(&piece[from..to]);
            done += to - from;
            at = end;
        }
        Ok(())
    }
}

/// Whether `O_DIRECT` can read to there.
fn begins_at_a_block(buf: &[u8]) -> bool {
    buf.as_ptr().align_offset(to_usize(ALIGN)) == 0
}

/// Reads until `buf` is full or the file ends. A part that ends within a block is at the file's end.
fn read_up_to(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buf, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(got) if got > 0 && got < buf.len() && got.is_multiple_of(to_usize(ALIGN)) => {
                return Ok(got + read_up_to(file, &mut buf[got..], offset + to_u64(got))?);
            }
            done => return done,
        }
    }
}

impl BlockRead for DirectRead {
    fn size(&self) -> u64 {
        self.plain.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size(), offset, buf.len())?;
        match &self.direct {
            Some(file) => {
                let range = Extent { start: offset, len: to_u64(buf.len()) };
                self.read_direct(file, range, buf).map_err(|error| ReadFailed::error(range, error))
            }
            None => self.plain.read_at(offset, buf),
        }
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        self.plain.run_at(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_of_a_file_of_odd_size() {
        let file = tempfile::NamedTempFile::new_in(".").unwrap();
        let bytes: Vec<u8> =
            (0..2_500_001u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        file.as_file().write_all_at(&bytes, 0).unwrap();
        file.as_file().sync_all().unwrap();
        let direct = DirectRead::new(file.as_file()).unwrap();
        assert_eq!(direct.size(), 2_500_001);
        for (start, len) in [
            (0, 1),
            (511, 2),
            (4095, 2),
            (4096, 4096),
            (0, 2_500_001),
            (8192, 2_000_000),
            (1_048_575, 1_048_578),
            (2_500_000, 1),
        ] {
            let mut buf = vec![0; len];
            direct.read_at(to_u64(start), &mut buf).unwrap();
            assert!(buf == bytes[start..start + len], "{start} + {len}");
            let mut buf = PageBuffer::new(len);
            direct.read_at(to_u64(start), &mut buf).unwrap();
            assert!(*buf == bytes[start..start + len], "{start} + {len}, to a page");
        }
        assert!(direct.read_at(2_500_000, &mut [0; 2]).is_err());
        file.as_file().write_all_at(b"changed", 4090).unwrap();
        file.as_file().sync_all().unwrap();
        let mut buf = [0; 7];
        direct.read_at(4090, &mut buf).unwrap();
        assert_eq!(&buf, b"changed");
    }
}
