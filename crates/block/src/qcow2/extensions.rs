//! The header extensions that a reader needs. Unknown ones are skipped, as the format asks for.

use crate::{
    Result,
    qcow2::{
        header::HEADER,
        layout::{extension, feature_name},
    },
    to_u64, to_usize,
};

/// Where the bitmap directory lies. Unchecked numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitmapDirectory {
    pub(super) count: u32,
    pub(super) size: u64,
    pub(super) offset: u64,
}

/// What the header extensions say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) backing_format: Option<Vec<u8>>,
    pub(super) data_file: Option<Vec<u8>>,
    pub(super) bitmaps: Option<BitmapDirectory>,
    /// Bytes of the area up to the end of the end marker, padding between extensions included.
    pub(super) len: u64,
    feature_names: Vec<u8>,
}

impl Extensions {
    /// Reads the extension `area`: what lies between the header and the end of the first cluster, or the backing
    /// file's name.
    pub(super) fn read(area: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        let mut rest = area;
        // Each extension takes at least eight bytes, so this ends.
        while let (Some(kind), Some(len)) = (extension::TYPE.try_get(rest), extension::LENGTH.try_get(rest)) {
            if kind == extension::END {
                found.len += to_u64(extension::DATA);
                break;
            }
            let room = rest.len() - extension::DATA;
            let len = to_usize(u64::from(len));
            if len > room {
                return Err(HEADER.corrupt("extension length", len, format!("at most {room}")));
            }
            let data = &rest[extension::DATA..extension::DATA + len];
            match kind {
                extension::BACKING_FORMAT => found.backing_format = Some(data.to_vec()),
                extension::DATA_FILE => found.data_file = Some(data.to_vec()),
                extension::FEATURE_NAME_TABLE => found.feature_names = data.to_vec(),
                extension::BITMAPS => {
                    if len != extension::BITMAPS_LENGTH {
                        return Err(HEADER.corrupt(
                            "bitmaps extension length",
                            len,
                            extension::BITMAPS_LENGTH,
                        ));
                    }
                    found.bitmaps = Some(BitmapDirectory {
                        count: extension::NB_BITMAPS.get(data),
                        size: extension::BITMAP_DIRECTORY_SIZE.get(data),
                        offset: extension::BITMAP_DIRECTORY_OFFSET.get(data),
                    });
                }
                _ => {}
            }
            let step = (to_u64(extension::DATA) + to_u64(len)).next_multiple_of(8);
            found.len = (found.len + step).min(to_u64(area.len()));
            rest = rest.get(to_usize(step)..).unwrap_or_default();
        }
        Ok(found)
    }

    /// The name that the image itself gives an incompatible feature, printable.
    pub(super) fn incompatible_name(&self, bit: u32) -> Option<String> {
        let entry = self.feature_names.chunks_exact(feature_name::SIZE).find(|entry| {
            feature_name::TYPE.get(entry) == feature_name::INCOMPATIBLE
                && u32::from(feature_name::BIT.get(entry)) == bit
        })?;
        let name = feature_name::NAME.get(entry);
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        (!name.is_empty()).then(|| crate::printable(&String::from_utf8_lossy(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_longer_than_its_area_is_refused() {
        let mut area = vec![0; 32];
        extension::TYPE.set(&mut area, 0x1234_5678);
        extension::LENGTH.set(&mut area, 25);
        let error = Extensions::read(&area).unwrap_err();
        assert_eq!(error.to_string(), "qcow2 header: extension length is 25, expected at most 24");
        extension::LENGTH.set(&mut area, 24);
        assert!(Extensions::read(&area).is_ok());
        assert!(Extensions::read(&area[..7]).is_ok());
    }
}
