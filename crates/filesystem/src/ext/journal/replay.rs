//! Second and third pass over a log: what was revoked, and the copies put where they belong.
//!
//! A copy is not put back if its transaction or a later one revokes its block: the block has since been freed
//! and may hold something that was never journaled. Nothing is written outside the filesystem or into the journal.

use block::{BlockWrite, Object, Result, to_u64};

use super::{
    layout::{H_BLOCKTYPE, MAGIC, TYPE_DESCRIPTOR, TYPE_REVOKE},
    log::{Log, hex},
    scan::{Scan, before, each, scan, skip},
    tags::{revocations, tags},
};

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Transactions.
    pub(crate) transactions: u64,
    /// Blocks written, one that several transactions changed counted each time.
    pub(crate) blocks: u64,
    /// Number of the transaction behind the last one.
    pub(crate) end: u32,
}

/// Writes what the log holds to the filesystem of `blocks` blocks. The log itself stays as it is.
pub(crate) fn replay<D: BlockWrite>(log: &Log, device: &mut D, blocks: u64) -> Result<Replayed> {
    let Scan { end, mut revoked } = scan(log, device)?;
    each(log, end, device, |_, walk, index, block| {
        if H_BLOCKTYPE.get(block) == TYPE_DESCRIPTOR {
            return skip(log, walk, block);
        }
        for number in revocations(log, index, block)? {
            // A record for a block that has no copy in the log changes nothing, so it needs no memory.
            if let Some(latest) = revoked.get_mut(&number) {
                // Transactions come in order: the last one wins.
                *latest = Some(walk.sequence);
            }
        }
        Ok(())
    })?;
    let mut written = 0;
    let transactions = each(log, end, device, |device, walk, _, block| {
        if H_BLOCKTYPE.get(block) == TYPE_REVOKE {
            return Ok(());
        }
        for tag in tags(log, block) {
            let index = walk.copy()?;
            let latest = revoked.get(&tag.block).copied().flatten();
            // Revoked by this transaction or a later one.
            if latest.is_some_and(|latest| latest == walk.sequence || before(walk.sequence, latest)) {
                continue;
            }
            let object = Object::numbered("journal transaction", walk.sequence.into());
            let offset = tag.block.checked_mul(to_u64(log.block_size)).filter(|_| tag.block < blocks);
            let Some(offset) = offset else {
                return Err(object.corrupt("block number", tag.block, format_args!("less than {blocks}")));
            };
            if log.holds(offset) {
                return Err(object.corrupt("block number", tag.block, "a block outside the journal"));
            }
            let mut copy = log.read(device, index)?;
            let right = log.checksum.of_copy(walk.sequence, &copy);
            if let (Some(found), Some(right)) = (tag.sum, right)
                && found != right
            {
                // The kernel writes the other blocks and then fails the mount; a half replay is of no use to us.
                let object = Object::numbered("journal block", index.into());
                return Err(object.corrupt("checksum", hex(right), hex(found)));
            }
            if tag.escaped {
                copy[..4].copy_from_slice(&MAGIC.to_be_bytes());
            }
            device.write_at(offset, &copy)?;
            written += 1;
        }
        Ok(())
    })?;
    Ok(Replayed { transactions, blocks: written, end })
}
