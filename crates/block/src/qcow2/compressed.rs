//! Compressed clusters: raw deflate and Zstandard. A cluster decompresses to exactly its size, or is corrupt.

use crate::{
    Result,
    qcow2::{Compression, map::guest_cluster},
    to_usize,
};

/// Zstandard frames may ask for a window of at most 1 << this many bytes (the format's own recommended limit
/// for decoders). A cluster has at most 1 << 21.
const ZSTD_WINDOW_BITS: u32 = 23;

/// Fills `out` (one cluster) from `data`, which may have other bytes behind the compressed ones.
pub(super) fn decompress(method: Compression, data: &[u8], out: &mut [u8], cluster: u64) -> Result<()> {
    let filled = match method {
        Compression::Deflate => inflate(data, out),
        Compression::Zstd => zstd(data, out)?,
    };
    if filled == Some(out.len()) {
        return Ok(());
    }
    let found = filled.map_or("not decompressible".into(), |len| format!("{len} bytes when decompressed"));
    Err(guest_cluster(cluster).corrupt("compressed data", found, format!("{} bytes", out.len())))
}

/// The bytes of `out` that were filled, or `None` if the stream is bad.
fn inflate(data: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut stream = flate2::Decompress::new(false);
    stream.decompress(data, out, flate2::FlushDecompress::Finish).ok()?;
    Some(to_usize(stream.total_out()))
}

/// As QEMU does, decodes frame after frame until `out` is full.
fn zstd(data: &[u8], out: &mut [u8]) -> Result<Option<usize>> {
    use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_BITS))?;
    let mut input = InBuffer::around(data);
    let mut output = OutBuffer::around(out);
    while output.pos() < output.capacity() {
        let before = (input.pos(), output.pos());
        if decoder.run(&mut input, &mut output).is_err() {
            return Ok(None);
        }
        if (input.pos(), output.pos()) == before {
            break;
        }
    }
    Ok(Some(output.pos()))
}
