#!/bin/bash
# Small good images for the fuzzing targets, one directory each, in the directory that is named.
# usage: bases.sh DIRECTORY
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C E2FSPROGS_FAKE_TIME=1700000000 MTOOLS_SKIP_CHECK=1
# mkfs.xfs makes small filesystems only where it believes that it is tested.
export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1
for tool in mke2fs e2fsck debugfs tune2fs mkfs.fat mcopy mkfs.xfs xfs_db mkswap sgdisk sfdisk qemu-img qemu-io python3; do
    command -v $tool >/dev/null || { echo "$tool has to be installed"; exit 1; }
done
mkdir -p "$1"
cd "$1"
mkdir -p ext journal fat xfs xfs_log swap gpt mbr lvm qcow2 line work
cd work
U=11111111-2222-3333-4444-555555555555

# A guest with something for most kinds of rules.
mkdir -p tree/etc/ssh tree/home/al/.ssh tree/var/log tree/many tree/root tree/deep/a/b tree/var/lib/cloud
printf 'root:x:0:0:root:/root:/bin/sh\nal:x:1000:1000::/home/al:/bin/sh\n' >tree/etc/passwd
printf 'root:*:19000::::::\nal:$y$j9T$abcdefgh$012345678901234567890123456789:19000::::::\n' >tree/etc/shadow
printf 'NAME=Debian\nID=debian\nPRETTY_NAME="Debian"\n' >tree/etc/os-release
printf '0123456789abcdef0123456789abcdef\n' >tree/etc/machine-id
printf 'PermitRootLogin yes\n' >tree/etc/ssh/sshd_config
echo key >tree/etc/ssh/ssh_host_rsa_key
echo 'ls -l' >tree/root/.bash_history
echo 'ssh-ed25519 AAAA al' >tree/home/al/.ssh/authorized_keys
ln -s /etc/passwd tree/etc/link
ln -s "$(printf '%0100d' 0)" tree/etc/far
ln tree/etc/passwd tree/etc/passwd-
printf '%5000s' log >tree/var/log/syslog
for n in $(seq 30); do echo "$n" >"tree/many/a-file-with-a-name-that-is-long-enough-$n"; done
# A file whose extents do not fit into its inode.
truncate -s 100K tree/deep/holes
for n in $(seq 1 2 14); do printf x | dd of=tree/deep/holes bs=4096 seek="$n" conv=notrunc status=none; done
printf '%3000s' value >value3000
printf '%600s' value >value600
printf value >value5

# ext: image, size, options of mke2fs.
ext() {
    local name=$1 size=$2
    shift 2
    truncate -s "$size" "$name"
    mke2fs -qF -d tree -U $U -E hash_seed=$U,nodiscard "$@" "$name"
}
attributes() {
    for value in 3000 600 5; do
        debugfs -w -R "ea_set -f value$value /var/log/syslog user.v$value" "$1" >/dev/null 2>&1
    done
    debugfs -w -R "ea_set -f value5 /etc/passwd user.v5" "$1" >/dev/null 2>&1
    # Hashed directories, as the kernel makes them.
    e2fsck -fyD "$1" >/dev/null || test $? = 1
}
ext all-4k 9M -t ext4 -b 4096 -J size=4 -I 256 -N 96 -O inline_data,ea_inode,orphan_file,metadata_csum,64bit,quota
ext journal-1k 2560K -t ext4 -b 1024 -J size=1 -N 96 -O metadata_csum,^resize_inode,ea_inode
ext groups 1M -t ext4 -b 1024 -N 96 -g 256 -O metadata_csum,^has_journal,^resize_inode,^flex_bg
ext ext3 2560K -t ext3 -b 1024 -J size=1 -N 96 -O ^resize_inode
ext ext2 768K -t ext2 -b 1024 -N 96
ext bigalloc 2M -t ext4 -b 1024 -C 8192 -N 96 -O bigalloc,metadata_csum,^has_journal,^resize_inode
ext fast 4M -t ext4 -b 1024 -J size=1 -N 96 -O metadata_csum,fast_commit,^resize_inode
for name in all-4k journal-1k groups; do attributes $name; done
# Through the journal: revoked blocks, and an orphan.
cp journal-1k dirty
head -c 4096 /dev/zero >zeros
printf 'jo -c\njw -b 2400,2401,2402 zeros\njw -r 2401\njw -b 2403 zeros\njc\n' | debugfs -w -f - dirty >/dev/null 2>&1
cp ext3 dirty3
printf 'jo\njw -b 2400,2401,2402 zeros\njw -r 2401\njw -b 2403 zeros\njc\n' | debugfs -w -f - dirty3 >/dev/null 2>&1
cp all-4k orphans
inode=$(debugfs -R 'stat /var/log/syslog' all-4k 2>/dev/null | sed -n 's/^Inode: *\([0-9]*\).*/\1/p')
debugfs -w -R "set_super_value last_orphan $inode" orphans >/dev/null 2>&1

# FAT: image, KiB, bits, options of mkfs.fat.
fat() {
    truncate -s "$2K" "$1"
    mkfs.fat -i 12345678 --invariant -F "$3" $4 "$1" >/dev/null
    mcopy -i "$1" -s tree/home tree/etc/passwd tree/many ::
}
fat fat12 96 12 '-s 1'
fat fat16 2300 16 '-s 1 -r 64'
truncate -s 300K fat32
mkfs.fat -i 12345678 --invariant -F 32 -s 1 -R 8 fat32 >/dev/null 2>&1
python3 - <<'END'
# mtools take so small a FAT32 for a FAT16. A.TXT in clusters 3 and 4; DIR in 5 with the dot entries and a long name.
import struct
image = bytearray(open("fat32", "rb").read())
size, = struct.unpack_from("<I", image, 36)
fat, root = 8 * 512, 8 * 512 + 2 * size * 512
def entry(name, attributes, first, size):
    return name + bytes([attributes]) + bytes(14) + struct.pack("<HI", first, size)
short = b"LONGNA~1TXT"
checksum = 0
for byte in short:
    checksum = ((checksum >> 1) + (checksum << 7 & 0x80) + byte) & 0xFF
text = "long name.txt".encode("utf-16le")
text += b"\0\0" + b"\xff" * (52 - len(text) - 2)
long = b"".join(bytes([n | last]) + text[26 * n - 26:26 * n - 16] + b"\x0f\0" + bytes([checksum])
                + text[26 * n - 16:26 * n - 4] + b"\0\0" + text[26 * n - 4:26 * n] for n, last in ((2, 0x40), (1, 0)))
image[root:root + 64] = entry(b"A       TXT", 0x20, 3, 700) + entry(b"DIR        ", 0x10, 5, 0)
names = entry(b".          ", 0x10, 5, 0) + entry(b"..         ", 0x10, 0, 0) + long + entry(short, 0x20, 6, 5)
image[root + 3 * 512:root + 3 * 512 + len(names)] = names
for cluster, following in ((3, 4), (4, 0x0FFFFFFF), (5, 0x0FFFFFFF), (6, 0x0FFFFFFF)):
    for copy in (fat, fat + size * 512):
        struct.pack_into("<I", image, copy + 4 * cluster, following)
free, = struct.unpack_from("<I", image, 512 + 488)
struct.pack_into("<I", image, 512 + 488, free - 4)
open("fat32", "wb").write(image)
END
fsck.fat -n fat32 >/dev/null

truncate -s 64K swap
mkswap -U $U -L label swap >/dev/null 2>&1
dd if=/dev/zero bs=64K count=1 status=none | tr '\0' s | dd of=swap bs=4096 seek=1 count=15 conv=notrunc status=none

# XFS: what mkfs.xfs can make from a prototype.
python3 - <<'END'
lines = ["/none", "0 0", "d--755 0 0"]
open("small", "w").write("small")
open("large", "wb").write(bytes(range(256)) * 40)
for name, count, long in [("short", 3, ""), ("block", 10, ""), ("leaf", 70, "name" * 12)]:
    lines += [f"{name} d--755 0 0", *(f"{long}entry{n} ---644 {n} 7 small" for n in range(count)), "$"]
lines += ["etc d--755 0 0", "passwd ---644 0 0 tree/etc/passwd", "shadow ---600 0 0 tree/etc/shadow",
          "machine-id ---644 0 0 tree/etc/machine-id", "$"]
lines += ["file ---640 12345 54321 large", "link l--777 0 0 target", "null c--666 0 0 1 3", "pipe p--600 0 0", "$"]
open("proto", "w").write("\n".join(lines) + "\n$\n")
END
xfs() {
    local name=$1 size=$2
    shift 2
    truncate -s "$size" "$name"
    mkfs.xfs -q -K -m uuid=$U "$@" -p proto "$name" 2>/dev/null
    xfs_db -x -c 'path /file' -c 'attr_set -v 9000 large' -c 'attr_set -v 200 one' -c 'attr_set -v 250 two' \
        -c 'attr_set -v 3000 three' -c 'attr_set -u short' "$name" >/dev/null
}
xfs v5 22M -d agcount=1 -m finobt=1,rmapbt=1,reflink=1 -i sparse=1
xfs v5-plain 34M -d agcount=2 -m finobt=1,rmapbt=0,reflink=0
truncate -s 22M v4
mkfs.xfs -q -K -d agcount=1 -m crc=0,uuid=$U -p proto v4 2>/dev/null
truncate -s 22M v4-512
mkfs.xfs -q -K -d agcount=1 -m crc=0,uuid=$U -b size=512 -i size=256 -p proto v4-512 2>/dev/null

# What only a kernel writes: logs that have to be replayed, fast commits, trees of extents.
if test "$(id -u)" = 0 && losetup -f >/dev/null 2>&1; then
    mkdir -p mnt
    # image, kind: changes things in it, and copies it while it is mounted.
    crashed() {
        cp --sparse=always "$1" mounted
        mount -t "$3" -o "loop$4" mounted mnt || return 0
        mkdir -p mnt/new
        for n in 1 2 3 4; do printf '%3000s' $n >mnt/new/file$n; done
        sync -f mnt
        if test "$3" = ext4; then
            for n in 1 2 3; do
                printf '%2000s' again >>mnt/new/file$n
                xfs_io -c fsync mnt/new/file$n 2>/dev/null || sync mnt/new/file$n
                ln mnt/new/file$n mnt/new/linked$n; rm mnt/new/file4 2>/dev/null || true; echo x >mnt/new/made$n
                sync mnt/new/made$n
            done
        else
            # A file with many extents, whose tree does not fit into its inode.
            for n in $(seq 1 2 60); do dd if=value600 of=mnt/new/holes bs=4096 seek=$n conv=notrunc status=none; done
            setfattr -n user.note -v note mnt/new/file1 2>/dev/null || true
            rm mnt/new/file4
            exec 9>mnt/new/orphan
            printf '%5000s' orphan >&9
            rm mnt/new/orphan
            xfs_io -c syncfs mnt
        fi
        sync mounted 2>/dev/null || true
        cp --sparse=always mounted "$2"
        exec 9>&-
        umount mnt
        rm mounted
    }
    crashed v5 xfs-dirty xfs ,nouuid
    crashed v5-plain xfs-dirty-plain xfs ,nouuid
    crashed fast fast-dirty ext4 ''
fi

# Tables.
truncate -s 600K gpt
sgdisk -a 1 -U $U -n 1:40:+64K -u 1:$U -n 2:0:+96K -t 2:ef00 -u 2:$U -n 3:0:+64K -t 3:8200 -u 3:$U gpt >/dev/null
dd if=fat12 of=gpt bs=512 seek=168 conv=notrunc status=none
dd if=swap of=gpt bs=512 seek=360 conv=notrunc status=none
truncate -s 800K gpt-4k
python3 - <<'END'
# The same table in sectors of 4096 bytes.
import binascii, struct
image = bytearray(800 * 1024)
guid = bytes(range(16))
entries = b"".join(bytes([0xAF, 0x3D, 0xC6, 0x0F, 0x83, 0x84, 0x72, 0x47, 0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4])
                   + bytes([n]) * 16 + struct.pack("<QQQ", 10 + n * 20, 29 + n * 20, 0) + bytes(72) for n in range(3))
entries = entries.ljust(16384, b"\0")
def header(mine, other, array):
    raw = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, mine, other, 6, 193, guid, array,
                                128, 128, binascii.crc32(entries)))
    struct.pack_into("<I", raw, 16, binascii.crc32(raw))
    return raw
image[446:462] = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 255, 255, 255, 1, 199)
image[510:512] = b"\x55\xaa"
image[4096:4188], image[8192:8192 + 16384] = header(1, 199, 2), entries
image[199 * 4096:199 * 4096 + 92], image[195 * 4096:195 * 4096 + 16384] = header(199, 1, 195), entries
open("gpt-4k", "wb").write(image)
END
truncate -s 512K mbr
printf 'label: dos\nlabel-id: 0x12345678\n1 : start=64, size=128, type=83, bootable\n2 : start=256, size=700, type=5\n5 : start=320, size=128, type=82\n6 : start=512, size=192, type=6\n' | sfdisk -q mbr
dd if=swap of=mbr bs=512 seek=320 conv=notrunc status=none
dd if=fat12 of=mbr bs=512 seek=512 conv=notrunc status=none
truncate -s 4M lvm
python3 "$here/../tests/cases/pv.py" lvm vg <<END
pv 0 4194304
lv root linear 1 pv0 0
lv swap linear 1 pv0 1
END
truncate -s 16M lvm-raid
python3 "$here/../tests/cases/pv.py" lvm-raid vg <<END
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
for seek in 2 6; do dd if=ext2 of=lvm-raid bs=1M seek=$seek conv=notrunc status=none; done
dd if=swap of=lvm-raid bs=1M seek=10 conv=notrunc status=none

# qcow2.
truncate -s 64K plain
dd if=tree/var/log/syslog of=plain bs=1K seek=3 conv=notrunc status=none
for options in cluster_size=512 cluster_size=4096,extended_l2=on,compat=v3 cluster_size=512,compat=0.10 \
    cluster_size=1024,refcount_bits=1 cluster_size=2048,lazy_refcounts=on,refcount_bits=64; do
    name=$(echo $options | tr ',=.' '---')
    case $options in *extended*) options=${options/4096/16384} ;; esac
    qemu-img convert -O qcow2 -o "$options" plain "qcow2-$name"
done
qemu-img convert -c -O qcow2 -o cluster_size=4096 plain qcow2-deflate
qemu-img convert -c -O qcow2 -o cluster_size=4096,compression_type=zstd plain qcow2-zstd
qemu-img convert -O qcow2 -o cluster_size=512 plain qcow2-snapshot
qemu-img snapshot -c snap qcow2-snapshot
qemu-io -c 'write -P 7 10k 4k' -c 'write -z 20k 4k' qcow2-snapshot >/dev/null
qemu-img convert -O qcow2 -o cluster_size=4096 plain qcow2-bitmap
qemu-img bitmap --add qcow2-bitmap bitmap
qemu-io -c 'write -P 7 10k 4k' qcow2-bitmap >/dev/null

# The whole line: disks.
truncate -s 3M disk
sgdisk -a 1 -U $U -n 1:40:+2M -u 1:$U -n 2:0:+96K -t 2:ef00 -u 2:$U -n 3:0:+64K -t 3:8200 -u 3:$U disk >/dev/null
ext guest 2M -t ext4 -b 1024 -N 96 -O metadata_csum,^has_journal,^resize_inode
dd if=guest of=disk bs=512 seek=40 conv=notrunc status=none
dd if=fat12 of=disk bs=512 seek=4136 conv=notrunc status=none
dd if=swap of=disk bs=512 seek=4328 conv=notrunc status=none

put() {
    local directory=$1
    shift
    for name in "$@"; do if test -e "$name"; then cp --sparse=always "$name" "../$directory/$name"; fi; done
}
put ext all-4k journal-1k groups ext3 ext2 bigalloc orphans
put journal dirty dirty3 orphans fast fast-dirty
put fat fat12 fat16 fat32
put xfs v5 v5-plain v4 v4-512 xfs-dirty
put xfs_log xfs-dirty xfs-dirty-plain v5-plain v4
put swap swap
put gpt gpt gpt-4k
put mbr mbr
put lvm lvm lvm-raid
put qcow2 qcow2-*
put line disk all-4k journal-1k ext2 dirty fat12 v5 xfs-dirty mbr lvm-raid
cd ..
rm -r work
touch complete
