//! A bzip2 decoder for streams that nobody vouches for: bounded memory (10 MiB), no recursion, no panic.
//!
//! Checks the CRC of each block, after its bytes have been given out: what was decoded can be searched even if it is
//! damaged. Format: "The BZIP2 file format", joetsoi, 2017; names are the specification's. Blocks that the 0.9.0
//! compressor randomised are refused.

use std::io::{self, BufRead, Read};

/// Magic numbers of a block and of the end of a stream, 48 bits each.
pub(super) const BLOCK: u64 = 0x3141_5926_5359;
pub(super) const END: u64 = 0x1772_4538_5090;

/// Bytes of a block for each level, 1 to 9.
const LEVEL: usize = 100_000;
/// Longest code of a Huffman table, in bits.
const MAX_BITS: usize = 20;
/// Symbols that one table codes.
const GROUP: u32 = 50;
/// Most selectors that a block of the largest size needs.
const MAX_SELECTORS: usize = 18_002;

fn corrupt(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Bits, the highest of a byte first.
struct Bits<R> {
    input: R,
    held: u64,
    count: u32,
}

impl<R: BufRead> Bits<R> {
    /// The next byte, if there is one.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => {
                    let byte = buffer.first().copied();
                    if byte.is_some() {
                        self.input.consume(1);
                    }
                    return Ok(byte);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// At most 32 bits.
    fn take(&mut self, count: u32) -> io::Result<u32> {
        while self.count < count {
            let byte = self.byte()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
        self.count -= count;
        let mask = (1_u64 << count) - 1;
        Ok(u32::try_from(self.held >> self.count & mask).unwrap_or_default())
    }

    fn bit(&mut self) -> io::Result<bool> {
        Ok(self.take(1)? == 1)
    }

    fn small(&mut self, count: u32) -> io::Result<usize> {
        Ok(usize::try_from(self.take(count)?).unwrap_or_default())
    }

    fn magic(&mut self) -> io::Result<u64> {
        Ok(u64::from(self.take(24)?) << 24 | u64::from(self.take(24)?))
    }
}

/// A canonical Huffman table, read bit by bit.
#[derive(Default)]
struct Table {
    /// For each length: the first code, and the index of its symbol.
    first: [u32; MAX_BITS + 2],
    index: [usize; MAX_BITS + 2],
    count: [u32; MAX_BITS + 2],
    symbols: Vec<u16>,
}

impl Table {
    fn new(lengths: &[u8]) -> Self {
        let mut table = Self::default();
        for length in 1..=MAX_BITS {
            table.index[length] = table.symbols.len();
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, of)| usize::from(**of) == length) {
                table.symbols.push(u16::try_from(symbol).unwrap_or_default());
                table.count[length] += 1;
            }
            table.first[length + 1] = (table.first[length] + table.count[length]) << 1;
        }
        table
    }

    fn read<R: BufRead>(&self, bits: &mut Bits<R>) -> io::Result<u16> {
        let mut code = 0;
        for length in 1..=MAX_BITS {
            code = code << 1 | bits.take(1)?;
            // An overfull table has first codes above the ones that are read.
            if let Some(nth) = code.checked_sub(self.first[length]).filter(|nth| *nth < self.count[length]) {
                let index = self.index[length] + usize::try_from(nth).unwrap_or(usize::MAX);
                return self.symbols.get(index).copied().ok_or_else(|| corrupt("bzip2: no such code"));
            }
        }
        Err(corrupt("bzip2: no such code"))
    }
}

/// What is being given out: a block after the inverse transform, with its run lengths still coded.
#[derive(Default)]
struct Block {
    /// For each place: the next place, shifted left by 8, and the byte.
    chain: Vec<u32>,
    at: u32,
    left: usize,
    /// The last byte, how often it came in a row, and how often it is still to come.
    last: Option<u8>,
    row: u8,
    repeat: u8,
    crc: u32,
    expected: u32,
}

impl Block {
    fn next(&mut self) -> Option<u8> {
        if self.repeat > 0 {
            self.repeat -= 1;
            return self.last;
        }
        loop {
            let place = usize::try_from(self.at >> 8).unwrap_or(usize::MAX);
            let entry = *self.chain.get(place).filter(|_| self.left > 0)?;
            self.left -= 1;
            self.at = entry;
            let [byte, ..] = entry.to_le_bytes();
            if self.row == 4 {
                self.row = 0;
                let last = self.last;
                if byte > 0 {
                    self.repeat = byte - 1;
                    return last;
                }
                continue;
            }
            self.row = if self.last == Some(byte) && self.row > 0 { self.row + 1 } else { 1 };
            self.last = Some(byte);
            return self.last;
        }
    }
}

/// What a bzip2 file holds; files may hold several streams.
pub(super) struct Decoder<R> {
    bits: Bits<R>,
    /// Bytes of a block at most; 0 before the first stream's header.
    most: usize,
    block: Block,
    crc_table: [u32; 256],
    ended: bool,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(input: R) -> Self {
        let mut crc_table = [0; 256];
        for (byte, entry) in (0_u32..).zip(&mut crc_table) {
            *entry = (0..8).fold(byte << 24, |crc, _| {
                if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
            });
        }
        let bits = Bits { input, held: 0, count: 0 };
        Self { bits, most: 0, block: Block::default(), crc_table, ended: false }
    }

    /// Reads on to the next block. `false`: there is none.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            if self.most == 0 && !self.stream()? {
                return Ok(false);
            }
            match self.bits.magic()? {
                BLOCK => break,
                END => {
                    // Of all blocks together; each has been checked.
                    self.bits.take(32)?;
                    self.bits.count -= self.bits.count % 8;
                    self.most = 0;
                }
                _ => return Err(corrupt("bzip2: neither block nor end")),
            }
        }
        let expected = self.bits.take(32)?;
        if self.bits.bit()? {
            return Err(corrupt("bzip2: a randomised block"));
        }
        self.read_block()?;
        (self.block.crc, self.block.expected) = (u32::MAX, expected);
        Ok(true)
    }

    /// The header of a stream. `false`: the file ends here.
    fn stream(&mut self) -> io::Result<bool> {
        if self.bits.count == 0 {
            match self.bits.byte()? {
                None => return Ok(false),
                Some(byte) => (self.bits.held, self.bits.count) = (byte.into(), 8),
            }
        }
        let level = match self.bits.take(32)?.to_be_bytes() {
            [b'B', b'Z', b'h', level @ b'1'..=b'9'] => level - b'0',
            _ => return Err(corrupt("bzip2: something else behind the end")),
        };
        self.most = usize::from(level) * LEVEL;
        Ok(true)
    }

    fn read_block(&mut self) -> io::Result<()> {
        let bits = &mut self.bits;
        let origin = bits.small(24)?;
        let mut used = Vec::with_capacity(256);
        let map = bits.take(16)?;
        for high in 0..16_u8 {
            if map >> (15 - high) & 1 == 1 {
                let low = bits.take(16)?;
                used.extend((0..16_u8).filter(|nth| low >> (15 - nth) & 1 == 1).map(|nth| high << 4 | nth));
            }
        }
        let tables = bits.small(3)?;
        let selectors = bits.small(15)?;
        if used.is_empty() || !(2..=6).contains(&tables) || selectors == 0 {
            return Err(corrupt("bzip2: no symbols or tables"));
        }
        let mut front: Vec<usize> = (0..tables).collect();
        let mut selected = Vec::with_capacity(selectors.min(MAX_SELECTORS));
        for _ in 0..selectors {
            let mut at = 0;
            while bits.bit()? {
                at += 1;
                if at >= tables {
                    return Err(corrupt("bzip2: no such table"));
                }
            }
            front[..=at].rotate_right(1);
            // Compressors are known to write a few more than a block can use.
            if selected.len() < MAX_SELECTORS {
                selected.push(front[0]);
            }
        }
        let symbols = used.len() + 2;
        let mut codes = Vec::with_capacity(tables);
        for _ in 0..tables {
            let mut length = bits.take(5)?;
            let mut lengths = Vec::with_capacity(symbols);
            for _ in 0..symbols {
                loop {
                    if !(1..=20).contains(&length) {
                        return Err(corrupt("bzip2: length of a code"));
                    }
                    if !bits.bit()? {
                        break;
                    }
                    length = if bits.bit()? { length - 1 } else { length + 1 };
                }
                lengths.push(u8::try_from(length).unwrap_or_default());
            }
            codes.push(Table::new(&lengths));
        }
        let bytes = symbols_of(bits, &selected, &codes, used, self.most)?;
        if origin >= bytes.len() {
            return Err(corrupt("bzip2: origin of a block"));
        }
        self.block.invert(&bytes, origin);
        Ok(())
    }
}

/// The block's bytes: Huffman codes, runs of the front, moves to front.
fn symbols_of<R: BufRead>(
    bits: &mut Bits<R>,
    selected: &[usize],
    codes: &[Table],
    mut front: Vec<u8>,
    most: usize,
) -> io::Result<Vec<u8>> {
    let end = u16::try_from(front.len() + 1).unwrap_or(u16::MAX);
    let mut bytes = Vec::new();
    let (mut run, mut weight) = (0_usize, 1_usize);
    for &table in selected {
        for _ in 0..GROUP {
            let symbol = codes[table].read(bits)?;
            if symbol < 2 {
                run += weight << symbol;
                weight <<= 1;
                if run > most {
                    return Err(corrupt("bzip2: a block is too long"));
                }
                continue;
            }
            bytes.resize(bytes.len() + run, front[0]);
            (run, weight) = (0, 1);
            if symbol == end {
                return if bytes.len() > most {
                    Err(corrupt("bzip2: a block is too long"))
                } else {
                    Ok(bytes)
                };
            }
            front[..usize::from(symbol)].rotate_right(1);
            bytes.push(front[0]);
            if bytes.len() > most {
                return Err(corrupt("bzip2: a block is too long"));
            }
        }
    }
    Err(corrupt("bzip2: a block without an end"))
}

impl Block {
    /// The inverse Burrows-Wheeler transform.
    fn invert(&mut self, bytes: &[u8], origin: usize) {
        let mut places = [0_usize; 256];
        bytes.iter().for_each(|byte| places[usize::from(*byte)] += 1);
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        self.chain.clear();
        self.chain.extend(bytes.iter().map(|byte| u32::from(*byte)));
        for (at, byte) in (0_u32..).zip(bytes) {
            let place = &mut places[usize::from(*byte)];
            self.chain[*place] |= at << 8;
            *place += 1;
        }
        self.at = self.chain[origin];
        self.left = bytes.len();
        (self.last, self.row, self.repeat) = (None, 0, 0);
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut given = 0;
        while given < buf.len() && !self.ended {
            while given < buf.len() {
                let Some(byte) = self.block.next() else { break };
                buf[given] = byte;
                given += 1;
                let [top, ..] = self.block.crc.to_be_bytes();
                self.block.crc = self.block.crc << 8 ^ self.crc_table[usize::from(top ^ byte)];
            }
            if given > 0 {
                break;
            }
            if self.block.expected != !self.block.crc && !self.block.chain.is_empty() {
                self.ended = true;
                return Err(corrupt("bzip2: checksum of a block"));
            }
            self.ended = !self.advance()?;
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use super::*;

    /// What the tool makes of it.
    fn compressed(data: &[u8], level: &str) -> Vec<u8> {
        let mut tool = Command::new("bzip2")
            .args(["-c", level])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bzip2 is needed (Debian package bzip2)");
        let mut input = tool.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || input.write_all(data).unwrap());
            tool.wait_with_output().unwrap().stdout
        })
    }

    fn decoded(data: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Decoder::new(data).read_to_end(&mut bytes).map(|_| bytes)
    }

    fn noise(length: usize, mut seed: u64) -> Vec<u8> {
        let mut step = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed.to_be_bytes()[0]
        };
        (0..length).map(|_| step()).collect()
    }

    #[test]
    fn reads_what_the_tool_writes() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        let runs: Vec<u8> =
            (0..2000_usize).flat_map(|n| vec![b'a' + u8::from(n % 3 == 0); n % 300]).collect();
        for data in [vec![], vec![7], text, runs, noise(250_000, 1), vec![0; 3_000_000], b"aaaa".to_vec()] {
            for level in ["-1", "-9"] {
                let packed = compressed(&data, level);
                assert!(decoded(&packed).unwrap() == data, "{} bytes", data.len());
                let twice = [&packed[..], &packed].concat();
                assert!(decoded(&twice).unwrap() == [&data[..], &data].concat());
            }
        }
    }

    #[test]
    fn damage_is_told_and_nothing_else_happens() {
        let data = [noise(3000, 2), vec![b'x'; 3000]].concat();
        let packed = compressed(&data, "-9");
        for cut in [4, 20, packed.len() / 2, packed.len() - 1] {
            assert!(decoded(&packed[..cut]).is_err());
        }
        for (round, seed) in (0..packed.len() * 2).zip(1_u64..) {
            let mut spoilt = packed.clone();
            let at = round % packed.len();
            spoilt[at] ^= noise(1, seed * 7919)[0] | 1;
            // The last four bytes are the checksum of all blocks, whose own have been compared.
            assert!(at + 5 >= packed.len() || decoded(&spoilt).is_err(), "byte {at}");
        }
    }
}
