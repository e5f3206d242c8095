//! qcow2: opened, read as a guest would, and every byte of the file accounted for.

use std::{
    cell::RefCell,
    fs::File,
    io::{Seek, SeekFrom, Write},
};

use block::{BlockRead, Format, OpenOptions, to_usize};

/// Bytes of the disk that are read: the first ones, and those behind each further run.
const READ: u64 = 1 << 20;
const PIECE: u64 = 1 << 16;

thread_local! {
    /// One file for all images: a file a run would be the most of the run.
    static FILE: RefCell<File> = RefCell::new(tempfile::tempfile().expect("a temporary file can be made"));
}

/// A qcow2 file.
pub fn qcow2(data: &[u8]) {
    let Some((input, device)) = crate::image(data) else { return };
    crate::save(&device);
    // The file ends where a patch says, now and then.
    let len = match input.option(3) {
        true => device.size() - u64::from(input.options >> 8 & 0xffff) % device.size().max(1),
        false => device.size(),
    };
    let bytes = device.bytes(0, to_usize(len)).expect("no longer than the image");
    let file = FILE.with_borrow_mut(|file| {
        let written =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(&bytes));
        written.and_then(|()| file.try_clone()).expect("the file can be written")
    });
    let format = if input.option(0) { None } else { Some(Format::Qcow2) };
    let options = OpenOptions { format, ..OpenOptions::default() };
    let Ok(image) = block::open_file(file, &options) else { return };
    assert!(image.info.snapshots.len() <= 65_536 && image.info.bitmaps.len() <= 65_536);
    let _ = read(&*image.device);
    let _ = verify::container::examine(&image);
}

/// Reads runs until so much has been read; runs of zeros read as zeros.
fn read(device: &dyn BlockRead) -> std::io::Result<()> {
    let (mut at, mut left, mut runs) = (0, READ, 0);
    let mut buf = vec![0; to_usize(PIECE)];
    while at < device.size() && left > 0 && runs < 4096 {
        let run = device.run_at(at)?;
        assert!(run.len > 0 && run.len <= device.size() - at, "a run lies on the disk");
        let piece = run.len.min(PIECE);
        let buf = &mut buf[..to_usize(piece)];
        device.read_at(at, buf)?;
        assert!(!run.zero || block::is_zero(buf), "a run of zeros is zero");
        left = left.saturating_sub(piece);
        runs += 1;
        at += run.len;
    }
    Ok(())
}
