//! Compressed clusters: raw deflate and Zstandard. A cluster decompresses to exactly its size, or is corrupt.

use crate::{
    Result,
    qcow2::{Compression, map::guest_cluster},
    to_usize,
};

/// Zstandard frames may ask for a window of at most 1 << this many bytes (the format's own recommended limit
/// for decoders). A cluster has at most 1 << 21.
const ZSTD_WINDOW_BITS: u32 = 23;

/// Fills `out` (one cluster) from `data`, which may have other bytes behind the compressed ones. Returns how many
/// bytes of `data` the compressed ones are.
pub(super) fn decompress(method: Compression, data: &[u8], out: &mut [u8], cluster: u64) -> Result<usize> {
    let done = match method {
        Compression::Deflate => inflate(data, out),
        Compression::Zstd => zstd(data, out)?,
    };
    if let Some(Done { taken, filled }) = done
        && filled == out.len()
    {
        return Ok(taken);
    }
    let filled = done.map(|done| done.filled);
    let found = filled.map_or("not decompressible".into(), |len| format!("{len} bytes when decompressed"));
    Err(guest_cluster(cluster).corrupt("compressed data", found, format!("{} bytes", out.len())))
}

/// How far a decoder came.
struct Done {
    /// Bytes of the input, the end of the stream included if it is there.
    taken: usize,
    /// Bytes of the output.
    filled: usize,
}

/// `None` if the stream is bad.
fn inflate(data: &[u8], out: &mut [u8]) -> Option<Done> {
    let mut stream = flate2::Decompress::new(false);
    let status = stream.decompress(data, out, flate2::FlushDecompress::Finish).ok()?;
    let filled = to_usize(stream.total_out());
    if status != flate2::Status::StreamEnd && filled == out.len() {
        // What is left of the stream, its end marker as a rule, yields no byte.
        let rest = &data[to_usize(stream.total_in())..];
        let _ = stream.decompress(rest, &mut [0], flate2::FlushDecompress::Finish);
    }
    Some(Done { taken: to_usize(stream.total_in()), filled })
}

/// As QEMU does, decodes frame after frame until `out` is full; then to the end of the frame.
fn zstd(data: &[u8], out: &mut [u8]) -> Result<Option<Done>> {
    use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_BITS))?;
    let mut input = InBuffer::around(data);
    let mut output = OutBuffer::around(out);
    let mut in_frame = true;
    while output.pos() < output.capacity() || in_frame {
        let before = (input.pos(), output.pos());
        match decoder.run(&mut input, &mut output) {
            Ok(hint) => in_frame = hint != 0,
            Err(_) if output.pos() == output.capacity() => break,
            Err(_) => return Ok(None),
        }
        if (input.pos(), output.pos()) == before {
            break;
        }
    }
    Ok(Some(Done { taken: input.pos(), filled: output.pos() }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const CLUSTER: usize = 4096;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn result(method: Compression, data: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0xaa; CLUSTER];
        decompress(method, data, &mut out, 3).map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn what_lies_behind_the_stream_does_not_matter() {
        let cluster: Vec<u8> = (0..CLUSTER).map(|n| (n / 7).to_le_bytes()[0]).collect();
        let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
        let two_frames = [frame(&cluster[..1000]), frame(&cluster[1000..])].concat();
        let mut checked = zstd::bulk::Compressor::new(3).unwrap();
        checked.include_checksum(true).unwrap();
        for (method, mut data) in [
            (Compression::Deflate, deflated(&cluster)),
            (Compression::Zstd, frame(&cluster)),
            (Compression::Zstd, two_frames),
            (Compression::Zstd, checked.compress(&cluster).unwrap()),
        ] {
            assert_eq!(result(method, &data).unwrap(), cluster);
            let len = data.len();
            data.extend([0xff; 300]);
            assert_eq!(result(method, &data).unwrap(), cluster);
            let mut out = [0; CLUSTER];
            assert_eq!(decompress(method, &data, &mut out, 3).unwrap(), len, "{method}");
        }
    }

    #[test]
    fn what_is_not_one_cluster_is_corrupt() {
        let short = "guest cluster 3: compressed data is 4095 bytes when decompressed, expected 4096 bytes";
        let bad = "guest cluster 3: compressed data is not decompressible, expected 4096 bytes";
        let bytes = [5; CLUSTER - 1];
        assert_eq!(result(Compression::Deflate, &deflated(&bytes)).unwrap_err(), short);
        assert_eq!(result(Compression::Deflate, &[0xff; 600]).unwrap_err(), bad);
        assert_eq!(result(Compression::Zstd, &zstd::bulk::compress(&bytes, 3).unwrap()).unwrap_err(), short);
        assert_eq!(result(Compression::Zstd, &[0xff; 600]).unwrap_err(), bad);
        // A frame header that asks for a window of 2 GiB, and no content size.
        assert_eq!(
            result(Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0]).unwrap_err(),
            bad
        );
    }
}
