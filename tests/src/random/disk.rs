//! A disk with a random filesystem on it, alone or among neighbours, with the rubbish of an earlier life below all of it;
//! put away properly, or not.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Numbers,
    table::{arrange, litter},
    tools::Source,
    tree::Tree,
};
use crate::{
    Result,
    image::Volume,
    kernel::Mount,
    program::{command, output, run},
};

/// Where the numbers of kinds begin: such that the usual few seeds have each of them.
const KINDS: u64 = 0x5d0;

/// A mebibyte.
pub(super) const MIB: u64 = 1 << 20;

/// A disk, and what is known of it.
pub struct Disk {
    /// The image, raw.
    pub image: PathBuf,
    /// Stands in all that was removed, and in all that the rules remove, and nowhere else.
    pub token: String,
    /// How it was made, for whoever has to find out why a test failed.
    pub recipe: String,
}

/// How a filesystem is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Unmounted.
    Unmounted,
    /// Copied while it is mounted, all of it written, with files open that have no name.
    Photograph,
    /// Stopped as if by a loss of power, the journal written before or not.
    Stopped { written: bool },
}

impl Disk {
    /// The disk of a seed, in `scratch`. Needs root and loop devices.
    pub fn new(seed: u64, scratch: &Path) -> Result<Self> {
        let mut numbers = Numbers::new(seed);
        let token = format!("gone{:016x}", numbers.any());
        let volume = scratch.join("volume");
        // Numbers of their own: the disks of the usual kinds stay as they are.
        let mut kinds = Numbers::new(seed ^ KINDS);
        let mut made = match kinds.below(16) {
            0 | 1 => Filesystem::version4(&mut numbers),
            2 => Filesystem::folded(&mut numbers),
            3 if large_blocks() => Filesystem::large(&mut numbers),
            _ => Filesystem::random(&mut numbers),
        };
        made.rare_features(&mut kinds);
        let end = if made.by_tools {
            made.make_by_tools(&volume, &mut numbers, &token, scratch)?
        } else {
            made.make(&volume, &mut numbers, &token)?;
            made.fill(&volume, &mut numbers, &token, scratch)?
        };
        made.behind_the_kernels_back(&volume, end, &mut numbers)?;
        let (image, table) = arrange(&volume, &mut numbers, &token, scratch)?;
        let recipe = format!("{} [{}], {end:?}, {table}", made.arguments.join(" "), made.options);
        Ok(Self { image, token, recipe })
    }
}

/// What is to be made.
struct Filesystem {
    kind: &'static str,
    size: u64,
    /// The command that makes it, without the file.
    arguments: Vec<String>,
    /// Mount options.
    options: String,
    journal: bool,
    /// Quota, and projects, of ext4: most kernels of test machines do not write such filesystems.
    quota: Option<&'static str>,
    /// Most kernels do not mount it: its own tools fill it.
    by_tools: bool,
}

impl Filesystem {
    fn random(numbers: &mut Numbers) -> Self {
        if numbers.chance(50) { Self::xfs(numbers) } else { Self::ext(numbers) }
    }

    fn ext(numbers: &mut Numbers) -> Self {
        let block = *numbers.pick(&[1024_u64, 2048, 4096]);
        let kind = *numbers.pick(&["ext4", "ext4", "ext4", "ext4", "ext3", "ext2"]);
        let mut features: Vec<&str> = Vec::new();
        let mut arguments = vec!["mke2fs".to_owned(), "-q".to_owned(), "-F".to_owned()];
        let mut argument = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        argument("-t", kind.to_owned());
        argument("-b", block.to_string());
        let inode = *numbers.pick(&[128, 256, 256, 256, 512, 1024]);
        argument("-I", inode.to_string());
        let mut journal = kind != "ext2";
        let mut quota = None;
        if kind == "ext4" {
            let extents = !numbers.chance(15);
            if !extents {
                features.extend(["^extent", "^64bit"]);
            }
            if inode > 128 && numbers.chance(35) {
                features.push("inline_data");
            }
            let clusters = extents && numbers.chance(15);
            match numbers.below(8) {
                _ if clusters => {
                    features.extend(["bigalloc", "^resize_inode"]);
                    argument("-C", (block * numbers.pick(&[2, 4, 16])).to_string());
                }
                0 => features.extend(["meta_bg", "^resize_inode"]),
                1 => features.extend(["sparse_super2", "^resize_inode"]),
                2 => features.push("^resize_inode"),
                _ => {}
            }
            match numbers.below(8) {
                0 => features.push("^metadata_csum"),
                1 => features.extend(["^metadata_csum", "uninit_bg"]),
                2 | 3 => features.push("metadata_csum_seed"),
                _ => {}
            }
            for (feature, percent) in [
                ("^64bit", 20),
                ("^flex_bg", 20),
                ("ea_inode", 20),
                ("large_dir", 20),
                ("^dir_index", 10),
                ("^filetype", 5),
                ("^huge_file", 10),
                ("^extra_isize", 5),
                ("encrypt", 10),
                ("stable_inodes", 10),
            ] {
                if numbers.chance(percent) {
                    features.push(feature);
                }
            }
            journal = !numbers.chance(10);
            match numbers.below(4) {
                _ if !journal => features.push("^has_journal"),
                0 => features.push("fast_commit"),
                1 => features.push("orphan_file"),
                _ => {}
            }
            if !clusters && numbers.chance(40) {
                argument("-g", (1024 * (1 + numbers.below(block / 256))).to_string());
            }
            if numbers.chance(15) {
                quota = Some(if inode > 128 { "quota,project" } else { "quota" });
            }
        }
        if !features.is_empty() {
            argument("-O", features.join(","));
        }
        argument("-U", uuid(numbers));
        argument("-m", numbers.below(6).to_string());
        if numbers.chance(50) {
            argument("-L", "Ä b_\\1".to_owned());
        }
        let lazy = numbers.below(2);
        let extended = format!("nodiscard,lazy_itable_init={lazy},hash_seed={}", uuid(numbers));
        argument("-E", extended);
        let mut options = vec!["relatime"];
        if journal {
            options.push("commit=300");
            options.push(*numbers.pick(&["data=ordered", "data=journal", "data=writeback", "nodelalloc"]));
            options.push(*numbers.pick(&["journal_checksum", "noatime", "journal_async_commit"]));
            // The kernel refuses the two together.
            if options.contains(&"data=ordered") || options.contains(&"nodelalloc") {
                options.retain(|option| *option != "journal_async_commit");
            }
        }
        let size = (24 + numbers.below(40)) * MIB;
        Self { kind: "ext4", size, arguments, options: options.join(","), journal, quota, by_tools: false }
    }

    fn xfs(numbers: &mut Numbers) -> Self {
        let mut block = *numbers.pick(&[1024_u64, 2048, 4096, 4096, 4096, 8192, 16_384]);
        if !large_blocks() {
            block = block.min(4096);
        }
        let mut arguments: Vec<String> =
            ["mkfs.xfs", "-q", "-f", "-K", "--unsupported"].map(str::to_owned).into();
        let mut argument = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        argument("-b", format!("size={block}"));
        let mut inode = *numbers.pick(&[512, 512, 1024, 2048]);
        inode = inode.min(block / 2);
        let (sparse, wide) = (numbers.below(2), numbers.below(2));
        argument("-i", format!("size={inode},sparse={sparse},nrext64={wide},maxpct=50"));
        let finobt = numbers.below(4).min(1);
        let reflink = numbers.below(4).min(1);
        let rmapbt = numbers.below(2);
        let bigtime = numbers.below(4).min(1);
        let inobtcount = finobt * numbers.below(2);
        argument(
            "-m",
            format!(
                "finobt={finobt},reflink={reflink},rmapbt={rmapbt},bigtime={bigtime},inobtcount={inobtcount},\
                 uuid={}",
                uuid(numbers)
            ),
        );
        let directory = *numbers.pick(&[block.max(4096), block.max(4096), 16_384, 65_536]);
        argument("-n", format!("size={directory}"));
        argument("-s", format!("size={}", numbers.pick(&[512_u64, 4096]).min(&block)));
        // A group has 16 MiB at least, and holds the log; xfs_repair wants two of them.
        let (groups, log) = match block {
            8192 | 16_384 => (2, 44),
            _ => (2 + numbers.below(3), 20),
        };
        argument("-d", format!("agcount={groups}"));
        // Of small filesystems, mkfs makes it too small for the kernel.
        let stripe = if numbers.chance(30) && block <= 8192 { ",su=32k" } else { "" };
        argument("-l", format!("size={log}m{stripe}"));
        if numbers.chance(50) {
            argument("-L", "seed \\x_1".to_owned());
        }
        let option = numbers.pick(&["inode64", "inode32", "noatime", "wsync", "largeio"]);
        let size = (128 + numbers.below(64)) * MIB;
        let options = format!("nouuid,{option}");
        Self { kind: "xfs", size, arguments, options, journal: true, quota: None, by_tools: false }
    }

    /// XFS with the largest blocks.
    fn large(numbers: &mut Numbers) -> Self {
        let (inode, rmapbt) = (*numbers.pick(&[512, 1024, 2048]), numbers.below(2));
        // What mkfs wants of a log, and of the groups that it has to fit into.
        let (size, log) = if rmapbt == 1 { (400, 160) } else { (200, 64) };
        let arguments = format!(
            "mkfs.xfs -q -f -K --unsupported -b size=65536 -i size={inode} -m rmapbt={rmapbt},uuid={} -d agcount=2 \
             -l size={log}m",
            uuid(numbers)
        );
        Self {
            kind: "xfs",
            size: size * MIB,
            arguments: arguments.split(' ').map(str::to_owned).collect(),
            options: "nouuid".to_owned(),
            journal: true,
            quota: None,
            by_tools: false,
        }
    }

    /// XFS of version 4, with blocks of all sizes that it has.
    fn version4(numbers: &mut Numbers) -> Self {
        let block = *numbers.pick(&[512_u64, 512, 1024, 4096, 4096, 65_536]);
        let inode = *numbers.pick(&[256, 512, 1024]).min(&(block / 2));
        let (ftype, directory) = (numbers.below(2), *numbers.pick(&[block.max(4096), 65_536]));
        // What mkfs takes for so small a filesystem.
        let (size, log) = if block == 65_536 { (192, 64) } else { (64 + numbers.below(32), 12) };
        let arguments = format!(
            "mkfs.xfs -q -f -K --unsupported -b size={block} -i size={inode} -n size={directory},ftype={ftype} \
             -m crc=0,finobt=0,uuid={} -d agcount=2 -l size={log}m",
            uuid(numbers)
        );
        Self {
            kind: "xfs",
            size: size * MIB,
            arguments: arguments.split(' ').map(str::to_owned).collect(),
            options: String::new(),
            journal: true,
            quota: None,
            by_tools: true,
        }
    }

    /// ext4 with directories in which case does not matter.
    fn folded(numbers: &mut Numbers) -> Self {
        let (block, sums) =
            (*numbers.pick(&[1024_u64, 4096]), *numbers.pick(&["metadata_csum", "^metadata_csum"]));
        let arguments = format!(
            "mke2fs -q -F -t ext4 -b {block} -O casefold,{sums} -U {} -E encoding=utf8,nodiscard,hash_seed={}",
            uuid(numbers),
            uuid(numbers)
        );
        Self {
            kind: "ext4",
            size: (24 + numbers.below(24)) * MIB,
            arguments: arguments.split(' ').map(str::to_owned).collect(),
            options: String::new(),
            journal: true,
            quota: None,
            by_tools: true,
        }
    }

    /// Features that any ext4 can have: against two mounts at a time, and for files that prove their content, of which
    /// this makes none.
    fn rare_features(&mut self, kinds: &mut Numbers) {
        let (twice, verity) = (kinds.chance(12), kinds.chance(12));
        if self.kind != "ext4" || self.by_tools || !self.arguments.iter().any(|argument| argument == "ext4") {
            return;
        }
        let mut add =
            |option: &str, what: &str| match self.arguments.iter().position(|argument| argument == option) {
                Some(at) => self.arguments[at + 1] += &format!(",{what}"),
                None => self.arguments.extend([option.to_owned(), what.to_owned()]),
            };
        if twice {
            add("-O", "mmp");
            add("-E", "mmp_update_interval=1");
        }
        if verity {
            add("-O", "verity");
        }
    }

    /// Makes it, and fills it in one go.
    fn make_by_tools(
        &mut self,
        volume: &Path,
        numbers: &mut Numbers,
        token: &str,
        scratch: &Path,
    ) -> Result<End> {
        let many = *numbers.pick(&[30_u64, 200, 900]);
        let source = Source::new(scratch.join("source"), numbers, token, many)?;
        if self.kind == "xfs" {
            source.spare()?;
            let prototype = scratch.join("prototype");
            fs::write(&prototype, source.prototype()?).map_err(|error| error.to_string())?;
            self.arguments.extend(["-p".to_owned(), prototype.display().to_string()]);
        } else {
            self.arguments.extend(["-d".to_owned(), source.root.display().to_string()]);
        }
        self.make(volume, numbers, token)?;
        if self.kind == "ext4" {
            source.finish_ext(volume)?;
        }
        Ok(End::Unmounted)
    }

    /// Makes it on a file that had other things in it.
    fn make(&self, volume: &Path, numbers: &mut Numbers, token: &str) -> Result<()> {
        let file = File::create(volume).map_err(|error| error.to_string())?;
        file.set_len(self.size).map_err(|error| error.to_string())?;
        litter(&file, 0, self.size, 300, numbers, token)?;
        let mut make = command(&self.arguments[0]);
        let size = format!("{}K", self.size / 1024);
        make.args(&self.arguments[1..]).arg(volume);
        if self.kind == "ext4" {
            make.arg(size);
        }
        let made = output(&mut make)?;
        if made.status.success() {
            Ok(())
        } else {
            Err(format!("{make:?}: {}", String::from_utf8_lossy(&made.stderr)))
        }
    }

    /// Fills and edits it, and leaves it in one way or another.
    fn fill(&self, volume: &Path, numbers: &mut Numbers, token: &str, scratch: &Path) -> Result<End> {
        let end = match numbers.below(10) {
            _ if !self.journal => End::Unmounted,
            0..4 => End::Unmounted,
            4..7 => End::Photograph,
            7 | 8 => End::Stopped { written: true },
            _ => End::Stopped { written: false },
        };
        let many = *numbers.pick(&[3_u64, 30, 200, 900]);
        let whole = Volume {
            number: 0,
            content: filesystem::Content::Ext,
            start: 0,
            len: self.size,
            pieces: Vec::new(),
        };
        let inline = self.arguments.iter().any(|argument| argument.contains("inline_data"));
        let mount = Mount::new(volume, &whole, self.kind, &self.options, scratch)?;
        let mut tree = Tree::new(mount.path(), numbers.clone(), token, inline);
        let failed = |what: &'static str| move |error: std::io::Error| format!("{what} the tree: {error}");
        tree.fill(many).map_err(failed("filling"))?;
        if tree.numbers.chance(70) {
            run("sync", ["-f".as_ref(), mount.path().as_os_str()])?;
        }
        let orphans = tree.edit().map_err(failed("editing"))?;
        tree.finish(self.kind == "ext4").map_err(failed("finishing"))?;
        run("sync", ["-f".as_ref(), mount.path().as_os_str()])?;
        let photograph = scratch.join("photograph");
        match end {
            End::Unmounted => {}
            End::Photograph => {
                run("cp", ["--sparse=always".as_ref(), volume.as_os_str(), photograph.as_os_str()])?;
            }
            End::Stopped { written } => {
                // Whatever becomes of these, no byte of them has to stay or to go.
                for at in 0..tree.numbers.below(20) {
                    let _ = fs::write(mount.path().join(format!("late{at}")), at.to_string());
                }
                let shutdown = if written { "shutdown -f" } else { "shutdown" };
                run("xfs_io", ["-x".as_ref(), "-c".as_ref(), shutdown.as_ref(), mount.path().as_os_str()])?;
            }
        }
        drop(orphans);
        drop(mount);
        if end == End::Photograph {
            fs::rename(&photograph, volume).map_err(|error| error.to_string())?;
        }
        *numbers = tree.numbers;
        Ok(end)
    }

    /// What this kernel does not do for us, the filesystem's own tools do.
    fn behind_the_kernels_back(&mut self, volume: &Path, end: End, numbers: &mut Numbers) -> Result<()> {
        let Some(feature) = self.quota.filter(|_| end == End::Unmounted) else { return Ok(()) };
        self.arguments.extend(["then", "tune2fs", "-O", feature].map(str::to_owned));
        run("tune2fs", ["-O".as_ref(), feature.as_ref(), volume.as_os_str()])?;
        if feature.contains("project") {
            let project = 1 + numbers.below(1 << 31);
            let request = format!("sif /home projid {project}");
            run("debugfs", ["-w".as_ref(), "-R".as_ref(), request.as_ref(), volume.as_os_str()])?;
            let said = output(command("e2fsck").arg("-fy").arg(volume))?;
            // 1: it counted the quota of the project again.
            if said.status.code().is_none_or(|code| code > 1) {
                return Err(format!("e2fsck of the new volume: {}", String::from_utf8_lossy(&said.stdout)));
            }
        }
        Ok(())
    }
}

/// Whether this kernel mounts an XFS whose blocks are larger than its pages: since 6.12.
fn large_blocks() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(['.', '-']).map_while(|part| part.trim().parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(6), Some(12))
}

pub(super) fn uuid(numbers: &mut Numbers) -> String {
    let (high, low) = (numbers.any(), numbers.any());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
