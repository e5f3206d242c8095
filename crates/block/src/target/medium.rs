//! A file or block device as a medium. Writes go where they are told, and nowhere else.

use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use crate::{
    BlockRead, DirectRead, Extent, Medium, device::check_range, medium::write_zeros, write::Writeback,
};

/// Holes of files are whole blocks of this many bytes on all filesystems that matter.
const FILE_BLOCK: u64 = 4096;

/// See [`Medium`].
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    size: u64,
    device: bool,
    /// What can be zeroed or discarded at once.
    block: u64,
    discards: bool,
    /// Made by each flush: what it reads is from behind it.
    reader: Option<DirectRead>,
    writeback: Writeback,
}

impl FileMedium {
    pub(super) fn new(file: File, size: u64, device: bool) -> io::Result<Self> {
        let block = if device {
            rustix::fs::ioctl_blksszget(&file).map_or(FILE_BLOCK, u64::from)
        } else {
            FILE_BLOCK
        };
        let discards = match device {
            true => discard_limit(&file)? > 0,
            // Behind the end there is nothing to punch: only whether the filesystem knows how is found out.
            false => punch(&file, Extent { start: size.next_multiple_of(block), len: block }).is_ok(),
        };
        Ok(Self { file, size, device, block, discards, reader: None, writeback: Writeback::new() })
    }
}

/// Bytes that the device discards at once at most, to read as zero from then on; 0: it does not.
fn discard_limit(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let number = file.metadata()?.rdev();
    let folder = format!("/sys/dev/block/{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
    // A partition has the queue of its disk.
    let read = |path: String| std::fs::read_to_string(path).ok();
    let limit = |name: &str| -> u64 {
        let text =
            read(format!("{folder}/queue/{name}")).or_else(|| read(format!("{folder}/../queue/{name}")));
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    // Only zeros that the device makes itself give storage back and are sure to be zeros: see `punch`.
    Ok(limit("discard_max_bytes").min(limit("write_zeroes_max_bytes")))
}

/// On a file, a hole; on a device, a discard after which zeros are guaranteed (block/fops.c, blkdev_fallocate).
fn punch(file: &File, extent: Extent) -> io::Result<()> {
    let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, mode, extent.start, extent.len)?)
}

impl Medium for FileMedium {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buf.len())?;
        match &self.reader {
            Some(reader) => reader.read_at(offset, buf),
            None => self.file.read_exact_at(buf, offset),
        }
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_range(self.size, offset, data.len())?;
        self.reader = None;
        self.file.write_all_at(data, offset)?;
        self.writeback.wrote(&self.file, offset, data.len());
        Ok(())
    }

    /// fdatasync(2) also has the device empty its cache.
    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.reader = Some(DirectRead::new(&self.file)?);
        Ok(())
    }

    fn discard(&mut self, extent: Extent) -> io::Result<()> {
        self.reader = None;
        punch(&self.file, extent)
    }

    fn discard_block(&self) -> Option<u64> {
        self.discards.then_some(self.block)
    }

    fn zero(&mut self, extent: Extent) -> io::Result<()> {
        self.reader = None;
        let inside = Extent::between(
            extent.start.next_multiple_of(self.block).min(extent.end()),
            extent.end() / self.block * self.block,
        );
        if inside.is_empty() || !self.device {
            return write_zeros(self, extent);
        }
        match fallocate(
            &self.file,
            FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE,
            inside.start,
            inside.len,
        ) {
            Ok(()) => {
                write_zeros(self, Extent::between(extent.start, inside.start))?;
                write_zeros(self, Extent::between(inside.end(), extent.end()))
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, extent),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_holes_and_zeros() {
        let file = tempfile::NamedTempFile::new_in(".").unwrap();
        file.as_file().write_all_at(&[7; 40_000], 0).unwrap();
        let mut medium = crate::Target::open(file.path()).unwrap().medium().unwrap();
        medium.write_at(100, b"abc").unwrap();
        medium.zero(Extent { start: 5000, len: 10_000 }).unwrap();
        if let Some(block) = medium.discard_block() {
            medium.discard(Extent { start: 20_480, len: block }).unwrap();
        } else {
            medium.zero(Extent { start: 20_480, len: 4096 }).unwrap();
        }
        medium.flush().unwrap();
        let mut expected = vec![7; 40_000];
        expected[100..103].copy_from_slice(b"abc");
        expected[5000..15_000].fill(0);
        expected[20_480..24_576].fill(0);
        let mut found = vec![1; 40_000];
        medium.read_at(0, &mut found).unwrap();
        assert!(found == expected);
        assert!(std::fs::read(file.path()).unwrap() == expected);
        assert!(medium.write_at(39_999, &[0; 2]).is_err());
    }
}
