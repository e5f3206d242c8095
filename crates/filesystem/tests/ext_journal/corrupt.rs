//! Journals that lie: a good image, one patched field, the exact error; then many random patches, no panic.

use crate::tools::{Image, corpora, recover, sh};

/// An image with a dirty journal of three transactions, without checksums so that lies are seen as such.
/// Returns it with the byte offsets of the first blocks of the journal.
fn dirty() -> (Vec<u8>, Vec<usize>) {
    let image = Image::new();
    sh(
        "mke2fs -qF -t ext4 -b 1024 -O ^metadata_csum,^64bit,^resize_inode -J size=1 image 8M
         head -c 3072 /dev/zero > payload
         printf 'jo\\njw -b 5001,5002,5003 payload\\njw -r 5002\\njw -b 5004 payload\\njc\\n' | debugfs -w -f - image >log 2>&1
         for i in $(seq 0 15); do echo bmap '<8>' $i; done | debugfs -f - image 2>/dev/null |
             grep -v debugfs > blocks",
        image.dir(),
    );
    let blocks = std::fs::read_to_string(image.dir().join("blocks")).unwrap();
    (image.read(), blocks.lines().map(|block| block.trim().parse::<usize>().unwrap() * 1024).collect())
}

fn error(image: &[u8], offset: usize, value: &[u8]) -> String {
    let mut image = image.to_vec();
    image[offset..offset + value.len()].copy_from_slice(value);
    recover(image).map(|(recovery, _)| recovery).unwrap_err().to_string()
}

#[test]
fn one_patched_field() {
    let (image, journal) = dirty();
    assert_eq!(recover(image.clone()).unwrap().0.transactions, 3);
    let sb = |offset: usize, value: u32| error(&image, journal[0] + offset, &value.to_be_bytes());
    assert_eq!(sb(0x04, 9), "journal superblock: block type is 9, expected 3 or 4");
    assert_eq!(sb(0x0c, 2048), "journal superblock: s_blocksize is 2048, expected 1024");
    assert_eq!(sb(0x10, 5000), "journal superblock: s_maxlen is 5000, expected at most 1024");
    assert_eq!(sb(0x10, 0), "journal superblock: s_first is 1, expected 1 to 0");
    assert_eq!(sb(0x14, 0), "journal superblock: s_first is 0, expected 1 to 1023");
    assert_eq!(sb(0x14, 1024), "journal superblock: s_first is 1024, expected 1 to 1023");
    assert_eq!(sb(0x1c, 9999), "journal superblock: s_start is 9999, expected 0, or 1 to 1023");
    assert_eq!(sb(0x28, 0x40), "journal superblock: journal feature FEATURE_I6 is not supported");
    assert_eq!(sb(0x2c, 0x1), "journal superblock: journal feature FEATURE_R0 is not supported");
    assert_eq!(sb(0x28, 0x18), "journal superblock: checksum is v2 and v3, expected one version");

    // Block 1: descriptor with three tags. Its first tag starts behind the header of 12 bytes.
    let tag = journal[1] + 12;
    let number = |value: u32| error(&image, tag, &value.to_be_bytes());
    let sequence = u32::from_be_bytes(image[journal[0] + 0x18..journal[0] + 0x1c].try_into().unwrap());
    assert_eq!(
        number(8192),
        format!("journal transaction {sequence}: block number is 8192, expected less than 8192")
    );
    let inside = u32::try_from(journal[7] / 1024).unwrap();
    assert_eq!(
        number(inside),
        format!(
            "journal transaction {sequence}: block number is {inside}, expected a block outside the journal"
        )
    );
    // Behind the first transaction (descriptor, three copies, commit): revoke block 6.
    assert_eq!(
        error(&image, journal[6] + 12, &[0xff; 4]),
        "journal block 6: r_count is 4294967295, expected at most 1024"
    );
}

/// Nothing but descriptors without an end: a walk that trusted them would go round for ever.
#[test]
fn a_log_in_a_circle() {
    let (mut image, journal) = dirty();
    let descriptor = image[journal[1]..journal[1] + 1024].to_vec();
    image[journal[0] + 0x10..journal[0] + 0x14].copy_from_slice(&16u32.to_be_bytes());
    for &offset in &journal[1..] {
        image[offset..offset + 1024].copy_from_slice(&descriptor);
    }
    assert_eq!(
        recover(image).map(|(recovery, _)| recovery).unwrap_err().to_string(),
        "journal transaction 1: length is more than 15 blocks, expected to fit in the journal"
    );
}

#[test]
fn orphans_that_cannot_be() {
    let (image, _) = dirty();
    let (_, clean) = recover(image).unwrap();
    let orphan = |number: u32| error(&clean, 1024 + 0xe8, &number.to_le_bytes());
    assert_eq!(orphan(8), "superblock: s_last_orphan is 8, expected 0, or 11 to 2048");
    assert_eq!(orphan(2049), "superblock: s_last_orphan is 2049, expected 0, or 11 to 2048");
    assert_eq!(orphan(500), "superblock: s_last_orphan is 500, which is free, expected an inode in use");

    let image = Image::new();
    sh(
        "seq 9 > file; mke2fs -qF -t ext4 -b 1024 image 8M
         printf 'write file a\\nwrite file b\\nsif a dtime 13\\nsif b dtime 12\\nssv last_orphan 12\\n' |
             debugfs -w -f - image > log 2>&1",
        image.dir(),
    );
    assert_eq!(
        recover(image.read()).map(|(recovery, _)| recovery).unwrap_err().to_string(),
        "inode 13: i_dtime (next orphan) is 12, which came before, expected the end of the orphan list"
    );
}

/// Freed, its number would go to the next file that is made, whose names would be taken for orphans.
#[test]
fn an_orphan_file_that_is_an_orphan() {
    let image = Image::new();
    sh(
        "mke2fs -qF -t ext4 -b 1024 -O orphan_file image 8M
         printf 'sif <12> links_count 0\nssv last_orphan 12\n' | debugfs -w -f - image > log 2>&1",
        image.dir(),
    );
    assert_eq!(
        recover(image.read()).map(|(recovery, _)| recovery).unwrap_err().to_string(),
        "superblock: s_last_orphan is 12, which the filesystem needs for itself, expected the inode of a file"
    );
}

/// What lies behind its size would be dropped as slack, and the next run would miss it.
#[test]
fn an_orphan_file_shorter_than_its_blocks() {
    for (field, error) in [
        ("size 35", "i_size of the orphan file is 35, expected 32768"),
        // The first block of its only extent, which lies behind the size then.
        ("block[3] 962", "orphan file is a hole at block 0, expected a block"),
    ] {
        let image = Image::new();
        sh(
            &format!(
                "mke2fs -qF -t ext4 -b 1024 -O orphan_file image 8M
                 debugfs -w -R 'sif <12> {field}' image 2> log"
            ),
            image.dir(),
        );
        assert_eq!(
            recover(image.read()).map(|(recovery, _)| recovery).unwrap_err().to_string(),
            format!("inode 12: {error}")
        );
    }
}

/// Random bytes changed in the journal and the superblock: an error or a result, never a panic or a hang.
#[test]
fn mutations() {
    let (image, journal) = dirty();
    let mut state = 88_172_645_463_325_252u64;
    let mut next = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    for _ in 0..400 {
        let mut mutant = image.clone();
        for _ in 0..=next(4) {
            let at = match next(4) {
                0 => 1024 + next(1024),
                1 => journal[0] + next(256),
                2 => 2048 + next(2048),
                _ => journal[next(12)] + next(64),
            };
            mutant[at] = u8::try_from(next(256)).unwrap();
        }
        let _ = recover(mutant);
    }
}

/// Fast commits whose checksum is right and whose records lie.
#[test]
fn mutated_fast_commits() {
    let Some(corpora) = corpora() else { return };
    let image = Image::unpack(&corpora, "j_recover_fast_commit").read();
    let starts =
        (0..image.len()).step_by(1024).filter(|&at| image[at..].starts_with(&[9, 0, 8, 0, 0, 0, 0, 0]));
    let start = starts.max().unwrap();
    let field = |image: &[u8], at: usize| usize::from(u16::from_le_bytes([image[at], image[at + 1]]));
    let mut tail = start;
    while field(&image, tail) != 8 {
        tail += 4 + field(&image, tail + 2);
    }
    let seal = |image: &mut [u8]| {
        let sum = !crc32c::crc32c_append(!0, &image[start..tail + 8]);
        image[tail + 8..tail + 12].copy_from_slice(&sum.to_le_bytes());
    };
    let mut same = image.clone();
    seal(&mut same);
    assert!(same == image, "the checksum as the kernel made it");
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    for _ in 0..600 {
        let mut mutant = image.clone();
        for _ in 0..=next(3) {
            mutant[start + 12 + next(tail - start - 12)] = u8::try_from(next(256)).unwrap();
        }
        seal(&mut mutant);
        let _ = recover(mutant);
    }
}

/// Orphans whose maps lie: trees of extents and indirect blocks, cut and freed.
#[test]
fn mutated_maps() {
    for features in ["^metadata_csum,^64bit,extent", "^metadata_csum,^64bit,^extent"] {
        let image = Image::new();
        sh(
            &format!(
                "head -c 700000 /dev/urandom > file; mke2fs -qF -t ext4 -b 1024 -O {features} image 8M
                 echo write file a > commands; for i in $(seq 1 3 400); do echo punch a $i $i; done >> commands
                 echo 'sif a size 300007' >> commands; echo 'ssv last_orphan 12' >> commands
                 debugfs -w -f commands image > log 2>&1
                 debugfs -R 'imap <12>' image 2>/dev/null | sed -n 's/.*block \\([0-9]*\\), offset \\(.*\\)/\\1 \\2/p' > place
                 debugfs -R 'stat <12>' image 2>/dev/null | grep -oE '\\((ETB[0-9]*|IND|DIND)\\):[0-9]+' | sed 's/.*://' > map"
            ),
            image.dir(),
        );
        let read = |name| std::fs::read_to_string(image.dir().join(name)).unwrap();
        let place = read("place");
        let (block, offset) = place.trim().split_once(' ').unwrap();
        let offset = usize::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
        let mut places = vec![(block.parse::<usize>().unwrap() * 1024 + offset, 128)];
        places.extend(read("map").lines().map(|block| (block.parse::<usize>().unwrap() * 1024, 64)));
        assert!(places.len() > 1, "{features}: {places:?}");
        let good = image.read();
        assert_eq!(recover(good.clone()).unwrap().0.orphans, 1, "{features}");
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut next = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
        };
        for _ in 0..300 {
            let mut mutant = good.clone();
            for _ in 0..=next(3) {
                let (start, len) = places[next(places.len())];
                mutant[start + next(len)] = u8::try_from(next(256)).unwrap();
            }
            let _ = recover(mutant);
        }
    }
}
