//! Small good images, made by the tools of their formats.

use std::{fs, path::Path, process::Command};

/// What an image is, and so how it is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An ext filesystem that starts at this byte.
    Ext(usize),
    Fat,
    Swap,
    Table,
    Qcow2,
    /// A physical volume on the whole disk.
    Lvm,
}

#[derive(Clone, Copy)]
pub(crate) struct Base {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

const fn base(name: &'static str, kind: Kind) -> Base {
    Base { name, kind }
}

pub(crate) const BASES: &[Base] = &[
    base("ext4k", Kind::Ext(0)),
    base("ext1k", Kind::Ext(0)),
    base("dirty", Kind::Ext(0)),
    base("ext3", Kind::Ext(0)),
    base("ext2", Kind::Ext(0)),
    base("bigalloc", Kind::Ext(0)),
    base("fat12", Kind::Fat),
    base("fat16", Kind::Fat),
    base("fat32", Kind::Fat),
    base("swap", Kind::Swap),
    base("gpt", Kind::Table),
    base("mbr", Kind::Table),
    base("gpt", Kind::Ext(1 << 20)),
    base("lvm", Kind::Lvm),
    base("plain.qcow2", Kind::Qcow2),
    base("compressed.qcow2", Kind::Qcow2),
    base("extended.qcow2", Kind::Qcow2),
    base("top.qcow2", Kind::Qcow2),
];

const MAKE: &str = r#"
export PATH=$PATH:/usr/sbin:/sbin E2FSPROGS_FAKE_TIME=1700000000 MTOOLS_SKIP_CHECK=1 LC_ALL=C
for tool in mke2fs e2fsck debugfs mkfs.fat fsck.fat mcopy mkswap sgdisk sfdisk qemu-img; do
  command -v $tool >/dev/null || { echo "$tool has to be installed"; exit 1; }
done
mkdir -p tree/etc/ssh tree/home/user/.ssh tree/var/log tree/many tree/root tree/deep/a/b/c
printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' > tree/etc/passwd
echo key > tree/etc/ssh/ssh_host_rsa_key; echo ls > tree/root/.bash_history; echo k > tree/home/user/.ssh/authorized_keys
ln -s /etc/passwd tree/etc/link; ln tree/etc/passwd tree/etc/passwd-
head -c 50000 /dev/zero | tr '\0' l > tree/var/log/syslog
for i in $(seq 120); do echo $i > tree/many/a-file-with-a-name-that-is-long-enough-$i; done
# A file whose extents do not fit into its inode.
truncate -s 1M tree/deep/holes
for i in $(seq 1 2 60); do printf x | dd of=tree/deep/holes bs=4096 seek=$i conv=notrunc status=none; done
U=11111111-2222-3333-4444-555555555555
ext() { name=$1 size=$2; shift 2; truncate -s $size $name; mke2fs -qF -d tree -U $U -E hash_seed=$U,nodiscard "$@" $name; }
ext ext4k 12M -t ext4 -b 4096 -J size=4 -I 256 -O inline_data,ea_inode,orphan_file,metadata_csum
tune2fs -O quota ext4k >/dev/null
ext ext1k 6M -t ext4 -b 1024 -J size=1 -N 512 -O metadata_csum,^resize_inode -g 2048
ext ext3 6M -t ext3 -b 1024 -J size=1 -N 512
ext ext2 3M -t ext2 -b 1024 -N 512
ext bigalloc 16M -t ext4 -b 1024 -O bigalloc,metadata_csum,^has_journal,^resize_inode -C 8192
head -c 3000 /dev/zero | tr '\0' v > value
debugfs -w -R 'ea_set -f value /etc/passwd user.big' ext4k >/dev/null 2>&1
printf 'a value' > value
for image in ext4k ext1k; do debugfs -w -R 'ea_set -f value /var/log/syslog user.small' $image >/dev/null 2>&1; done
head -c 600 /dev/zero | tr '\0' v > value
debugfs -w -R 'ea_set -f value /var/log/syslog user.block' ext1k >/dev/null 2>&1
# Hashed directories, as the kernel makes them.
e2fsck -fyD ext1k >/dev/null || test $? = 1
e2fsck -fyD ext4k >/dev/null || test $? = 1
cp ext1k dirty
head -c 4096 /dev/zero > zeros
printf 'jo -c\njw -b 4000,4001,4002 zeros\njw -r 4001\njw -b 4003 zeros\njc\n' | debugfs -w -f - dirty >/dev/null 2>&1
fat() { truncate -s $2 $1; mkfs.fat -i 12345678 --invariant -F $3 $4 $1 >/dev/null; mcopy -i $1 -s tree/home tree/etc/passwd tree/many ::; }
fat fat12 1M 12 ""; fat fat16 5M 16 "-s 1"; fat fat32 34M 32 "-s 1"
truncate -s 1M swap; mkswap -U $U swap >/dev/null 2>&1
truncate -s 20M gpt
sgdisk -U $U -n 1:2048:+12M -u 1:$U -n 2:0:+1M -t 2:ef00 -u 2:$U -n 3:0:+1M -t 3:8200 -u 3:$U gpt >/dev/null
dd if=ext4k of=gpt bs=1M seek=1 conv=notrunc status=none
dd if=fat12 of=gpt bs=1M seek=13 conv=notrunc status=none
dd if=swap of=gpt bs=1M seek=14 conv=notrunc status=none
truncate -s 16M mbr
printf 'label: dos\nlabel-id: 0x12345678\n1 : start=2048, size=6144, type=83\n2 : start=8192, size=20480, type=5\n5 : start=10240, size=2048, type=82\n6 : start=14336, size=2048, type=6\n' | sfdisk -q mbr
dd if=ext2 of=mbr bs=1M seek=1 conv=notrunc status=none
dd if=swap of=mbr bs=1M seek=5 conv=notrunc status=none
dd if=fat12 of=mbr bs=1M seek=7 conv=notrunc status=none
truncate -s 16M lvm
python3 "$PV" lvm vg <<END
pv 0 16777216
lv root raid1 3 root_rmeta_0 root_rimage_0 root_rmeta_1 root_rimage_1
part root_rmeta_0 linear 1 pv0 0
part root_rimage_0 linear 3 pv0 1
part root_rmeta_1 linear 1 pv0 4
part root_rimage_1 linear 3 pv0 5
lv home linear 1 pv0 8
lv swap linear 1 pv0 9
lv more striped 2 128 pv0 10 pv0 12
END
for seek in 2 6; do dd if=ext2 of=lvm bs=1M seek=$seek conv=notrunc status=none; done
dd if=fat12 of=lvm bs=1M seek=9 conv=notrunc status=none
dd if=swap of=lvm bs=1M seek=10 conv=notrunc status=none
qemu-img convert -O qcow2 ext2 plain.qcow2
qemu-img convert -c -O qcow2 -o cluster_size=4096 ext2 compressed.qcow2
qemu-img convert -O qcow2 -o extended_l2=on ext2 extended.qcow2
qemu-img create -q -f qcow2 -F raw -b ext2 -o cluster_size=512 top.qcow2
qemu-io -c 'write -P 0 2000k 64k' top.qcow2 >/dev/null
qemu-img snapshot -c snap plain.qcow2
"#;

/// What writes LVM2 metadata.
const PV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/pv.py");

/// Makes all of [`BASES`] in `dir`.
pub(crate) fn make(dir: &Path) {
    let script = format!("set -e\n{MAKE}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("PV", PV)
        .current_dir(dir)
        .output()
        .expect("sh is there");
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for base in BASES {
        assert!(fs::metadata(dir.join(base.name)).is_ok_and(|file| file.len() > 0), "no {}", base.name);
    }
}
