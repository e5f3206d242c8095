//! How many fragments of removed files the search finds: 1000 trials each, seeded. Prints the table of docs/taint.md.
//!
//! `cargo run --release -p diskscrub-verify --example taint_rates`

#![allow(clippy::print_stdout, reason = "a program")]

use verify::taint::{Hits, Index, Removed};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        block::to_usize((self.next() >> 20) % block::to_u64(limit))
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// Bytes as of a key file in binary, of one in base64, and of a log.
fn content(kind: &str, len: usize, random: &mut Random) -> Vec<u8> {
    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const WORDS: [&str; 16] = [
        "session",
        "opened",
        "for",
        "user",
        "root",
        "by",
        "cron",
        "failed",
        "to",
        "start",
        "unit",
        "mount",
        "device",
        "ready",
        "connection",
        "closed",
    ];
    let mut bytes = Vec::with_capacity(len + 200);
    while bytes.len() < len {
        match kind {
            "binary" => bytes.push(random.byte()),
            "base64" => {
                bytes.extend((0..64).map(|_| BASE64[random.below(64)]));
                bytes.push(b'\n');
            }
            _ => {
                let stamp = format!(
                    "Nov 21 22:{:02}:{:02} host app[{}]:",
                    random.below(60),
                    random.below(60),
                    random.below(9999)
                );
                bytes.extend(stamp.bytes());
                for _ in 0..4 + random.below(8) {
                    bytes.push(b' ');
                    bytes.extend(WORDS[random.below(16)].bytes());
                }
                bytes.push(b'\n');
            }
        }
    }
    bytes.truncate(len);
    bytes
}

fn found(index: &Index<'_>, source: &[u8], len: usize, align: usize, random: &mut Random) -> bool {
    const PLACE: usize = 16 << 10;
    let mut buf: Vec<u8> = (0..PLACE).map(|_| random.byte()).collect();
    let from = random.below((source.len() - len) / align + 1) * align;
    let to = random.below((PLACE - len) / align + 1) * align;
    buf[to..to + len].copy_from_slice(&source[from..from + len]);
    let mut hits = Hits::default();
    index.search(&buf, 0..PLACE, 0, &mut hits).expect("content is in memory");
    !hits.hits.is_empty()
}

fn main() {
    const TRIALS: u32 = 1000;
    let lengths = [64, 128, 256, 512, 700, 1024, 4096];
    let mut random = Random(0x5eed);
    let nothing: Vec<u8> = Vec::new();
    println!("| removed file | fragment at | {} |", lengths.map(|len| len.to_string()).join(" | "));
    println!("|---|---|{}", "---|".repeat(lengths.len()));
    for (size, name) in [(32 << 10, "32 KiB"), (1 << 20, "1 MiB"), (64 << 20, "64 MiB")] {
        for kind in ["binary", "base64", "log"] {
            let source = content(kind, size, &mut random);
            let mut removed = Removed::new();
            removed.add_content(b"/removed", &source);
            let index = Index::new(&nothing, &removed).expect("content is in memory");
            for align in [1, 512] {
                let rates = lengths.map(|len| {
                    if len % align > 0 {
                        return String::new();
                    }
                    let found =
                        (0..TRIALS).filter(|_| found(&index, &source, len, align, &mut random)).count();
                    let permille = block::to_u64(found) * 1000 / u64::from(TRIALS);
                    format!("{}.{}", permille / 10, permille % 10)
                });
                let place = if align == 1 { "any byte" } else { "a sector" };
                println!("| {name}, {kind} | {place} | {} |", rates.join(" | "));
            }
        }
    }
}
