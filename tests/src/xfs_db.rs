//! xfs_db's reading of an XFS volume: a second pair of eyes that shares nothing with diskscrub's own reader.
//!
//! Names and maps are asked of xfs_db, directory by directory, and contents are read where its maps say that they lie; all of
//! it has to be what diskscrub's reader says of the same volume.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
};

use block::{OpenOptions, to_u64, to_usize};
use filesystem::{Content, FileKind, Filesystem, InodeId};

use crate::{
    Result,
    program::{command, lossy, output},
};

/// Commands that one run of xfs_db is given.
const BATCH: usize = 400;

/// What one reader says of an inode: kind, mode, links and size, and a regular file's digest.
type Facts = String;
/// Each name by directory and name, with its inode; and each inode's facts.
type Seen = (BTreeMap<(u64, Vec<u8>), u64>, BTreeMap<u64, Facts>);

/// What the two readers do not agree on, of an XFS volume that is all of a raw file.
pub fn disagreements(volume: &Path) -> Result<Vec<String>> {
    let (names, inodes) = theirs(volume)?;
    let (our_names, our_inodes) = ours(volume)?;
    let mut found = Vec::new();
    let all: BTreeSet<_> = names.keys().chain(our_names.keys()).collect();
    for key in all {
        let (theirs, ours) = (names.get(key), our_names.get(key));
        if theirs != ours {
            let name = key.1.escape_ascii();
            found.push(format!("{name} in inode {}: {theirs:?} by xfs_db, {ours:?} by diskscrub", key.0));
        }
    }
    for (inode, ours) in &our_inodes {
        let theirs = inodes.get(inode);
        if theirs != Some(ours) {
            found.push(format!("inode {inode}: {theirs:?} by xfs_db, {ours:?} by diskscrub"));
        }
    }
    Ok(found)
}

fn ours(volume: &Path) -> Result<Seen> {
    let options = OpenOptions { format: Some(block::Format::Raw), ..OpenOptions::default() };
    let read = || -> block::Result<Seen> {
        let device = block::open(volume, &options)?.device;
        let filesystem = filesystem::open(device, Content::Xfs)?;
        let (mut names, mut inodes) = (BTreeMap::new(), BTreeMap::new());
        let mut rest: Vec<InodeId> = filesystem.root().into_iter().collect();
        while let Some(inode) = rest.pop() {
            let meta = filesystem.metadata(inode)?;
            let mut facts = format!("{:o} {} {}", meta.mode & 0o7777, meta.links, meta.size);
            match meta.kind {
                FileKind::Directory => filesystem.entries(inode, &mut |entry| {
                    names.insert((inode.0, entry.name.clone()), entry.inode.0);
                    rest.push(entry.inode);
                    Ok(())
                })?,
                FileKind::File => {
                    facts.push(' ');
                    facts.push_str(&content(&*filesystem, inode)?);
                }
                _ => {}
            }
            inodes.insert(inode.0, facts);
        }
        Ok((names, inodes))
    };
    read().map_err(|error| format!("{}: {error}", volume.display()))
}

fn content(filesystem: &dyn Filesystem, inode: InodeId) -> block::Result<String> {
    let (mut hasher, mut buffer, mut at) = (blake3::Hasher::new(), vec![0; 1 << 16], 0);
    loop {
        let len = filesystem.read(inode, at, &mut buffer)?;
        if len == 0 {
            return Ok(hasher.finalize().to_hex()[..16].to_owned());
        }
        hasher.update(&buffer[..len]);
        at += to_u64(len);
    }
}

/// What xfs_db prints for each of some inodes.
fn ask(volume: &Path, inodes: &[u64], what: &[&str]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for some in inodes.chunks(BATCH) {
        let mut xfs_db = command("xfs_db");
        xfs_db.arg("-r").arg("-f");
        for inode in some {
            xfs_db.args(["-c", &format!("inode {inode}")]);
            for command in what {
                xfs_db.args(["-c", command]);
            }
            // A line that nothing else prints, between two inodes.
            xfs_db.args(["-c", "echo ====="]);
        }
        let said = output(xfs_db.arg(volume))?;
        let text = lossy(&said.stdout);
        // echo puts a blank behind each word.
        let parts: Vec<String> = text.split("===== \n").map(str::to_owned).collect();
        if parts.len() != some.len() + 1 {
            return Err(format!(
                "xfs_db: {} answers to {} questions: {}",
                parts.len(),
                some.len(),
                lossy(&said.stderr)
            ));
        }
        all.extend(parts.into_iter().take(some.len()));
    }
    Ok(all)
}

fn theirs(volume: &Path) -> Result<Seen> {
    let fields = superblock(volume)?;
    let field = |name: &str| fields.get(name).copied().ok_or_else(|| format!("xfs_db shows no {name}"));
    let (block, per_group, log) = (field("blocksize")?, field("agblocks")?, field("agblklog")?);
    let root = field("rootino")?;
    let (mut names, mut inodes) = (BTreeMap::new(), BTreeMap::new());
    let mut level = vec![root];
    let file = File::open(volume).map_err(|error| format!("{}: {error}", volume.display()))?;
    while !level.is_empty() {
        let cores = ask(volume, &level, &["print core.mode core.nlinkv2 core.size"])?;
        let is = |core: &&String, kind: u64| mode(core).is_ok_and(|mode| mode >> 12 == kind);
        let chosen = |kind: u64| -> Vec<u64> {
            level.iter().zip(&cores).filter(|(_, core)| is(core, kind)).map(|(inode, _)| *inode).collect()
        };
        let (directories, files) = (chosen(0o4), chosen(0o10));
        let maps: BTreeMap<u64, String> =
            files.iter().copied().zip(ask(volume, &files, &["bmap -d"])?).collect();
        for (inode, core) in level.iter().zip(&cores) {
            let size = number(core, "core.size")?;
            let links = number(core, "core.nlinkv2")?;
            let mut facts = format!("{:o} {links} {size}", mode(core)? & 0o7777);
            if let Some(map) = maps.get(inode) {
                let place = |from: u64| {
                    let (group, within) = (from >> log, from & ((1 << log) - 1));
                    (group * per_group + within) * block
                };
                facts.push(' ');
                facts.push_str(&digest(&file, map, size, block, place)?);
            }
            inodes.insert(*inode, facts);
        }
        let mut next = BTreeSet::new();
        for (directory, listed) in directories.iter().zip(ask(volume, &directories, &["ls"])?) {
            for (inode, name) in listed.lines().filter_map(entry) {
                if name != b"." && name != b".." {
                    names.insert((*directory, name), inode);
                    next.insert(inode);
                }
            }
        }
        level = next.into_iter().filter(|inode| !inodes.contains_key(inode)).collect();
    }
    Ok((names, inodes))
}

/// Numbers of the superblock, by their names.
fn superblock(volume: &Path) -> Result<BTreeMap<String, u64>> {
    let mut xfs_db = command("xfs_db");
    let names = "print blocksize agblocks agblklog rootino";
    let text = lossy(&output(xfs_db.args(["-r", "-f", "-c", "sb 0", "-c", names]).arg(volume))?.stdout);
    let pairs = text.lines().filter_map(|line| line.split_once(" = "));
    Ok(pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
}

/// A line of `ls`: cookie, inode, kind, hash, length of the name, name and a word on its hash.
fn entry(line: &str) -> Option<(u64, Vec<u8>)> {
    let mut rest = line;
    let mut word = || {
        let text = rest.trim_start();
        let (word, behind) = text.split_once(' ')?;
        rest = behind;
        Some(word.to_owned())
    };
    let (_, inode, _, _, _) = (word()?, word()?, word()?, word()?, word()?);
    let name = rest.trim_start().strip_suffix(" (good)")?;
    Some((inode.parse().ok()?, name.as_bytes().to_vec()))
}

fn text_of<'t>(core: &'t str, name: &str) -> Result<&'t str> {
    let value = core.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    value.ok_or_else(|| format!("xfs_db shows no {name}: {core}"))
}

fn number(core: &str, name: &str) -> Result<u64> {
    text_of(core, name)?.parse().map_err(|error| format!("{name}: {error}"))
}

fn mode(core: &str) -> Result<u64> {
    u64::from_str_radix(text_of(core, "core.mode")?, 8).map_err(|error| format!("core.mode: {error}"))
}

/// The digest of a content of `size` bytes that lies where lines such as `data offset 0 startblock 12 (0/12) count 1 flag 0`
/// say; with flag 1, nothing has been written there.
fn digest(file: &File, map: &str, size: u64, block: u64, place: impl Fn(u64) -> u64) -> Result<String> {
    let mut bytes = vec![0; to_usize(size)];
    for line in map.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["data", "offset", offset, "startblock", start, _, "count", count, "flag", flag] = words[..]
        else {
            return Err(format!("xfs_db shows no map: {line}"));
        };
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{line}: {error}"));
        let (from, start, count) = (number(offset)? * block, number(start)?, number(count)?);
        if flag == "1" || from >= size {
            continue;
        }
        let end = size.min(from + count * block);
        file.read_exact_at(&mut bytes[to_usize(from)..to_usize(end)], place(start))
            .map_err(|error| format!("{line}: {error}"))?;
    }
    Ok(blake3::hash(&bytes).to_hex()[..16].to_owned())
}
