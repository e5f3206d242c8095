//! Log records: what one write put into the log.
//!
//! A header, for records longer than 32 KiB further headers, then operations. The first word of every block was
//! moved to the headers, because its place holds the cycle; [`Record::read`] puts it back. A record whose checksum
//! is wrong is never used.

use block::{BlockRead, Error, Object, Result, to_u64, to_usize};

use super::{
    layout::*,
    ring::{Lsn, Ring, log_block},
};

/// A record's header, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Where it lies.
    pub(crate) block: u32,
    /// When it was written.
    pub(crate) lsn: Lsn,
    /// Since when metadata may not have reached its place.
    pub(crate) tail: Lsn,
    /// How many blocks of headers it has.
    pub(crate) headers: u32,
    /// Bytes of operations, without the headers.
    pub(crate) len: u32,
    /// How many operations.
    pub(crate) operations: u32,
}

impl Header {
    /// Reads and checks the header at `block`. Decides as the kernel does.
    pub(crate) fn read(ring: Ring, device: &impl BlockRead, block: u32) -> Result<Self> {
        let bytes = ring.read(device, block, 1)?;
        let object = log_block(block);
        let wrong = |field, found: u64, expected: &str| Err(object.corrupt(field, found, expected));
        if H_MAGIC.get(&bytes) != HEADER_MAGIC {
            let found = format!("{:#010x}", H_MAGIC.get(&bytes));
            return Err(object.corrupt("magic", found, format!("{HEADER_MAGIC:#010x}")));
        }
        let version = H_VERSION.get(&bytes);
        if version == 0 || version & !3 != 0 {
            return wrong("version", version.into(), "1 or 2");
        }
        let header = Self::fields(block, &bytes);
        let size = H_SIZE.get(&bytes);
        if size > MAX_RECORD {
            return wrong("record size", size.into(), "at most 262144");
        }
        // mkfs wrote its one record as long as the stripe unit, and 32 KiB as the size nevertheless.
        let limit = if header.operations == 1 { MAX_RECORD } else { size.max(HEADER_COVERS) };
        if header.len == 0 || header.len > limit {
            return wrong("record length", header.len.into(), "1 up to the record size");
        }
        if header.blocks() > ring.blocks {
            return wrong("record length", header.len.into(), "to fit in the log");
        }
        Ok(header)
    }

    /// What the fields say, unchecked.
    pub(crate) fn fields(block: u32, bytes: &[u8]) -> Self {
        let size = H_SIZE.get(bytes);
        let long = H_VERSION.get(bytes) & 2 != 0 && size > HEADER_COVERS;
        Self {
            block,
            lsn: Lsn(H_LSN.get(bytes)),
            tail: Lsn(H_TAIL_LSN.get(bytes)),
            headers: if long { size.div_ceil(HEADER_COVERS) } else { 1 },
            len: H_LEN.get(bytes),
            operations: H_NUM_LOGOPS.get(bytes),
        }
    }

    /// How many blocks of operations it has.
    pub(crate) fn body(&self) -> u32 {
        u32::try_from(to_usize(self.len.into()).div_ceil(BB)).expect("smaller than the length")
    }

    /// How many blocks it takes. Saturates where the fields are unchecked.
    pub(crate) fn blocks(&self) -> u32 {
        self.headers.saturating_add(self.body())
    }
}

/// A record with its operations as they were logged.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) header: Header,
    pub(crate) operations: Vec<u8>,
}

impl Record {
    /// Reads the record behind a header. With `strict`, a checksum must be there; without, 0 counts as none.
    pub(crate) fn read(ring: Ring, device: &impl BlockRead, header: Header, strict: bool) -> Result<Self> {
        let mut bytes = ring.read(device, header.block, header.blocks())?;
        let split = to_usize(u64::from(header.headers)) * BB;
        let (headers, body) = bytes.split_at_mut(split);
        let len = to_usize(header.len.into());
        let stored = H_CRC.get(headers);
        if stored != 0 || strict {
            let sums = H_CHECKED.map(|checked| checksum(headers, checked, &body[..len]));
            if !sums.contains(&stored) {
                let object = log_block(header.block);
                return Err(object.corrupt("checksum", hex(stored), hex(sums[0])));
            }
        }
        for (index, block) in body.chunks_exact_mut(BB).enumerate() {
            let (which, word) = (index / CYCLE_WORDS, index % CYCLE_WORDS);
            let at = which * BB + if which == 0 { H_CYCLE_DATA } else { XH_CYCLE_DATA } + word * 4;
            // A record of mkfs may be longer than its headers cover; what is beyond is zero and stays so.
            if let Some(first) = headers.get(at..at + 4) {
                block[..4].copy_from_slice(first);
            }
        }
        let operations = body[..len].to_vec();
        Ok(Self { header, operations })
    }
}

/// The checksum of a record: its header, those further headers that its length needs (there may be more), its body
/// with the cycles in place.
fn checksum(headers: &[u8], checked: usize, body: &[u8]) -> u32 {
    let mut first = headers[..checked].to_vec();
    H_CRC.set(&mut first, 0);
    let needed = body.len().div_ceil(CYCLE_WORDS * BB);
    let sum = headers
        .chunks_exact(BB)
        .take(needed)
        .skip(1)
        .fold(crc32c::crc32c(&first), |sum, further| crc32c::crc32c_append(sum, &further[..XH_CHECKED]));
    crc32c::crc32c_append(sum, body)
}

/// Gives a record's headers their checksum, and its blocks the cycle.
#[cfg(test)]
pub(crate) fn seal(bytes: &mut [u8], headers: usize) {
    let cycle = H_CYCLE.get(bytes);
    let (heads, body) = bytes.split_at_mut(headers * BB);
    for (index, block) in body.chunks_exact_mut(BB).enumerate() {
        let (which, word) = (index / CYCLE_WORDS, index % CYCLE_WORDS);
        let at = which * BB + if which == 0 { H_CYCLE_DATA } else { XH_CYCLE_DATA } + word * 4;
        heads[at..at + 4].copy_from_slice(&block[..4]);
        CYCLE.set(block, cycle);
    }
    for further in heads.chunks_exact_mut(BB).skip(1) {
        CYCLE.set(further, cycle);
    }
    let len = to_usize(H_LEN.get(heads).into());
    let sum = checksum(heads, H_CHECKED[0], &body[..len]);
    H_CRC.set(heads, sum);
}

/// A record that cannot be used, and why.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) block: u32,
    pub(crate) error: Error,
}

/// Calls `visit` with each record from block `tail` up to block `head`, which must not be the same. The first
/// record that is wrong ends the walk and is returned; only the medium and `visit` make it fail.
pub(crate) fn walk<D: BlockRead>(
    ring: Ring,
    device: &mut D,
    (tail, head): (u32, u32),
    strict: bool,
    mut visit: impl FnMut(&mut D, Record) -> Result<()>,
) -> Result<Option<Bad>> {
    let mut at = tail;
    let mut left = ring.distance(tail, head);
    while left > 0 {
        let record = Header::read(ring, device, at).and_then(|header| {
            if header.blocks() > left {
                let found = header.blocks();
                return Err(log_block(at).corrupt("record length in blocks", found, "not to pass the head"));
            }
            Record::read(ring, device, header, strict)
        });
        let record = match record {
            Ok(record) => record,
            Err(Error::Io(error)) => return Err(error.into()),
            Err(error) => return Ok(Some(Bad { block: at, error })),
        };
        let blocks = record.header.blocks();
        visit(device, record)?;
        left -= blocks;
        at = ring.after(at, blocks);
    }
    Ok(None)
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation<'r> {
    pub(crate) transaction: u32,
    pub(crate) flags: u8,
    pub(crate) data: &'r [u8],
}

impl Record {
    /// Calls `visit` with each operation.
    pub(crate) fn each(&self, mut visit: impl FnMut(Operation<'_>) -> Result<()>) -> Result<()> {
        let mut rest = self.operations.as_slice();
        for index in 0..u64::from(self.header.operations) {
            if rest.is_empty() {
                break;
            }
            let object = log_block(self.header.block);
            let Some((head, data)) = rest.split_at_checked(OP_HEADER_LEN) else {
                let needs = format_args!("{OP_HEADER_LEN} bytes").to_string();
                return Err(object.corrupt("operation header", format_args!("{} bytes", rest.len()), needs));
            };
            let client = OH_CLIENTID.get(head);
            if !CLIENTS.contains(&client) {
                return Err(operation(index).corrupt(
                    "client",
                    format_args!("{client:#04x}"),
                    "0x69 or 0xaa",
                ));
            }
            let len = to_usize(OH_LEN.get(head).into());
            let Some((data, behind)) = data.split_at_checked(len) else {
                let expected = format_args!("at most {}", data.len()).to_string();
                return Err(operation(index).corrupt("length", to_u64(len), expected));
            };
            visit(Operation { transaction: OH_TID.get(head), flags: OH_FLAGS.get(head), data })?;
            rest = behind;
        }
        Ok(())
    }
}

fn operation(index: u64) -> Object {
    Object::numbered("log operation", index)
}

pub(crate) fn hex(sum: u32) -> String {
    format!("{sum:#010x}")
}
