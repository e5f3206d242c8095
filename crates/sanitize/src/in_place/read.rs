//! Reads an intent log. Its digest is checked before anything else in it is believed.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use block::{Extent, to_u64, to_usize};

use super::log::{
    BODY_MAX, DIGEST, DISCARD, LogError, MAGIC, META, Meta, OLD, PATCH, Patch, SAMPLE, ZERO, sectors,
};

/// Bytes hashed at once.
const READ: usize = 1 << 20;

/// A complete log.
#[derive(Debug)]
pub struct IntentLog {
    file: File,
    /// Where the records end.
    end: u64,
    meta: Meta,
}

/// One record.
pub(super) enum Record {
    Patch(Patch),
    Zero(Extent),
    Discard(Extent),
    Sample(u64, [u8; 32]),
    Meta(Box<Meta>),
}

impl IntentLog {
    /// Checks the whole log: its version, its digest, and that every record lies on the disk.
    pub fn open(mut file: File) -> Result<Self, LogError> {
        let len = file.seek(SeekFrom::End(0))?;
        let least = to_u64(MAGIC.len() + DIGEST);
        let Some(end) = len.checked_sub(to_u64(DIGEST)).filter(|_| len >= least) else {
            return Err(LogError::Malformed("is not a complete intent log"));
        };
        file.seek(SeekFrom::Start(0))?;
        check_digest(&file, end)?;
        let meta = last_record(&file, end)?;
        let log = Self { file, end, meta };
        for record in log.records()? {
            log.check(&record?)?;
        }
        Ok(log)
    }

    /// What it says of the run.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    fn check(&self, record: &Record) -> Result<(), LogError> {
        let on_disk = |extent: Extent| {
            Extent::new(extent.start, extent.len).is_some_and(|extent| extent.end() <= self.meta.size)
        };
        let good = match record {
            Record::Patch(patch) => {
                on_disk(patch.extent()) && patch.old.len() == sectors(patch.offset, patch.data.len()).count()
            }
            Record::Zero(extent) | Record::Discard(extent) => on_disk(*extent),
            Record::Sample(index, _) => {
                index.checked_mul(crate::digest::PIECE).is_some_and(|at| at < self.meta.size)
            }
            Record::Meta(_) => true,
        };
        good.then_some(()).ok_or(LogError::Malformed("speaks of bytes that its disk does not have"))
    }

    /// All records, in the order in which they were written. Another walk must not begin before the end of this one.
    pub(super) fn records(&self) -> io::Result<impl Iterator<Item = Result<Record, LogError>> + '_> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(to_u64(MAGIC.len())))?;
        let mut input = BufReader::with_capacity(READ, file.take(self.end - to_u64(MAGIC.len())));
        let mut failed = false;
        Ok(std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let record = next_record(&mut input).transpose();
            failed = matches!(record, Some(Err(_)));
            record
        }))
    }
}

fn malformed() -> LogError {
    LogError::Malformed("has a record that makes no sense")
}

fn check_digest(file: &File, end: u64) -> Result<(), LogError> {
    let mut input = BufReader::with_capacity(READ, file);
    let mut magic = [0; MAGIC.len()];
    input.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(LogError::Malformed("is no intent log of this version of diskscrub"));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&magic);
    let mut rest = end - to_u64(MAGIC.len());
    let mut buf = vec![0; READ];
    while rest > 0 {
        let len = to_usize(rest.min(to_u64(READ)));
        input.read_exact(&mut buf[..len])?;
        hasher.update(&buf[..len]);
        rest -= to_u64(len);
    }
    let mut stored = [0; DIGEST];
    input.read_exact(&mut stored)?;
    if hasher.finalize() != stored {
        return Err(LogError::Malformed("is damaged: its digest is not that of its bytes"));
    }
    Ok(())
}

/// What the log ends with.
fn last_record(file: &File, end: u64) -> Result<Meta, LogError> {
    let mut file = file;
    file.seek(SeekFrom::Start(to_u64(MAGIC.len())))?;
    let mut input = BufReader::with_capacity(READ, file.take(end - to_u64(MAGIC.len())));
    let mut last = None;
    while let Some(record) = next_record(&mut input)? {
        last = Some(record);
    }
    match last {
        Some(Record::Meta(meta)) => Ok(*meta),
        _ => Err(malformed()),
    }
}

fn next_record(input: &mut impl Read) -> Result<Option<Record>, LogError> {
    let mut tag = [0];
    if input.read(&mut tag)? == 0 {
        return Ok(None);
    }
    let mut len = [0; 4];
    input.read_exact(&mut len)?;
    let len = usize::try_from(u32::from_le_bytes(len)).map_err(|_| malformed())?;
    if len > BODY_MAX && tag[0] != META {
        return Err(malformed());
    }
    let mut body = Vec::new();
    // Not more than there is, whatever the length says.
    if input.take(to_u64(len)).read_to_end(&mut body)? != len {
        return Err(malformed());
    }
    let record = match tag[0] {
        PATCH => patch(&body).map(Record::Patch),
        ZERO => extent(&body).map(Record::Zero),
        DISCARD => extent(&body).map(Record::Discard),
        SAMPLE => sample(&body),
        META => serde_json::from_slice(&body).ok().map(Box::new).map(Record::Meta),
        _ => None,
    };
    record.map(Some).ok_or_else(malformed)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (u64::from_le_bytes(*first), rest))
}

fn extent(body: &[u8]) -> Option<Extent> {
    let (start, rest) = number(body)?;
    let (len, rest) = number(rest)?;
    rest.is_empty().then(|| Extent::new(start, len)).flatten()
}

fn sample(body: &[u8]) -> Option<Record> {
    let (index, hash) = number(body)?;
    Some(Record::Sample(index, hash.try_into().ok()?))
}

fn patch(body: &[u8]) -> Option<Patch> {
    let (offset, rest) = number(body)?;
    let (len, rest) = rest.split_first_chunk()?;
    let (data, old) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let (old, rest) = old.as_chunks::<OLD>();
    Extent::new(offset, to_u64(data.len()))?;
    rest.is_empty().then(|| Patch { offset, data: data.to_vec(), old: old.to_vec() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::in_place::{Orders, Totals, log::LogWriter};

    fn meta() -> Meta {
        Meta {
            tool: "test".to_owned(),
            size: 1 << 20,
            uuids: Vec::new(),
            policy: String::new(),
            orders: Orders { passes: "zero".parse().unwrap(), discard: false, seed: [0; 32] },
            rest: String::new(),
            output: String::new(),
            totals: Totals::default(),
            note: serde_json::Value::Null,
        }
    }

    fn bytes(zero: Extent) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut log = LogWriter::new(&mut bytes).unwrap();
        log.patch(&Patch::new(700, b"old", b"new")).unwrap();
        log.zero(zero).unwrap();
        log.zero(Extent { start: zero.end(), len: 5 }).unwrap();
        log.discard(Extent::between(0, 4096)).unwrap();
        log.sample(3, &blake3::hash(b"")).unwrap();
        log.finish(&meta()).unwrap();
        bytes
    }

    fn open(bytes: &[u8]) -> Result<IntentLog, LogError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        IntentLog::open(file)
    }

    #[test]
    fn is_read_as_it_was_written() {
        let log = open(&bytes(Extent::between(100, 200))).unwrap();
        assert_eq!(*log.meta(), meta());
        for _ in 0..2 {
            let mut seen = Vec::new();
            for record in log.records().unwrap() {
                seen.push(match record.unwrap() {
                    Record::Patch(patch) => {
                        assert_eq!(patch, Patch::new(700, b"old", b"new"));
                        (PATCH, patch.extent())
                    }
                    Record::Zero(extent) => (ZERO, extent),
                    Record::Discard(extent) => (DISCARD, extent),
                    Record::Sample(index, _) => (SAMPLE, Extent { start: index, len: 0 }),
                    Record::Meta(_) => (META, Extent::between(0, 0)),
                });
            }
            // Neighbours became one; the order of kinds does not matter.
            seen.sort();
            let expected = [
                (DISCARD, Extent::between(0, 4096)),
                (META, Extent::between(0, 0)),
                (PATCH, Extent::between(700, 703)),
                (SAMPLE, Extent { start: 3, len: 0 }),
                (ZERO, Extent::between(100, 205)),
            ];
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        let good = bytes(Extent::between(100, 200));
        for len in 0..good.len() {
            assert!(open(&good[..len]).is_err(), "cut to {len}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(open(&bad).is_err(), "byte {at}");
        }
        let beyond = open(&bytes(Extent::between(1 << 20, (1 << 20) + 1))).unwrap_err();
        assert_eq!(beyond.to_string(), "speaks of bytes that its disk does not have");
    }
}
