//! The label that the guest's own SELinux policy has for a path: /etc/selinux/TYPE/contexts/files/file_contexts.
//!
//! selabel_file(5): each line is a regular expression over the whole path, a kind of file, and a label. A path that stands
//! there as it is wins over expressions; else the last line that matches does, as the policy's own tools put the most
//! specific ones last. `file_contexts.subs_dist` and `file_contexts.subs` say which directories are labelled as another
//! one. Lines for homes, of which each has an expression of its own, are not read: nothing is made there.

use block::Result;
use filesystem::FileKind;

use crate::{Guest, content::compile};

/// Where policies are, and what says which one holds.
const CONFIG: &[u8] = b"/etc/selinux/config";
const POLICIES: &str = "/etc/selinux";
/// The policy of Fedora, Red Hat and Amazon, where none is named.
const DEFAULT: &str = "targeted";
/// Lines that are looked at: the largest policies have ten thousand.
const MAX_LINES: usize = 100_000;
/// What an expression cannot be without, where it is one.
const META: &[u8] = b".^$?*+|[({\\";

/// The labels that a guest's policy has.
pub(crate) struct Labels {
    /// Directories, and which they are labelled like.
    like: Vec<(String, String)>,
    lines: Vec<Line>,
}

struct Line {
    /// The expression, as it stands.
    pattern: String,
    /// What it begins with, up to its first sign.
    stem: String,
    /// `None`: any kind.
    kind: Option<FileKind>,
    /// `None`: what matches has no label.
    label: Option<String>,
}

impl Labels {
    /// Those of the guest's policy; `None` if there is none, or it cannot be read.
    pub(crate) fn read(guest: &Guest<'_>) -> Result<Option<Self>> {
        let config = guest.read_file(CONFIG)?.unwrap_or_default();
        let config = String::from_utf8_lossy(&config).into_owned();
        let named = config.lines().filter_map(|line| line.trim().strip_prefix("SELINUXTYPE=")).next_back();
        let name =
            named.map(str::trim).filter(|name| !name.is_empty() && !name.contains('/')).unwrap_or(DEFAULT);
        let base = format!("{POLICIES}/{name}/contexts/files/file_contexts");
        let text = |end: &str| -> Result<Option<String>> {
            let content = guest.read_file(format!("{base}{end}").as_bytes())?;
            Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
        };
        let Some(contexts) = text("")? else { return Ok(None) };
        let mut lines: Vec<Line> = contexts.lines().take(MAX_LINES).filter_map(line).collect();
        // What the machine's administrator added comes behind.
        lines.extend(text(".local")?.unwrap_or_default().lines().take(MAX_LINES).filter_map(line));
        let mut like = Vec::new();
        for end in [".subs_dist", ".subs"] {
            for line in text(end)?.unwrap_or_default().lines().take(MAX_LINES) {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let [from, to] = words[..]
                    && !from.starts_with('#')
                {
                    like.push((from.trim_end_matches('/').to_owned(), to.trim_end_matches('/').to_owned()));
                }
            }
        }
        Ok(Some(Self { like, lines }))
    }

    /// The label of a path of this kind, with the zero byte that ends it on disk. `None`: the policy has none for it.
    pub(crate) fn of(&self, path: &str, kind: FileKind) -> Option<Vec<u8>> {
        let path = self.as_labelled(path);
        let fits = |line: &&Line| line.kind.is_none_or(|only| only == kind) && path.starts_with(&line.stem);
        let exact = self.lines.iter().rev().filter(fits).find(|line| line.is_path() && line.stem == path);
        let matching = || {
            let mut candidates = self.lines.iter().rev().filter(fits).filter(|line| !line.is_path());
            candidates.find(|line| line.matches(&path))
        };
        let label = exact.or_else(matching)?.label.as_ref()?;
        Some([label.as_bytes(), b"\0"].concat())
    }

    /// The path as the policy speaks of it: with the longest directory that is labelled like another one replaced.
    fn as_labelled(&self, path: &str) -> String {
        let below =
            |from: &str| path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let longest =
            self.like.iter().filter(|(from, _)| below(from).is_some()).max_by_key(|(from, _)| from.len());
        match longest {
            Some((from, to)) => format!("{to}{}", below(from).unwrap_or_default()),
            None => path.to_owned(),
        }
    }
}

impl Line {
    /// Whether it names one path and nothing else.
    fn is_path(&self) -> bool {
        self.pattern.len() == self.stem.len()
    }

    fn matches(&self, path: &str) -> bool {
        // What is no expression to us is passed over: the directory's label is left.
        compile(&format!("^(?:{})$", self.pattern)).is_ok_and(|regex| regex.is_match(path))
    }
}

/// `/usr/lib/systemd/system(/.*)? -- system_u:object_r:systemd_unit_file_t:s0`
fn line(text: &str) -> Option<Line> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (pattern, kind, label) = match words[..] {
        [pattern, label] => (pattern, None, label),
        [pattern, kind, label] => (pattern, Some(kind), label),
        _ => return None,
    };
    if !pattern.starts_with('/') {
        return None;
    }
    let kind = match kind {
        None => None,
        Some("--") => Some(FileKind::File),
        Some("-d") => Some(FileKind::Directory),
        Some("-l") => Some(FileKind::Symlink),
        // Of devices, pipes and sockets: nothing is made of those kinds.
        Some(_) => return None,
    };
    let first = pattern.bytes().position(|byte| META.contains(&byte));
    let mut stem = first.map_or(pattern, |at| &pattern[..at]).to_owned();
    // What `?`, `*` and `{` stand behind need not be there.
    if first.is_some_and(|at| b"?*{".contains(&pattern.as_bytes()[at])) {
        stem.pop();
    }
    if pattern.contains('|') && !pattern.contains('(') {
        stem.clear();
    }
    let label = Some(label.to_owned()).filter(|label| label != "<<none>>");
    Some(Line { pattern: pattern.to_owned(), stem, kind, label })
}

#[cfg(test)]
mod tests {
    use ::tests::sketch::Tree;

    use super::*;
    use crate::VolumeSource;

    const CONTEXTS: &str = "\
# a comment
/.*\tsystem_u:object_r:default_t:s0
/etc(/.*)?\tsystem_u:object_r:etc_t:s0
/usr/(.*/)?sbin(/.*)?\tsystem_u:object_r:bin_t:s0
/usr/lib/systemd/system(/.*)?\tsystem_u:object_r:systemd_unit_file_t:s0
/usr/local/sbin/odd\t--\tsystem_u:object_r:odd_exec_t:s0
/usr/lib/systemd/system/.*\\.socket\t--\tsystem_u:object_r:socket_t:s0
/usr/lib/systemd/system/x\\.wants\t-d\tsystem_u:object_r:wants_t:s0
/run/.*\t<<none>>
/broken(\tsystem_u:object_r:broken_t:s0
/dev/x\t-c\tsystem_u:object_r:dev_t:s0
";

    fn asked(files: &[(&str, &str)], path: &str, kind: FileKind) -> Option<String> {
        let mut tree = Tree::new("/etc/passwd");
        for (path, content) in files {
            tree.file(path, content.as_bytes().to_vec());
        }
        let source = VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() };
        let guest = Guest::open(vec![source]).unwrap();
        let label = Labels::read(&guest).unwrap()?.of(path, kind)?;
        let text = String::from_utf8(label).unwrap();
        let (label, end) = text.split_at(text.len() - 1);
        assert_eq!(end, "\0");
        Some(label.split(':').nth(2).unwrap().to_owned())
    }

    #[test]
    fn the_last_line_wins_and_a_path_over_all() {
        let file = ("/etc/selinux/targeted/contexts/files/file_contexts", CONTEXTS);
        let subs = (
            "/etc/selinux/targeted/contexts/files/file_contexts.subs_dist",
            "/etc/systemd/system /usr/lib/systemd/system\n/usr/local /usr\n",
        );
        let label = |path: &str, kind| asked(&[file, subs], path, kind);
        for (path, kind, expected) in [
            ("/opt/x", FileKind::File, Some("default_t")),
            ("/etc/x", FileKind::File, Some("etc_t")),
            ("/etc/systemd/system/a.service", FileKind::File, Some("systemd_unit_file_t")),
            ("/etc/systemd/systemic", FileKind::File, Some("etc_t")),
            ("/etc/systemd/system/a.socket", FileKind::File, Some("socket_t")),
            ("/etc/systemd/system/a.socket", FileKind::Symlink, Some("systemd_unit_file_t")),
            ("/usr/lib/systemd/system/x.wants", FileKind::Directory, Some("wants_t")),
            ("/usr/local/sbin/tool", FileKind::File, Some("bin_t")),
            ("/run/x", FileKind::File, None),
        ] {
            assert_eq!(label(path, kind).as_deref(), expected, "{path} {kind:?}");
        }
        assert_eq!(asked(&[file], "/usr/local/sbin/odd", FileKind::File).as_deref(), Some("odd_exec_t"));
        let local = (
            "/etc/selinux/targeted/contexts/files/file_contexts.local",
            "/etc/x system_u:object_r:own_t:s0\n",
        );
        assert_eq!(asked(&[file, local], "/etc/x", FileKind::File).as_deref(), Some("own_t"));
    }

    #[test]
    fn the_policy_is_the_one_that_the_guest_uses() {
        let mls = ("/etc/selinux/mls/contexts/files/file_contexts", "/etc/.* system_u:object_r:mls_t:s0\n");
        let config = ("/etc/selinux/config", "SELINUX=enforcing\n#SELINUXTYPE=targeted\nSELINUXTYPE=mls\n");
        assert_eq!(asked(&[mls, config], "/etc/x", FileKind::File).as_deref(), Some("mls_t"));
        assert_eq!(asked(&[mls], "/etc/x", FileKind::File), None, "there is no targeted");
        let out = ("/etc/selinux/config", "SELINUXTYPE=../../srv\n");
        assert_eq!(asked(&[mls, out], "/etc/x", FileKind::File), None);
        assert_eq!(asked(&[], "/etc/x", FileKind::File), None);
    }

    #[test]
    fn what_is_no_expression_is_passed_over() {
        let file = |text| ("/etc/selinux/targeted/contexts/files/file_contexts", text);
        for text in ["/a( x:y:z_t:s0\n", "/(?<=b)a x:y:z_t:s0\n", "a b c d\n", "\0\u{fffd} x\n", "/a\n"] {
            assert_eq!(asked(&[file(text)], "/a", FileKind::File), None, "{text:?}");
        }
        // An optional sign belongs to no stem.
        assert_eq!(
            asked(&[file("/usr/sbins? x:y:z_t:s0\n")], "/usr/sbin", FileKind::File).as_deref(),
            Some("z_t")
        );
    }
}
