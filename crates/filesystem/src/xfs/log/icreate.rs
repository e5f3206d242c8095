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
