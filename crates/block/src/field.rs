//! One constant per on-disk field: its width and byte order are the type, its offset the value.
//!
//! Read and patch go through the same constant, so bytes that no constant names survive untouched:
//!
//! ```
//! use block::field::Le32;
//! const BLOCKS_COUNT_LO: Le32 = Le32(0x04);
//! let mut superblock = [0u8; 1024];
//! BLOCKS_COUNT_LO.set(&mut superblock, 8192);
//! assert_eq!(BLOCKS_COUNT_LO.get(&superblock), 8192);
//! ```
//!
//! `get` and `set` take a buffer that holds the whole structure; a shorter one is a bug in the caller, who
//! sizes it from the format (never from a number in the image) or asks [`try_get`](Le32::try_get).

macro_rules! fields {
    ($($name:ident $int:ty, $from:ident, $to:ident, $what:literal;)*) => {$(
        #[doc = $what]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(
            /// Byte offset in its structure.
            pub usize,
        );

        impl $name {
            /// Width in bytes.
            pub const WIDTH: usize = size_of::<$int>();

            /// Its value in `structure`.
            #[must_use]
            #[inline]
            pub fn get(self, structure: &[u8]) -> $int {
                let bytes = &structure[self.0..self.0 + Self::WIDTH];
                <$int>::$from(bytes.try_into().expect("the slice has the field's width"))
            }

            /// Its value, or `None` if `structure` ends before it does.
            #[must_use]
            pub fn try_get(self, structure: &[u8]) -> Option<$int> {
                let bytes = structure.get(self.0..self.0 + Self::WIDTH)?;
                Some(<$int>::$from(bytes.try_into().expect("the slice has the field's width")))
            }

            /// Changes it in `structure`.
            #[inline]
            pub fn set(self, structure: &mut [u8], value: $int) {
                structure[self.0..self.0 + Self::WIDTH].copy_from_slice(&value.$to());
            }
        }
    )*};
}

fields! {
    U8 u8, from_le_bytes, to_le_bytes, "One byte.";
    Le16 u16, from_le_bytes, to_le_bytes, "16 bits, little-endian.";
    Le32 u32, from_le_bytes, to_le_bytes, "32 bits, little-endian.";
    Le64 u64, from_le_bytes, to_le_bytes, "64 bits, little-endian.";
    Be16 u16, from_be_bytes, to_be_bytes, "16 bits, big-endian.";
    Be32 u32, from_be_bytes, to_be_bytes, "32 bits, big-endian.";
    Be64 u64, from_be_bytes, to_be_bytes, "64 bits, big-endian.";
}

/// `N` raw bytes: a UUID, a label, a reserved area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<const N: usize>(
    /// Byte offset in its structure.
    pub usize,
);

impl<const N: usize> Bytes<N> {
    /// Its value in `structure`.
    #[must_use]
    pub fn get(self, structure: &[u8]) -> [u8; N] {
        structure[self.0..self.0 + N].try_into().expect("the slice has the field's width")
    }

    /// Changes it in `structure`.
    pub fn set(self, structure: &mut [u8], value: &[u8; N]) {
        structure[self.0..self.0 + N].copy_from_slice(value);
    }
}
