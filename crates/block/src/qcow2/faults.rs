//! A file that cannot be read below a qcow2 image: each call of each walk fails once, and is forgotten when it can be read.

use std::fs::File;

use super::{Caches, Qcow2File, Qcow2Image};
use crate::{
    BlockRead, Error, ImageWriter, RawImage, Result,
    raw::fault::Fault,
    to_u64, to_usize,
    write::{Compression, Qcow2Writer},
};

/// More than a cluster, a hole, and an end within a cluster.
const SIZE: u64 = 20 * 65_536 + 512;

fn content() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..SIZE).map(|at| (at / 512 * 31 + at % 7).to_le_bytes()[0] | 1).collect();
    bytes[5 * 65_536..9 * 65_536].fill(0);
    bytes
}

fn image(compression: Compression) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut writer = Qcow2Writer::new(file.try_clone().unwrap(), compression, SIZE, 1).unwrap();
    writer.write(0, &content()).unwrap();
    Box::new(writer).finish().unwrap();
    file
}

/// Opens the file with this fault, which a device keeps.
fn open(file: &File, fault: &Fault) -> Result<Qcow2Image> {
    let mut raw = RawImage::new(file.try_clone().unwrap())?;
    raw.fault = fault.clone();
    Ok(Qcow2File::new(raw)?.attach(None, None, 0, &Caches::new()))
}

/// All of it, by runs and in pieces that straddle clusters; and what lies in the file.
fn read(image: &Qcow2Image) -> Result<Vec<u8>> {
    let mut bytes = vec![0; to_usize(image.size())];
    let mut at = 0;
    while at < image.size() {
        let run = image.run_at(at)?;
        let len = run.len.min(50_000);
        if !run.zero {
            image.read_at(at, &mut bytes[to_usize(at)..to_usize(at + len)])?;
        }
        at += len;
    }
    image.snapshots()?;
    image.bitmaps()?;
    Ok(bytes)
}

fn told(error: &Error) {
    let said = error.to_string();
    assert!(matches!(error, Error::Io(_)), "{said}");
    let where_from = said.starts_with("reading ") && said.contains(" bytes at ");
    assert!(where_from || said.starts_with("looking for data from "), "{said}");
    assert!(said.contains("os error 5"), "{said}");
}

#[test]
fn no_call_that_fails_gives_other_bytes_now_or_later() {
    let content = content();
    for compression in [Compression::None, Compression::Zstd] {
        let file = image(compression);
        let mut call = 1;
        loop {
            let fault = Fault::default();
            fault.at(call);
            match open(&file, &fault) {
                Err(error) => told(&error),
                Ok(image) => {
                    match read(&image) {
                        Err(error) => told(&error),
                        Ok(bytes) => assert!(bytes == content, "{compression:?}, call {call}"),
                    }
                    if fault.left() > 0 {
                        break;
                    }
                    // No cache has kept what was not read.
                    assert!(read(&image).unwrap() == content, "{compression:?}, behind call {call}");
                }
            }
            call += 1;
        }
        assert!(to_u64(call) > 20, "{call}");
        println!("{compression:?}: {call} calls");
    }
}
