//! Inode slots that keep their map after the end of the file, as ext2 leaves them: debugfs(8) deletes in that way.

use filesystem::ext::Ext;

use super::{Told, is_free, places};
use crate::tools::{Image, sh};

#[test]
fn dead_slots_and_names_in_tails() {
    for make in ["-t ext2 -b 1024", "-t ext2 -b 4096", "-t ext4 -b 1024 -O ^has_journal"] {
        let image = Image::new();
        sh(
            &format!(
                "mkdir -p tree/dir/sub; token() {{ for n in $(seq $2); do echo TOKEN-$1-; done; }}
                 token first 3 > tree/dir/afirst; token large 30000 > tree/dir/large; token stays 10 > tree/dir/stays
                 token below 100 > tree/dir/sub/below; token last 100 > tree/zlast
                 mke2fs -qF {make} -d tree image 16M
                 stat() {{ debugfs -R \"stat $1\" image 2>/dev/null | sed -n 's/^Inode: \\([0-9]*\\).*/\\1/p'; }}
                 for i in /dir/afirst /dir/large /dir/sub/below /zlast; do echo $i $(stat $i); done > inodes
                 printf 'rm /dir/large\\nrm /dir/sub/below\\nrm /zlast\\nrm /dir/afirst\\n' | debugfs -w -f - image > log 2>&1"
            ),
            image.dir(),
        );
        let bytes = image.read();
        let (told, ext) = (Told::of(bytes.clone()), Ext::open(bytes.clone()).unwrap());
        for line in std::fs::read_to_string(image.dir().join("inodes")).unwrap().lines() {
            let (path, inode) = line.split_once(' ').unwrap();
            let name = path.rsplit('/').next().unwrap().trim_start_matches(['a', 'z']);
            let all = places(&bytes, &format!("TOKEN-{name}-"));
            assert!(!all.is_empty(), "{make} {name}");
            for place in all.iter().step_by(97) {
                assert!(is_free(&ext, *place));
                let file = told.file_at(*place).unwrap_or_else(|| panic!("{make}: {name} at {place}"));
                assert_eq!(file.inode.0.to_string(), inode, "{make} {name}");
                assert_eq!(file.path.as_deref(), Some(path.as_bytes()), "{make} {name}");
            }
        }
        for place in places(&bytes, "TOKEN-stays-") {
            assert_eq!(told.file_at(place), None, "{make}");
        }
    }
}
