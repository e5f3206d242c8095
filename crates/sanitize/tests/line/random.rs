//! Trees of any shape through the whole line: what is to go is gone, what stays is the same, whatever the
//! container and the number of threads, and a second run changes nothing.

use std::fmt::Write;

use block::OpenOptions;
use sanitize::Request;

use crate::support::{Lab, assert_consistent, clean, content, has, judge, request, run, selection};

/// What mke2fs is told, one each a tree.
const OPTIONS: [&[&str]; 6] = [
    &[],
    &["-b", "1024"],
    &["-O", "^has_journal,^metadata_csum,uninit_bg"],
    &["-O", "inline_data"],
    &["-O", "bigalloc", "-C", "16384"],
    &["-O", "^extents,^64bit", "-I", "128"],
];

/// xorshift64 (Marsaglia 2003): trees differ, and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// Secrets go with `gone` in every line, all else stays.
fn text(numbers: &mut Numbers, word: &str, len: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < len.max(word.len()) {
        writeln!(text, "{word} {}", numbers.below(1_000_000)).unwrap();
    }
    text.into_bytes()
}

#[test]
fn any_tree_through_the_whole_line() {
    for (options, seed) in OPTIONS.into_iter().zip(1..) {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ seed << 20);
        let lab = Lab::new();
        let mut kept = Vec::new();
        for at in 0..40 {
            let path = format!("srv/{}/{}/file{at}", numbers.below(4), "d".repeat(1 + numbers.below(200)));
            let len = [20, 100, 3000, 4096, 40_000][numbers.below(5)] + numbers.below(60);
            let bytes = text(&mut numbers, "stays", len);
            lab.put(&path, &bytes);
            kept.push(format!("/{path}"));
        }
        for path in
            ["root/.bash_history", "etc/ssh/ssh_host_rsa_key", "var/log/messages", "home/al/.aws/credentials"]
        {
            let len = numbers.below(20_000);
            lab.put(path, &text(&mut numbers, "a secret", len));
        }
        for at in 0..20 {
            let len = numbers.below(9000);
            lab.put(&format!("srv/old-secret-{at}"), &text(&mut numbers, "a secret", len));
        }
        lab.make(options);
        // Names and blocks that only debugfs's kind of deletion leaves as they were.
        (0..20).for_each(|at| drop(lab.debugfs(&format!("rm /srv/old-secret-{at}"))));
        assert_consistent(&lab.image());

        let selection = selection(&[]);
        let (output, report) = clean(lab.image(), &request(&selection)).unwrap();
        assert!(has(&lab.image(), b"a secret"), "{options:?}: nothing was planted");
        for token in [&b"a secret"[..], b"old-secret"] {
            assert!(!has(&output, token), "{options:?}: {} is left", token.escape_ascii());
        }
        // Read by the same tool: debugfs 1.47 shows 60 bytes of any inline file that is shorter.
        for path in kept.iter().step_by(7) {
            let before = content(&lab.image(), path);
            assert!(before.starts_with(b"stays"), "{options:?}: {path}");
            assert!(content(&output, path) == before, "{options:?}: {path} has changed");
        }
        assert_consistent(&output);
        assert_eq!(judge(&output, false), [""; 0], "{options:?}");

        let (again, second) = clean(output.clone(), &request(&selection)).unwrap();
        assert!(again == output, "{options:?}: a second run changes something");
        let sums = second.volumes.iter().map(|volume| volume.scrubbed + volume.dropped.values().sum::<u64>());
        assert_eq!((sums.sum::<u64>(), second.edits.len()), (0, 0), "{options:?}");
        assert_eq!((second.input, second.output), (report.output, report.output));

        let (image, qcow2) = (lab.path("image"), lab.path("image.qcow2"));
        let names = [image.to_str().unwrap(), qcow2.to_str().unwrap()];
        run("qemu-img", &["convert", "-c", "-f", "raw", "-O", "qcow2", names[0], names[1]]);
        let opened = block::open(&qcow2, &OpenOptions::default()).unwrap();
        let (same, other) = clean(opened.device, &Request { workers: 5, ..request(&selection) }).unwrap();
        assert!(same == output, "{options:?}: a qcow2 gives other bytes than a raw image");
        assert_eq!((other.input, other.output), (report.input, report.output));
    }
}
