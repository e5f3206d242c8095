//! The MMP block: host name and device path of the last mount.

use block::{
    BlockWrite, Object, Result,
    field::{Le16, Le32},
    to_usize,
};

use crate::ext::{Ext, claims::MMP_LEN};

const MAGIC: Le32 = Le32(0x00);
const MAGIC_VALUE: u32 = 0x004D_4D50;
const SEQ: Le32 = Le32(0x04);
/// mmp_seq: nobody has it mounted.
const SEQ_CLEAN: u32 = 0xFF4D_4D50;
const CHECK_INTERVAL: Le16 = Le16(0x70);
const CHECKSUM: Le32 = Le32(0x3FC);

impl<D: BlockWrite> Ext<D> {
    /// Makes the structure anew: clean, with its interval, and no names or times.
    pub(super) fn scrub_mmp(&mut self) -> Result<u64> {
        let Some(block) = self.mmp_block()? else { return Ok(0) };
        let object = Object::numbered("MMP block", block);
        let mut old = vec![0; to_usize(MMP_LEN)];
        let offset = block * self.layout.block_size;
        self.device.read_at(offset, &mut old)?;
        let magic = MAGIC.get(&old);
        if magic != MAGIC_VALUE {
            return Err(object.corrupt(
                "mmp_magic",
                format!("{magic:#010x}"),
                format!("{MAGIC_VALUE:#010x}"),
            ));
        }
        let mut new = vec![0; old.len()];
        MAGIC.set(&mut new, MAGIC_VALUE);
        SEQ.set(&mut new, SEQ_CLEAN);
        CHECK_INTERVAL.set(&mut new, CHECK_INTERVAL.get(&old));
        if self.checksums.metadata() {
            let (found, expected) = (CHECKSUM.get(&old), self.checksums.mmp(&old));
            if found != expected {
                return Err(object.corrupt(
                    "checksum",
                    format!("{found:#010x}"),
                    format!("{expected:#010x}"),
                ));
            }
            let sum = self.checksums.mmp(&new);
            CHECKSUM.set(&mut new, sum);
        }
        if new == old {
            return Ok(0);
        }
        self.device.write_at(offset, &new)?;
        let sum = CHECKSUM.0..CHECKSUM.0 + 4;
        let gone =
            old.iter().zip(&new).enumerate().filter(|(at, (old, new))| old != new && !sum.contains(at));
        Ok(block::to_u64(gone.count()))
    }
}
