//! Inode creation items: chunks of new inodes, none of them in use.

use block::{BlockWrite, Result, field::Be32, to_u64, to_usize};

use super::{
    super::{
        format::inode as dinode,
        geometry::{AgBlock, AgNumber, CHUNK, Geometry},
    },
    kinds,
    layout::*,
    replay::Replay,
    transaction::Item,
};

/// sb_inoalignmt: of chunks of inodes, in blocks.
pub(crate) const INODE_ALIGNMENT: Be32 = Be32(180);

/// Bytes of a cluster of inodes, for inodes of 256 bytes.
const CLUSTER: u64 = 8192;

/// Blocks of the buffers that inodes are read and given up in. `alignment` is the superblock's, in blocks.
pub(crate) fn cluster_blocks(geometry: &Geometry, alignment: u32) -> u32 {
    let scaled = CLUSTER * geometry.inode_size / 256;
    let fits = geometry.v5 && u64::from(alignment) >= scaled / geometry.block_size;
    let bytes = if fits { scaled } else { CLUSTER };
    u32::try_from((bytes / geometry.block_size).max(1)).expect("64 KiB at most, in blocks")
}

/// Replays one. Returns whether it was written.
pub(crate) fn replay(replay: &mut Replay, device: &mut impl BlockWrite, item: &Item) -> Result<bool> {
    let head = item.head(ICL_SIZE)?;
    let object = item.object();
    let geometry = replay.geometry;
    let (ag, block) = (AgNumber(ICL_AG.get(head)), AgBlock(ICL_AGBNO.get(head)));
    let (count, blocks) = (ICL_COUNT.get(head), ICL_LENGTH.get(head));
    if u64::from(ICL_ISIZE.get(head)) != geometry.inode_size {
        return Err(object.corrupt("size of new inodes", ICL_ISIZE.get(head), geometry.inode_size));
    }
    let wanted = u64::from(blocks) << geometry.inodes_per_block_log;
    if count == 0 || u64::from(count) != wanted || count > CHUNK.max(1 << geometry.inodes_per_block_log) {
        return Err(object.corrupt("number of new inodes", count, format!("{wanted}, a chunk at most")));
    }
    if ag.0 >= geometry.ag_count || !geometry.ag_contains(ag, block, blocks) {
        let found = format!("{blocks} blocks from {} on in group {}", block.0, ag.0);
        return Err(object.corrupt("place of new inodes", found, "inside the filesystem"));
    }
    let first = geometry.fs_block(ag, block);
    let basic = geometry.block_size / 512;
    let cluster = replay.cluster;
    for index in (0..blocks).step_by(to_usize(cluster.into())) {
        let daddr = geometry.daddr(first) + u64::from(index) * basic;
        let len = u32::try_from(u64::from(cluster) * basic).expect("64 KiB at most, in basic blocks");
        // As the kernel does: the chunk goes as a whole, so one of its clusters tells for all.
        if replay.is_cancelled((daddr, len)) {
            return Ok(false);
        }
    }
    let size = to_usize(geometry.inode_size);
    let mut raw = vec![0; size];
    for index in 0..u64::from(count) {
        let number = (first.0 << geometry.inodes_per_block_log) + index;
        raw.fill(0);
        dinode::MAGIC.set(&mut raw, dinode::MAGIC_VALUE);
        dinode::GENERATION.set(&mut raw, ICL_GEN.get(head));
        dinode::NEXT_UNLINKED.set(&mut raw, u32::MAX);
        dinode::VERSION.set(&mut raw, if geometry.v5 { 3 } else { 2 });
        if geometry.v5 {
            dinode::NUMBER.set(&mut raw, number);
            dinode::UUID.set(&mut raw, &replay.meta_uuid);
        }
        kinds::seal_inode(&mut raw);
        let at = geometry.offset(first) + index * to_u64(size);
        device.write_at(at, &raw)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::checksum,
            ring::Lsn,
            sample::{Sample, UUID, buffer},
        },
        *,
    };

    fn sample(v5: bool) -> (Sample, Vec<u8>) {
        let mut sample = Sample::new(v5);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        let mut head = vec![0; ICL_SIZE];
        ITEM_TYPE.set(&mut head, LI_ICREATE);
        ITEM_SIZE.set(&mut head, 1);
        ICL_AG.set(&mut head, 1);
        ICL_AGBNO.set(&mut head, 40);
        ICL_COUNT.set(&mut head, 64);
        ICL_ISIZE.set(&mut head, if v5 { 512 } else { 256 });
        ICL_LENGTH.set(&mut head, if v5 { 8 } else { 4 });
        ICL_GEN.set(&mut head, 77);
        (sample, head)
    }

    #[test]
    fn a_chunk_of_each_version() {
        for (v5, size) in [(false, 256), (true, 512)] {
            let (mut sample, item) = sample(v5);
            let start = (256 + 40) * 4096;
            sample.device[to_usize(start)..to_usize(start) + 64 * size + 1].fill(0xee);
            sample.transaction(&[vec![item]]);
            assert_eq!(sample.recover().unwrap().writes, 1);
            for (index, raw) in sample.bytes(start, 64 * size).chunks(size).enumerate() {
                assert_eq!(dinode::MAGIC.get(raw), dinode::MAGIC_VALUE);
                assert_eq!((dinode::GENERATION.get(raw), dinode::NEXT_UNLINKED.get(raw)), (77, u32::MAX));
                assert_eq!((dinode::MODE.get(raw), raw[size - 1]), (0, 0));
                if v5 {
                    assert_eq!(dinode::NUMBER.get(raw), ((256 + 40) << 3) + to_u64(index));
                    assert_eq!(dinode::UUID.get(raw), UUID);
                    assert_eq!(dinode::CRC.get(raw), checksum::crc(raw, dinode::CRC));
                }
            }
            assert_eq!(sample.bytes(start, 64 * size + 1)[64 * size], 0xee);
        }
    }

    #[test]
    fn a_chunk_that_was_given_up() {
        let (mut sample, item) = sample(true);
        sample.transaction(&[vec![item]]);
        // Clusters of 16 KiB need an alignment of as much, which this filesystem has not.
        sample.transaction(&[buffer((256 + 40) * 8 + 16, 16, BLF_CANCEL, &[])]);
        assert_eq!(sample.recover().unwrap().writes, 0);
    }

    #[test]
    fn what_makes_no_sense() {
        let error = |change: fn(&mut [u8])| {
            let (mut sample, mut item) = sample(true);
            change(&mut item);
            sample.transaction(&[vec![item]]);
            sample.error()
        };
        assert_eq!(error(|raw| ICL_ISIZE.set(raw, 256)), "log item: size of new inodes is 256, expected 512");
        let many = "log item: number of new inodes is 64, expected 72, a chunk at most";
        assert_eq!(error(|raw| ICL_LENGTH.set(raw, 9)), many);
        let place = |group: u32, block: u32| {
            format!(
                "log item: place of new inodes is 8 blocks from {block} on in group {group}, expected inside the filesystem"
            )
        };
        assert_eq!(error(|raw| ICL_AG.set(raw, 2)), place(2, 40));
        assert_eq!(error(|raw| ICL_AGBNO.set(raw, 249)), place(1, 249));
        assert_eq!(error(|raw| ICL_AGBNO.set(raw, u32::MAX)), place(1, u32::MAX));
    }
}
