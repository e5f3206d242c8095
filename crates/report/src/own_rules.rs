//! Ids and explanations of findings that no rule of the registry asks for: residue, remnants, broken promises.

use std::borrow::Cow;

use verify::{Finding, Region};

use crate::{Report, Rule};

/// The id of the rule behind a finding.
pub(crate) fn id(finding: &Finding) -> Cow<'_, str> {
    match finding {
        Finding::Residue { region, .. } => Cow::Owned(format!("residue-{}", region.name())),
        Finding::Secret { rule, .. } => Cow::Borrowed(*rule),
        Finding::Unwanted { rule, .. } => Cow::Borrowed(rule),
        Finding::Remnant { .. } => Cow::Borrowed("remnant"),
        Finding::NotRetained { .. } => Cow::Borrowed("not-retained"),
        Finding::Disagreement { .. } => Cow::Borrowed("disagreement"),
        Finding::Damage { .. } => Cow::Borrowed("damage"),
    }
}

/// The rule behind a finding: from the report, if it has it.
pub(crate) fn rule(report: &Report, finding: &Finding) -> Rule {
    let id = id(finding);
    if let Some(rule) = report.rules.iter().find(|rule| rule.id == id) {
        return rule.clone();
    }
    let (heading, explain) = match finding {
        Finding::Residue { region, .. } => (format!("Residue {region}"), residue(*region).to_owned()),
        Finding::Secret { .. } => {
            ("A secret, by its content".to_owned(), "What is here looks like a secret.".to_owned())
        }
        Finding::Unwanted { .. } => {
            ("A file that is not as the policy wants it".to_owned(), "The policy removes, empties or edits it.".to_owned())
        }
        Finding::Remnant { .. } => (
            "A piece of a removed file".to_owned(),
            "The file was removed, but a piece of its content is still somewhere else in the image: in an archive, \
             a copy, a log. Remove what holds it, too."
                .to_owned(),
        ),
        Finding::NotRetained { .. } => (
            "A file changed that was to stay".to_owned(),
            "Before and after differ by more than the plan. Do not use the image."
                .to_owned(),
        ),
        Finding::Disagreement { .. } => (
            "Another reader sees something else".to_owned(),
            "A program that shares no code with diskscrub reads another tree, other sizes or another content in the \
             same image. One of the two is wrong, or the image is damaged."
                .to_owned(),
        ),
        Finding::Damage { .. } => (
            "A damaged part that could not be examined".to_owned(),
            "What lies there was searched byte by byte, but what needs its structures could not be asked. Have the \
             filesystem's own tool repair it, and look again."
                .to_owned(),
        ),
    };
    Rule { id: id.into_owned(), heading, explain }
}

/// What residue in such a place means.
const fn residue(region: Region) -> &'static str {
    match region {
        Region::File | Region::Metadata | Region::BootCode => "Live bytes are no residue.",
        Region::Gap => {
            "Nothing that boots or mounts this disk needs the bytes between its partitions; what lies there is older \
             than the partition table, or hidden."
        }
        Region::Free => "Free blocks keep the content of deleted files until they are used again.",
        Region::Journal => {
            "The journal keeps old copies of directories, inodes and, by its mode, of contents, long after the files \
             are gone."
        }
        Region::Unwritten => {
            "Extents that were reserved and never written read as zero, but keep what lay there before."
        }
        Region::Slack => "The last block of a file keeps older content behind the file's end.",
        Region::DeadInode => {
            "Inode slots of deleted files keep times, owners, small contents and extended attributes."
        }
        Region::DirectoryTail => {
            "Directories keep the names of removed files behind and between their entries."
        }
        Region::MetadataTail => "Unused parts of live metadata keep older values.",
        Region::Reserved => "Reserved and padding bytes should be zero.",
        Region::Unmapped => "Blocks of a cluster that its file does not map keep older content.",
        Region::OldMetadata => {
            "The metadata area of a volume group is a ring of its older texts: names, tags and hosts that were removed."
        }
        Region::Swap => "A swap area keeps pages of memory: passwords, keys, contents of files.",
        Region::Empty => "The volume holds no filesystem that is known, but it is not empty.",
        Region::Opaque => "The volume cannot be read, so nobody can say what is in it.",
        Region::Unowned => "The blocks are allocated, but no file owns them.",
        Region::OwnedButFree => {
            "Files own blocks that the bitmaps call free: the filesystem is inconsistent."
        }
        Region::Container => {
            "The image file holds bytes that the guest cannot read, but whoever gets the file can: leaked clusters, \
             snapshots, old tables."
        }
    }
}
