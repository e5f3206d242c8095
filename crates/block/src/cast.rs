//! Lossless conversions between `u64` and `usize`. The only place with `as`: diskscrub needs a 64-bit host.

const _: () = assert!(usize::BITS == 64, "diskscrub needs a 64-bit host");

/// `n` as a buffer length or index.
#[allow(clippy::as_conversions, reason = "usize has 64 bits, asserted above")]
#[must_use]
pub const fn to_usize(n: u64) -> usize {
    n as usize
}

/// `n` as a device offset or length.
#[allow(clippy::as_conversions, reason = "usize has 64 bits, asserted above")]
#[must_use]
pub const fn to_u64(n: usize) -> u64 {
    n as u64
}
