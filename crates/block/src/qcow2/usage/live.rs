//! What is of use: what the guest reads, and what the format needs.

use super::{
    Side,
    clusters::{COMPRESSED, Clusters, TABLE},
    label::l2_tables,
    refcounts,
};
use crate::{
    BlockRead, Extent, Result,
    qcow2::{
        Qcow2Image, compressed,
        layout::l1,
        map::{Compressed, Kind, guest_cluster},
    },
    raw::read_up_to,
    to_u64, to_usize,
};

/// Marks the bytes that a guest reads, and the compressed ones that it reads from.
pub(super) fn guest(image: &Qcow2Image, side: Side, clusters: &mut Clusters) -> Result<()> {
    let (mut walker, mut at) = (image.walker(), 0);
    let mut buf = Vec::new();
    let mut last = None;
    let data_side = if image.has_data_file() { Side::Data } else { Side::Image };
    while at < image.size() {
        let (kind, len) = walker.piece(at, u64::MAX)?;
        match kind {
            Kind::Data(host) if side == data_side => clusters.mark_live(Extent { start: host, len })?,
            Kind::Compressed(found) if side == Side::Image && last != Some(found.offset) => {
                let used = compressed_extent(image, found, &mut buf)?;
                clusters.mark(Extent { start: found.offset, len: found.len }, COMPRESSED);
                clusters.mark_live(used)?;
                last = Some(found.offset);
            }
            _ => {}
        }
        at += len;
    }
    Ok(())
}

/// The bytes that a compressed cluster really takes; its entry tells whole sectors.
fn compressed_extent(image: &Qcow2Image, found: Compressed, buf: &mut Vec<u8>) -> Result<Extent> {
    let data = read_up_to(&image.file, guest_cluster(found.cluster), found.offset, found.len)?;
    buf.resize(to_usize(image.cluster_size()), 0);
    let len = compressed::decompress(image.header.compression, &data, buf, found.cluster)?;
    Ok(Extent { start: found.offset, len: to_u64(len) })
}

/// Marks the header, the active L1 and L2 tables, and the refcounts.
pub(super) fn tables(image: &Qcow2Image, clusters: &mut Clusters) -> Result<()> {
    let (header, cluster) = (&image.header, image.cluster_size());
    clusters.mark(Extent { start: 0, len: cluster }, TABLE);
    for &extent in &header.used {
        clusters.mark_live(extent)?;
    }
    // At most 32 MiB, checked when the image was opened.
    let l1 = Extent { start: header.l1_offset, len: header.l1_size * l1::ENTRY_SIZE };
    clusters.mark(l1, TABLE);
    clusters.mark_live(l1)?;
    l2_tables(image, l1, &mut |_, table| clusters.mark_live(Extent { start: table, len: cluster }))?;
    refcounts::tables(image, &mut |extent| clusters.mark_live(extent))
}
