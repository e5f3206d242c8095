//! A raw image written over what a medium held before. Nothing of the old content is left, behind the image's end either.
//!
//! The first mebibyte, with the partition table and the boot code, comes last: a device that holds half an image does
//! not look like one.

use std::io;

use super::{Order, sink};
use crate::{Extent, ImageWriter, Medium, to_u64, to_usize};

/// Bytes from the front of a device that are written last: without them it holds no image.
pub const FRONT: u64 = 1 << 20;
/// Zeros within written data are not worth a request of their own below this many bytes.
const GAP: u64 = 128 << 10;

/// Writes a raw image to a medium of at least its size.
pub struct DeviceWriter {
    medium: Box<dyn Medium>,
    order: Order,
    /// Up to where the medium is as it shall be, the front apart; `None`: untouched.
    written: Option<u64>,
    front: Vec<u8>,
}

impl DeviceWriter {
    /// An image of `virtual_size` bytes; the rest of the medium becomes zero. Nothing is written yet.
    pub fn new(medium: Box<dyn Medium>, virtual_size: u64) -> io::Result<Self> {
        if virtual_size > medium.size() {
            let (needed, found) = (virtual_size, medium.size());
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the image needs {needed} bytes, the device has {found}"),
            ));
        }
        let front = Extent::between(0, FRONT.min(medium.size()));
        let order = Order::new(virtual_size);
        Ok(Self { medium, order, written: None, front: vec![0; to_usize(front.len)] })
    }

    /// Makes the front zero before anything else is written, and says up to where the medium is as it shall be.
    fn written(&mut self) -> io::Result<u64> {
        if let Some(written) = self.written {
            return Ok(written);
        }
        let front = Extent::between(0, to_u64(self.front.len()));
        let cleared = self.medium.zero(front).and_then(|()| self.medium.flush());
        cleared.map_err(|error| sink::explain(&error, 0))?;
        self.written = Some(front.end());
        Ok(front.end())
    }

    /// Zeros from what was written last up to `end`.
    fn skip_to(&mut self, end: u64) -> io::Result<()> {
        let written = self.written()?;
        if end > written {
            let gap = Extent::between(written, end);
            let zeroed = match gap.len {
                ..GAP => crate::write_zeros(&mut *self.medium, gap),
                _ => self.medium.zero(gap),
            };
            zeroed.map_err(|error| sink::explain(&error, gap.start))?;
            self.written = Some(end);
        }
        Ok(())
    }
}

impl ImageWriter for DeviceWriter {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.order.advance(offset, data.len())?;
        self.written()?;
        let range = Extent { start: offset, len: to_u64(data.len()) };
        let front = range.intersect(Extent::between(0, to_u64(self.front.len())));
        let len = to_usize(front.len);
        if len > 0 {
            self.front[to_usize(front.start)..to_usize(front.end())].copy_from_slice(&data[..len]);
        }
        let (start, rest) = (offset + front.len, &data[len..]);
        if !rest.is_empty() {
            self.skip_to(start)?;
            self.medium.write_at(start, rest).map_err(|error| sink::explain(&error, start))?;
            self.written = Some(range.end());
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.skip_to(self.medium.size())?;
        let mut ended = || {
            self.medium.flush()?;
            self.medium.write_at(0, &self.front)?;
            self.medium.flush()
        };
        ended().map_err(|error| {
            // What could not be ended shall not look like an image.
            let front = Extent::between(0, to_u64(self.front.len()));
            drop(self.medium.zero(front).and_then(|()| self.medium.flush()));
            sink::explain(&error, 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Shared with the test, which looks at it while it is written.
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Medium for Shared {
        fn size(&self) -> u64 {
            to_u64(self.0.lock().unwrap().len())
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            Medium::read_at(&*self.0.lock().unwrap(), offset, buf)
        }
        fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
            Medium::write_at(&mut *self.0.lock().unwrap(), offset, data)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn discard(&mut self, extent: Extent) -> io::Result<()> {
            self.zero(extent)
        }
        fn discard_block(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn nothing_old_is_left_and_the_front_comes_last() {
        let (size, disk) = (3_500_001, 4_000_000);
        let bytes = Arc::new(Mutex::new(vec![0xee; disk]));
        let mut writer =
            Box::new(DeviceWriter::new(Box::new(Shared(Arc::clone(&bytes))), to_u64(size)).unwrap());
        let mut expected = vec![0; disk];
        for (at, len) in [(5, 700), (1_048_000, 1000), (1_050_000, 10), (3_000_000, 500_001)] {
            let data = vec![u8::try_from(at % 250 + 1).unwrap(); len];
            writer.write(to_u64(at), &data).unwrap();
            expected[at..at + len].copy_from_slice(&data);
            assert!(crate::is_zero(&bytes.lock().unwrap()[..to_usize(FRONT)]));
        }
        assert!(writer.write(to_u64(size), &[1]).is_err());
        writer.finish().unwrap();
        assert!(*bytes.lock().unwrap() == expected);
    }

    #[test]
    fn an_image_that_does_not_fit_changes_nothing() {
        let bytes = Arc::new(Mutex::new(vec![0xee; 1000]));
        let error = DeviceWriter::new(Box::new(Shared(Arc::clone(&bytes))), 1001).err().unwrap();
        assert_eq!(error.to_string(), "the image needs 1001 bytes, the device has 1000");
        assert_eq!(*bytes.lock().unwrap(), [0xee; 1000]);
    }
}
