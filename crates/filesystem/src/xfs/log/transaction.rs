//! Transactions: operations of records put together again, as items.
//!
//! A transaction may be spread over several records and mixed with others; a region may be cut in two at the end of
//! a record. Only what has its commit counts. The operations of transactions that began before the tail are not
//! looked at, because all that they changed is in its place.

use std::collections::HashMap;

use block::{BlockRead, Object, Result, Unsupported, to_u64};

use super::{
    head::Ends,
    layout::*,
    record::{Operation, Record, walk},
    ring::{Lsn, Ring},
};

/// How much of the log may wait for its commit. The kernel keeps its checkpoints below 64 MiB.
const MAX_PENDING: u64 = 256 << 20;
/// What a region costs beyond its bytes.
const REGION_COST: u64 = 64;

/// Something that a transaction logged: a description, and regions of what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: u16,
    /// As many as announced, the description first.
    pub(crate) regions: Vec<Vec<u8>>,
}

impl Item {
    /// What errors call it.
    pub(crate) fn object(&self) -> Object {
        Object::the("log item")
    }

    /// The description, of at least `len` bytes.
    pub(crate) fn head(&self, len: usize) -> Result<&[u8]> {
        self.region(0, len)
    }

    /// Region `index`, of at least `len` bytes.
    pub(crate) fn region(&self, index: usize, len: usize) -> Result<&[u8]> {
        let found = self.regions.get(index).map_or(0, Vec::len);
        match self.regions.get(index) {
            Some(region) if found >= len => Ok(region),
            _ => {
                let found = format!("{found} bytes in region {index} of a {} item", item_name(self.kind));
                Err(self.object().corrupt("length", found, format!("at least {len}")))
            }
        }
    }
}

/// A committed transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// When its first record was written.
    pub(crate) lsn: Lsn,
    pub(crate) items: Vec<Item>,
}

/// One whose commit has not been seen.
#[derive(Debug, Default)]
struct Pending {
    lsn: Lsn,
    /// Its header, which may be cut in two as well.
    header: Vec<u8>,
    items: Vec<Item>,
    cost: u64,
}

/// Calls `visit` with each committed transaction between the ends of the log, in the order of their commits.
pub(crate) fn each<D: BlockRead>(
    ring: Ring,
    uuid: &[u8; 16],
    ends: Ends,
    strict: bool,
    device: &mut D,
    mut visit: impl FnMut(&mut D, Transaction) -> Result<()>,
) -> Result<()> {
    let mut pending = HashMap::new();
    let mut cost = 0;
    let bad = walk(ring, device, (ends.tail, ends.head), strict, |device, record| {
        check_origin(ring, uuid, device, &record)?;
        record.each(|operation| {
            let Some(transaction) = add(&mut pending, &mut cost, &record, operation)? else { return Ok(()) };
            visit(device, transaction)
        })
    })?;
    bad.map_or(Ok(()), |bad| Err(bad.error))
}

/// The log of another filesystem, or of a machine of another byte order, is not replayed.
fn check_origin(ring: Ring, uuid: &[u8; 16], device: &impl BlockRead, record: &Record) -> Result<()> {
    let bytes = ring.read(device, record.header.block, 1)?;
    let object = Object::numbered("log block", record.header.block.into());
    match H_FMT.get(&bytes) {
        FMT_LINUX_LE => {}
        2 => {
            return Err(
                Unsupported::new(object, "a log of a big-endian machine that has to be replayed").into()
            );
        }
        other => return Err(object.corrupt("format", other, FMT_LINUX_LE)),
    }
    if H_FS_UUID.get(&bytes) != *uuid {
        return Err(object.corrupt("UUID", "that of another filesystem", "that of the superblock"));
    }
    Ok(())
}

/// Adds an operation to its transaction, and returns that if it is now complete.
fn add(
    pending: &mut HashMap<u32, Pending>,
    total: &mut u64,
    record: &Record,
    operation: Operation<'_>,
) -> Result<Option<Transaction>> {
    let Operation { transaction: tid, flags, data } = operation;
    let Some(open) = pending.get_mut(&tid) else {
        if flags & OP_START != 0 {
            *total += REGION_COST;
            pending.insert(tid, Pending { lsn: record.header.lsn, cost: REGION_COST, ..Pending::default() });
        }
        return Ok(None);
    };
    let object = Object::numbered("log transaction", tid.into());
    let kind = flags & !OP_END;
    match if kind & OP_WAS_CONT != 0 { kind & !OP_CONTINUE } else { kind } {
        0 | OP_CONTINUE | OP_WAS_CONT => {}
        OP_COMMIT => {
            let done = pending.remove(&tid).expect("it was found above");
            *total -= done.cost;
            if let Some(item) = done.items.last()
                && item.regions.len() != usize::from(ITEM_SIZE.get(&item.regions[0]))
            {
                let expected = ITEM_SIZE.get(&item.regions[0]);
                return Err(object.corrupt("regions of its last item", item.regions.len(), expected));
            }
            return Ok(Some(Transaction { lsn: done.lsn, items: done.items }));
        }
        OP_UNMOUNT => {
            let done = pending.remove(&tid).expect("it was found above");
            *total -= done.cost;
            return Ok(None);
        }
        _ => {
            return Err(object.corrupt(
                "operation flags",
                format_args!("{flags:#04x}"),
                "a known combination",
            ));
        }
    }
    let cost = to_u64(data.len()) + REGION_COST;
    open.cost += cost;
    *total += cost;
    if *total > MAX_PENDING {
        return Err(Unsupported::new(object, "a log with transactions of more than 256 MiB").into());
    }
    open.add(object, flags & OP_WAS_CONT != 0, data)?;
    Ok(None)
}

impl Pending {
    /// Adds a region, or the rest of one.
    fn add(&mut self, object: Object, rest: bool, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if self.header.len() < TRANS_HEADER_LEN {
            self.header.extend_from_slice(data);
            if self.header.len() > TRANS_HEADER_LEN {
                return Err(object.corrupt("header length", self.header.len(), TRANS_HEADER_LEN));
            }
            if TH_MAGIC.try_get(&self.header).is_some_and(|magic| magic != TRANS_MAGIC) {
                let found = format!("{:#010x}", TH_MAGIC.get(&self.header));
                return Err(object.corrupt("header magic", found, format!("{TRANS_MAGIC:#010x}")));
            }
            return Ok(());
        }
        if rest {
            let Some(region) = self.items.last_mut().and_then(|item| item.regions.last_mut()) else {
                return Err(object.corrupt("continued region", "the first", "one that has a beginning"));
            };
            region.extend_from_slice(data);
            return Ok(());
        }
        if let Some(item) = self.items.last_mut()
            && item.regions.len() < usize::from(ITEM_SIZE.get(&item.regions[0]))
        {
            item.regions.push(data.to_vec());
            return Ok(());
        }
        let (Some(kind), Some(size)) = (ITEM_TYPE.try_get(data), ITEM_SIZE.try_get(data)) else {
            return Err(object.corrupt("item length", data.len(), "at least 4"));
        };
        if size == 0 {
            return Err(object.corrupt("regions of an item", 0, "at least 1"));
        }
        self.items.push(Item { kind, regions: vec![data.to_vec()] });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            head::{State, state},
            sample::{Sample, piece, transaction},
        },
        *,
    };

    fn read(sample: &Sample) -> Result<Vec<Transaction>> {
        let log = sample.log();
        let State::Dirty(ends) = state(log.ring, &log.uuid, &sample.device)? else {
            panic!("nothing to replay")
        };
        let mut found = Vec::new();
        each(log.ring, &log.uuid, ends, true, &mut sample.device.clone(), |_, transaction| {
            found.push(transaction);
            Ok(())
        })?;
        Ok(found)
    }

    fn item(kind: u16, regions: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut head = vec![0; 8];
        ITEM_TYPE.set(&mut head, kind);
        ITEM_SIZE.set(&mut head, u16::try_from(regions.len()).unwrap() + 1);
        std::iter::once(head).chain(regions.iter().map(|region| region.to_vec())).collect()
    }

    fn sample() -> Sample {
        let mut sample = Sample::new(true);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        sample
    }

    #[test]
    fn cut_in_every_way_and_mixed() {
        let items = [item(LI_BUF, &[&piece(b"XAGF", 1), b"12345678"]), item(LI_EFI, &[])];
        let ops = transaction(7, &items);
        let other = transaction(8, &[item(LI_EFD, &[])]);
        let mut plain = sample();
        plain.transaction(&items);
        let expected = read(&plain).unwrap().remove(0).items;
        for cut in 1..ops.len() - 1 {
            let mut sample = sample();
            let (tid, flags, data) = ops[cut].clone();
            // Regions are cut at multiples of four bytes.
            let middle = data.len() / 2 / 4 * 4;
            let mut first = ops[..cut].to_vec();
            first.extend(other[..2].to_vec());
            first.push((tid, flags | OP_CONTINUE, data[..middle].to_vec()));
            sample.record(&first);
            let mut second = vec![(tid, OP_WAS_CONT | OP_CONTINUE, data[middle..].to_vec())];
            if middle == 0 {
                second[0].1 = 0;
            }
            second.push((tid, OP_WAS_CONT | OP_END, Vec::new()));
            second.extend(other[2..].to_vec());
            second.extend(ops[cut + 1..].to_vec());
            sample.record(&second);
            let found = read(&sample).unwrap();
            assert_eq!(found.len(), 2, "{cut}");
            assert_eq!(found[1].items, expected, "{cut}");
            assert_eq!((found[0].lsn, found[1].lsn), (Lsn::new(1, 2), Lsn::new(1, 2)), "{cut}");
        }
    }

    #[test]
    fn only_what_is_whole_counts() {
        let mut sample = sample();
        let ops = transaction(7, &[item(LI_EFI, &[])]);
        // The end of one that began before the tail; one without a commit.
        sample.record(&ops[2..]);
        sample.record(&ops[..3]);
        assert!(read(&sample).unwrap().is_empty());
    }

    #[test]
    fn long_records() {
        let mut sample = sample();
        let region = vec![0xab; 40_000];
        sample.transaction(&[item(LI_BUF, &[&region, &region])]);
        let found = read(&sample).unwrap();
        assert!(found[0].items[0].regions[1..].iter().all(|found| *found == region));
    }

    #[test]
    fn what_makes_no_sense() {
        let ops = transaction(7, &[item(LI_BUF, &[b"1234"])]);
        let error = |change: &dyn Fn(&mut Vec<super::super::sample::Op>)| {
            let (mut sample, mut ops) = (sample(), ops.clone());
            change(&mut ops);
            sample.record(&ops);
            read(&sample).unwrap_err().to_string()
        };
        assert_eq!(
            error(&|ops| ops[1].2[0] ^= 1),
            "log transaction 7: header magic is 0x5452414f, expected 0x5452414e"
        );
        assert_eq!(error(&|ops| ops[1].2.push(0)), "log transaction 7: header length is 17, expected 16");
        assert_eq!(
            error(&|ops| ops[2].1 = OP_START),
            "log transaction 7: operation flags is 0x01, expected a known combination"
        );
        assert_eq!(
            error(&|ops| ops[2].2[2] = 0),
            "log transaction 7: regions of an item is 0, expected at least 1"
        );
        assert_eq!(
            error(&|ops| ops[2].2.truncate(3)),
            "log transaction 7: item length is 3, expected at least 4"
        );
        assert_eq!(
            error(&|ops| ops[2].2[2] = 9),
            "log transaction 7: regions of its last item is 2, expected 9"
        );
        assert_eq!(
            error(&|ops| ops[2].1 = OP_WAS_CONT),
            "log transaction 7: continued region is the first, expected one that has a beginning"
        );
    }

    #[test]
    fn operations_outside_their_record() {
        let error = |at: usize, value: u8| {
            let mut sample = sample();
            let block = sample.transaction(&[]);
            let log = sample.log();
            let at = block::to_usize(log.ring.offset(block + 1)) + at;
            sample.device[at] = value;
            sample.patch(block, |_| ());
            read(&sample).unwrap_err().to_string()
        };
        assert_eq!(error(8, 0x42), "log operation 0: client is 0x42, expected 0x69 or 0xaa");
        assert_eq!(error(4, 0x7f), "log operation 0: length is 2130706432, expected at most 500");
    }

    #[test]
    fn logs_of_others() {
        let error = |change: fn(&mut [u8])| {
            let mut sample = sample();
            let block = sample.transaction(&[]);
            sample.transaction(&[]);
            sample.patch(block, change);
            read(&sample).unwrap_err().to_string()
        };
        let big = "log block 2: a log of a big-endian machine that has to be replayed is not supported";
        assert_eq!(error(|raw| H_FMT.set(raw, 2)), big);
        assert_eq!(error(|raw| H_FMT.set(raw, 0)), "log block 2: format is 0, expected 1");
        let uuid = "log block 2: UUID is that of another filesystem, expected that of the superblock";
        assert_eq!(error(|raw| H_FS_UUID.set(raw, &[1; 16])), uuid);
    }
}
