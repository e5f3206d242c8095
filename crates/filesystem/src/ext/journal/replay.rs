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

#[cfg(test)]
mod tests {
    use super::{
        super::{
            layout::{INCOMPAT_ASYNC_COMMIT, INCOMPAT_CSUM_V3},
            sample::Sample,
        },
        *,
    };

    fn run(sample: &mut Sample) -> Result<Replayed> {
        let log = sample.log();
        replay(&log, &mut sample.device, 100)
    }

    #[test]
    fn ring_and_numbers_wrap_around() {
        for features in [0, INCOMPAT_CSUM_V3] {
            let mut sample = Sample::new(features, 9, u32::MAX);
            // Blocks 9 to 11, then 1 to 3; transactions 2^32 - 1 and 0.
            sample.write(&[(5, 1)]).commit().write(&[(6, 2)]).commit();
            assert_eq!(run(&mut sample).unwrap(), Replayed { transactions: 2, blocks: 2, end: 1 });
            assert_eq!((sample.byte(5), sample.byte(6)), (1, 2));
        }
    }

    #[test]
    fn a_full_ring_is_read_once() {
        let mut sample = Sample::new(0, 4, 7);
        // 3 + 3 + 5 blocks: all 11.
        sample.write(&[(5, 1)]).commit().write(&[(5, 2)]).commit().write(&[(6, 3), (7, 4), (8, 5)]).commit();
        assert_eq!(run(&mut sample).unwrap().transactions, 3);
        assert_eq!((sample.byte(5), sample.byte(8)), (2, 5));
    }

    #[test]
    fn revocation_reaches_back_but_not_forward() {
        let mut sample = Sample::new(0, 1, 7);
        sample.write(&[(5, 1), (6, 1)]).commit();
        // A full block of records; only the last one matters.
        sample.revoke((1000..1251).chain([5])).commit();
        assert_eq!(run(&mut sample).unwrap().blocks, 1);
        assert_eq!((sample.byte(5), sample.byte(6)), (0, 1));

        let mut sample = Sample::new(0, 1, 7);
        sample.revoke([5]).commit().write(&[(5, 1)]).commit();
        assert_eq!(run(&mut sample).unwrap().blocks, 1, "written again after it was revoked");
        let mut sample = Sample::new(0, 1, 7);
        sample.write(&[(5, 1)]).revoke([5]).commit();
        assert_eq!(run(&mut sample).unwrap().blocks, 0, "revoked in the same transaction");
    }

    #[test]
    fn an_unfinished_transaction_does_not_count() {
        let mut sample = Sample::new(0, 1, 7);
        sample.write(&[(5, 1)]).commit().write(&[(5, 2)]).revoke([5]);
        assert_eq!(run(&mut sample).unwrap(), Replayed { transactions: 1, blocks: 1, end: 8 });
        assert_eq!(sample.byte(5), 1);
    }

    #[test]
    fn a_broken_commit() {
        let broken = |features, time| {
            let mut sample = Sample::new(INCOMPAT_CSUM_V3 | features, 1, 7);
            sample.write(&[(5, 1)]).commit().write(&[(5, 2)]).commit_as(false, time);
            (run(&mut sample).map_err(|error| error.to_string()), sample.byte(5))
        };
        let (sync, _) = broken(0, 2000);
        assert!(sync.unwrap_err().starts_with("journal transaction 8: commit checksum is 0x"));
        // The commit block overtook what it commits: the transaction did not happen.
        assert_eq!(
            broken(INCOMPAT_ASYNC_COMMIT, 2000),
            (Ok(Replayed { transactions: 1, blocks: 1, end: 8 }), 1)
        );
        // Older than the commit before it: left over from an earlier use of the journal.
        assert_eq!(broken(0, 5), (Ok(Replayed { transactions: 1, blocks: 1, end: 8 }), 1));
    }

    #[test]
    fn a_broken_copy() {
        let mut sample = Sample::new(INCOMPAT_CSUM_V3, 1, 7);
        sample.write(&[(5, 1)]).commit();
        sample.device[102 * 1024] = 9;
        let error = run(&mut sample).unwrap_err().to_string();
        assert!(error.starts_with("journal block 2: checksum is 0x"), "{error}");
    }
}
