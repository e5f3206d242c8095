//! Reports to render: one of an image that is full of residue, one of a clean image, one whose every name is hostile.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use audit::{Evidence, Guideline, Row, Severity, Status, Table};
use report::{
    Accepted, Cell, Command, Coverage, Digest, Extent, Image, Map, Policy, Removed, Report, Rule, Tool,
    Total, Volume,
};
use verify::{Finding, Opinion, Place, Reader, Region, Shipped, Tier, Was};

const MIB: u64 = 1 << 20;
/// The sample's disk.
pub const DISK: u64 = 2048 * MIB;
const FIRST: u64 = MIB;
const SECOND: u64 = 128 * MIB;

/// What has been tried to leave its place, in every format that there is.
pub const HOSTILE: &str =
    "</td></svg></title><script>alert(1)</script>\"'&\u{1b}]0;x\u{7}\u{9b}31m\u{202e}gpj.\0\u{fffe}\r\n]]>";

fn image(path: &str, format: &str) -> Image {
    let digest = Digest { algorithm: "blake3-chunks".to_owned(), value: "5f".repeat(32) };
    Image {
        path: path.to_owned(),
        format: format.to_owned(),
        size: DISK,
        file_size: Some(DISK / 4),
        digest: Some(digest),
    }
}

fn tool() -> Tool {
    Tool { name: "diskscrub".to_owned(), version: "0.1.0".to_owned() }
}

fn volume(number: u32, content: &str, start: u64, length: u64) -> Volume {
    Volume {
        number,
        content: content.to_owned(),
        type_name: "Linux filesystem".to_owned(),
        name: String::new(),
        dirty: number == 2,
        accounted: true,
        label: if number == 1 { "EFI".to_owned() } else { "cloudimg-rootfs".to_owned() },
        uuid: "2f1c-77aa".to_owned(),
        extents: vec![Extent { start, length }],
    }
}

fn total(volume: Option<u32>, region: Region, bytes: u64, non_zero: u64) -> Total {
    Total { volume, region, bytes, non_zero: (!region.is_live()).then_some(non_zero) }
}

/// A place in volume 2.
pub fn place(region: Region, offset: u64, length: u64) -> Place {
    Place {
        volume: Some(2),
        region,
        offset,
        length,
        inode: None,
        path: None,
        file_offset: None,
        inside: Vec::new(),
        was: None,
    }
}

fn file(path: &str, offset: u64, length: u64) -> Place {
    Place {
        inode: Some(1234),
        path: Some(path.to_owned()),
        file_offset: Some(96),
        ..place(Region::File, offset, length)
    }
}

/// A secret with a digest made of one byte.
pub fn secret(rule: &'static str, tier: Tier, place: Place, digest: u8) -> Finding {
    Finding::Secret { rule, tier, place, digest: format!("{digest:02x}").repeat(16) }
}

fn findings() -> Vec<Finding> {
    let residue = |region, first: u64, bytes| Finding::Residue { volume: Some(2), region, first, bytes };
    let journal = Place {
        was: Some(Was::CopyOf {
            block: 8231,
            region: Region::Metadata,
            inode: Some(77),
            path: Some("/root/.ssh".to_owned()),
        }),
        ..place(Region::Journal, SECOND + 40 * MIB + 512, 411)
    };
    let deleted = Place {
        was: Some(Was::DeletedFile {
            inode: Some(991),
            path: Some("/home/alice/.aws/credentials".to_owned()),
        }),
        ..place(Region::Free, SECOND + 700 * MIB, 40)
    };
    let packed = Place {
        inside: vec!["backup.tar".to_owned(), "etc/shadow".to_owned()],
        ..file("/var/backups/old.tar.gz", SECOND + 300 * MIB, 106)
    };
    vec![
        secret("private-key-openssh", Tier::Proven, journal, 0xa1),
        secret(
            "private-key-openssh",
            Tier::Proven,
            file("/root/.ssh/id_ed25519", SECOND + 210 * MIB, 399),
            0xa2,
        ),
        secret("aws-access-key-id", Tier::Likely, deleted, 0xb1),
        secret("password-hash", Tier::Likely, packed, 0xc1),
        secret("password-in-url", Tier::Context, place(Region::Swap, SECOND + 1500 * MIB, 24), 0xd1),
        secret(
            "jwt",
            Tier::Likely,
            Place { volume: None, ..place(Region::Container, 77 * 65536, 300) },
            0xe1,
        ),
        Finding::Unwanted {
            rule: "shell-histories".to_owned(),
            place: file("/root/.bash_history", SECOND + 211 * MIB, 812),
        },
        Finding::Remnant {
            of: "/home/alice/.netrc".to_owned(),
            place: file("/var/lib/cloud/user data.txt", SECOND + 212 * MIB, 64),
            digest: "f1".repeat(16),
        },
        residue(Region::Free, SECOND + 600 * MIB, 180 * MIB + 77),
        residue(Region::Journal, SECOND + 40 * MIB, 31 * MIB),
        residue(Region::Slack, SECOND + 250 * MIB, 4 * MIB + 21),
        Finding::Residue { volume: None, region: Region::Gap, first: 1 << 18, bytes: 512 },
        Finding::Residue { volume: None, region: Region::Container, first: 77 * 65536, bytes: 9 * MIB },
        Finding::Disagreement {
            reader: Reader::Ext4View,
            volume: Some(2),
            difference: "/etc/mtab: it sees a link to /proc/mounts, we see a file".to_owned(),
        },
        Finding::Damage {
            volume: Some(2),
            damage: "not all names can be believed: inode 12: i_links_count is 1, expected 2".to_owned(),
        },
    ]
}

fn map() -> Map {
    let cell_size = 2 * MIB;
    let mut region = Region::Gap;
    let cells = (0..DISK / cell_size).map(|index| {
        region = match index * 2 {
            0 => Region::BootCode,
            2..124 if index % 9 == 0 => Region::File,
            2..124 => Region::Free,
            124..128 => Region::Gap,
            128..168 if index % 31 == 0 => Region::Metadata,
            168..232 => Region::Journal,
            1600..1800 => Region::Swap,
            2040.. => Region::Gap,
            _ if index % 64 < 3 => Region::Metadata,
            _ if index.wrapping_mul(2_654_435_761) % 97 < 38 && index < 700 => Region::File,
            _ if index % 50 > 47 => Region::Unwritten,
            _ => Region::Free,
        };
        let residue = match index * 2 {
            168..199 => MIB,
            700..900 if region == Region::Free => 3 * MIB / 2,
            1628 | 1630 => 4096,
            _ => 0,
        };
        Cell { region, residue }
    });
    Map { cell_size, cells: cells.collect() }
}

fn coverage() -> Coverage {
    Coverage {
        read: 1311 * MIB,
        holes: 737 * MIB,
        skipped: 0,
        live: 640 * MIB,
        rules: 112,
        decoders: ["gzip", "xz", "zstd", "tar"].map(str::to_owned).to_vec(),
    }
}

/// A report with something of everything.
pub fn report() -> Report {
    let mut report =
        Report::new(tool(), Command::Verify, 1_769_860_800, image("shelf/web server.qcow2", "qcow2"));
    report.original = Some(image("shelf/original.raw", "raw"));
    report.policy = Some(Policy { name: "default".to_owned(), digest: "9a".repeat(32) });
    report.table = Some("GPT".to_owned());
    report.sector_size = Some(512);
    report.volumes = vec![
        volume(1, "vfat", FIRST, SECOND - FIRST - 4 * MIB),
        volume(2, "ext4", SECOND, DISK - SECOND - 8 * MIB),
    ];
    report.totals = vec![
        total(None, Region::BootCode, 440, 440),
        total(None, Region::Metadata, 34 * 512, 700),
        total(None, Region::Gap, 13 * MIB, 512),
        total(Some(1), Region::File, 12 * MIB, 11 * MIB),
        total(Some(1), Region::Metadata, MIB, 40_000),
        total(Some(1), Region::Free, 110 * MIB, 0),
        total(Some(2), Region::File, 580 * MIB, 570 * MIB),
        total(Some(2), Region::Metadata, 60 * MIB, 9 * MIB),
        total(Some(2), Region::Journal, 64 * MIB, 31 * MIB),
        total(Some(2), Region::Free, 990 * MIB, 180 * MIB + 77),
        total(Some(2), Region::Unwritten, 20 * MIB, 0),
        total(Some(2), Region::Slack, 9 * MIB, 4 * MIB + 21),
        total(Some(2), Region::Swap, 200 * MIB, 8192),
        total(None, Region::Container, 12 * MIB, 9 * MIB),
    ];
    report.map = Some(map());
    report.coverage = coverage();
    report.findings = findings();
    report.residue = vec![
        place(Region::Free, SECOND + 600 * MIB, 200 * MIB),
        place(Region::Journal, SECOND + 40 * MIB, 31 * MIB),
        Place {
            inode: Some(88),
            path: Some("/etc/hosts".to_owned()),
            ..place(Region::Slack, SECOND + 250 * MIB, 90)
        },
        place(Region::Slack, SECOND + 251 * MIB, 4096),
    ];
    report.unlisted = 3;
    report.accepted = vec![Accepted {
        finding: secret(
            "private-key-pem",
            Tier::Proven,
            file("/usr/share/doc/openssl/demo key.pem", SECOND + 400 * MIB, 1704),
            0x77,
        ),
        reason: "a published example, in Debian's package openssl".to_owned(),
    }];
    report.unused = vec!["66".repeat(16)];
    report.shipped = vec![Shipped {
        package: "cloud-init".to_owned(),
        path: "/usr/share/doc/cloud-init/examples/keys.txt".to_owned(),
        rule: "private-key-pem",
        tier: Tier::Proven,
        place: place(Region::Journal, SECOND + 41 * MIB, 657),
        digest: "88".repeat(16),
    }];
    report.removed = vec![Removed { rule: "ssh-host-keys".to_owned(), files: 6, bytes: 3_211 }];
    report.dropped =
        [("free", 180 * MIB), ("journal", 31 * MIB)].map(|(class, bytes)| (class.to_owned(), bytes)).into();
    report.rules = vec![
        Rule {
            id: "private-key-openssh".to_owned(),
            heading: "Private keys of OpenSSH".to_owned(),
            explain:
                "Whoever has it can log in where its public half is authorised. Remove it, and revoke it."
                    .to_owned(),
        },
        Rule {
            id: "aws-access-key-id".to_owned(),
            heading: "Access keys of AWS".to_owned(),
            explain: "Deactivate the key in IAM: an image that was shared may have told it already."
                .to_owned(),
        },
    ];
    let opinion = |reader, volume, refused: Option<&str>| Opinion {
        reader,
        volume,
        compared: 31_207,
        refused: refused.map(str::to_owned),
        differences: Vec::new(),
    };
    report.opinions = vec![
        opinion(Reader::Gpt, None, None),
        opinion(Reader::Fatfs, Some(1), None),
        opinion(Reader::Ext4View, Some(2), Some("it does not read inline_data")),
    ];
    report.container = vec!["internal snapshot before-upgrade".to_owned()];
    report.notes = vec!["volume 3: LUKS is not read".to_owned()];
    report
}

/// The report of an image in which nothing was found.
pub fn clean() -> Report {
    let mut report = Report::new(tool(), Command::Scan, 1_769_860_800, image("clean.raw", "raw"));
    report.volumes = vec![volume(2, "ext4", SECOND, DISK - SECOND)];
    report.totals =
        vec![total(Some(2), Region::File, MIB, MIB), total(Some(2), Region::Free, DISK - SECOND - MIB, 0)];
    report.coverage = coverage();
    report
}

/// A guideline in every state that a bullet can have.
pub fn audited() -> Report {
    let row = |id, status, evidence: &[(Severity, &str)], advice: &[&'static str]| Row {
        id,
        asks: "Remove and disable passwords, so that nobody can log in with one.",
        status,
        evidence: evidence
            .iter()
            .map(|(severity, what)| Evidence {
                severity: *severity,
                by: Some("root-password".to_owned()),
                path: Some("/etc/shadow".to_owned()),
                line: Some(1),
                what: (*what).to_owned(),
            })
            .collect(),
        advice: advice.to_vec(),
    };
    let rows = vec![
        row("O1", Status::Met, &[], &[]),
        row("O2", Status::Failed, &[(Severity::Fail, "a password opens root")], &["Lock it"]),
        row("O3", Status::Changed, &[(Severity::Info, "before: a password opened root")], &[]),
        row(
            "O4",
            Status::Undecided,
            &[(Severity::Unknown, HOSTILE), (Severity::Warn, "it may be meant")],
            &[],
        ),
        row("O5", Status::NotYet, &[], &[]),
    ];
    let mut report = Report::new(tool(), Command::Audit, 1_769_860_800, image("audited.raw", "raw"));
    report.guideline = Some(Table { guideline: Guideline::Outscale, rows });
    report
}

/// The same findings in an image whose every name is hostile.
pub fn hostile() -> Report {
    let mut report = report();
    let bad = || HOSTILE.to_owned();
    report.image.path = bad();
    report.image.format = bad();
    report.tool.version = bad();
    report.policy = Some(Policy { name: bad(), digest: bad() });
    report.table = Some(bad());
    report.residue.iter_mut().for_each(|place| *place = spoilt(place));
    report.notes = vec![bad()];
    report.container = vec![bad()];
    report.unused = vec![bad()];
    for shipped in &mut report.shipped {
        (shipped.package, shipped.path, shipped.place) = (bad(), bad(), spoilt(&shipped.place));
    }
    report.removed[0].rule = bad();
    report.dropped = [(bad(), MIB), ("journal".to_owned(), MIB)].into();
    report.coverage.decoders = vec![bad()];
    for volume in &mut report.volumes {
        (volume.content, volume.label, volume.uuid) = (bad(), bad(), bad());
        (volume.type_name, volume.name) = (bad(), bad());
    }
    for opinion in &mut report.opinions {
        (opinion.refused, opinion.differences) = (Some(bad()), vec![bad()]);
    }
    for rule in &mut report.rules {
        (rule.heading, rule.explain) = (bad(), bad());
    }
    for accepted in &mut report.accepted {
        accepted.reason = bad();
    }
    let known = report.accepted.iter_mut().map(|accepted| &mut accepted.finding);
    for finding in report.findings.iter_mut().chain(known) {
        match finding {
            Finding::Residue { .. } => {}
            Finding::Secret { place, digest, .. } => (*place, *digest) = (spoilt(place), bad()),
            Finding::Unwanted { place, .. } => *place = spoilt(place),
            Finding::Remnant { of, place, digest } => (*of, *place, *digest) = (bad(), spoilt(place), bad()),
            Finding::NotRetained { difference, .. } | Finding::Disagreement { difference, .. } => {
                *difference = bad();
            }
            Finding::Damage { damage, .. } => *damage = bad(),
        }
    }
    report.findings.push(Finding::NotRetained { volume: 2, difference: bad() });
    report
}

fn spoilt(place: &Place) -> Place {
    let was = Was::FormerContent { inode: None, path: Some(HOSTILE.to_owned()) };
    Place {
        path: Some(HOSTILE.to_owned()),
        inside: vec![HOSTILE.to_owned()],
        was: Some(was),
        ..place.clone()
    }
}

/// Fails if the text has a character that is hidden or that a terminal obeys; line breaks apart.
pub fn assert_tame(text: &str) {
    let wild = text.chars().find(|&c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    });
    assert_eq!(wild, None);
}
