"""Makes an image in which every name attacks whoever shows it. Usage: names.py DIRECTORY pv.py; then DIRECTORY/disk is it.

Beside it are small ones of what it has not: XFS, LVM2, names in headers of qcow2.
"""

import os
import struct
import subprocess
import sys
import zlib

os.chdir(sys.argv[1])
# A terminal's title and colours, a line of its own, a tag, quotes, C1 controls, the writing direction, no UTF-8.
EVIL = b"\x1b]0;x\x07\n\r\t\x7f<script>alert(1)<b a=\"b' &amp;]]>--%s{0}\xc2\xad\xef\xbf\xbe\xf3\xa0\x81\x81\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xff"
# The same where a line or a field ends the name.
LINE = EVIL.replace(b"\n", b"").replace(b"\r", b"").replace(b"\t", b"")
FIELD = LINE.replace(b" ", b"").replace(b"\xff", b"").replace(b"\xe2\x80\xa8", b"")
SHORT = b"\x1b]0;\x07\n<i>\"\xe2\x80\xae"


def run(*words, **more):
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path}, **more)


def put(path, content, mode=0o644):
    path = b"tree/" + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nobody", "-f", "key")
KEY = open("key", "rb").read()
home = b"home/" + FIELD
put(b"etc/passwd", b"root:x:0:0:" + FIELD + b":/root:/bin/sh\n" + FIELD + b":x:1000:1000::/" + home + b":/bin/" + FIELD + b"\n")
put(b"etc/shadow", b"root:*:1::::::\n" + FIELD + b":$6$salt$" + b"A" * 86 + b":1::::::\n", 0o640)
put(b"etc/group", b"root:x:0:\nsudo:x:27:" + FIELD + b"\n" + FIELD + b":x:1000:\n")
put(b"etc/os-release", b"ID=debian\nVERSION_ID=12\nPRETTY_NAME='" + FIELD.replace(b"'", b"") + b"'\n")
put(b"etc/hostname", LINE + b"\n")
put(b"etc/fstab", b"/dev/sda1 / ext4 rw 0 1\n/dev/sdb1 /" + FIELD + b"\\012x " + FIELD + b" defaults 0 0\n/" + FIELD + b" none swap sw 0 0\n")
put(b"etc/sudoers", FIELD + b" ALL=(ALL) NOPASSWD: ALL\n", 0o440)
put(b"etc/sudoers.d/" + FIELD, FIELD + b" ALL=(ALL) NOPASSWD: " + LINE + b"\n", 0o440)
put(b"etc/ssh/sshd_config", b"PermitRootLogin " + FIELD + b"\nPasswordAuthentication yes\nMatch User " + FIELD + b"\n  PermitRootLogin yes\n")
put(b"etc/ssh/sshd_config.d/" + FIELD + b".conf", b"PermitRootLogin yes\n")
put(b"etc/cloud/cloud.cfg", b"users:\n  - name: \"" + FIELD.replace(b'"', b"") + b"\"\nchpasswd: {expire: false}\n")
put(b"var/lib/dpkg/status", b"Package: " + FIELD + b"\nStatus: install ok installed\nArchitecture: all\nVersion: 1" + FIELD + b"\n\n")
put(b"var/lib/dpkg/info/" + FIELD + b".md5sums", b"0" * 32 + b"  srv/" + FIELD + b"\n")
put(b"etc/systemd/system/" + FIELD + b".service", b"[Unit]\nDescription=" + LINE + b"\n[Service]\nExecStart=/bin/" + LINE + b"\n")
os.makedirs("tree/etc/systemd/system/multi-user.target.wants")
os.symlink(b"/etc/systemd/system/" + FIELD + b".service", b"tree/etc/systemd/system/multi-user.target.wants/" + FIELD + b".service")
put(b"etc/ssl/certs/" + FIELD + b".pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
put(home + b"/.bash_history", b"a command\n")
put(home + b"/.ssh/authorized_keys", b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample " + LINE + b"\n")
put(b"var/log/" + EVIL + b"/" + EVIL, b"a log\n")
put(b"srv/" + EVIL + b"/" + EVIL, b"a key:\n" + KEY)
put(b"srv/open" + EVIL, b"anybody\n", 0o6777)
os.symlink(EVIL, b"tree/srv/link")
os.symlink(b"/var/log", b"tree/srv/" + EVIL + b"/link")
put(EVIL, KEY)
os.rename(b"tree/" + EVIL, b"member" + LINE)
os.makedirs("tree/srv/archives", exist_ok=True)
run("tar", "-czf", "tree/srv/archives/a.tar.gz", b"member" + LINE)
# Same bytes as a file that goes: a piece of it stays.
remnant = b"".join(b"line %d of a history that goes\n" % number for number in range(400))
put(home + b"/.mysql_history", remnant)
put(b"srv/copy" + EVIL, remnant)

run("mke2fs", "-qF", "-t", "ext4", "-L", SHORT, "-M", b"/" + FIELD, "-d", "tree", "ext4", "12M")
with open("swap", "wb") as file:
    file.truncate(2 << 20)
run("mkswap", "-q", "swap", stderr=subprocess.DEVNULL)
with open("swap", "r+b") as file:
    # mm/swapfile.c: the label is 16 bytes at 1052.
    file.seek(1052)
    file.write(SHORT)
with open("fat", "wb") as file:
    file.truncate(4 << 20)
run("mkfs.fat", "-n", "LABEL", "fat")
with open("fat", "r+b") as file:
    fat = bytearray(file.read())
    # The label in the boot sector (FAT12 and 16), and the first entry of the root directory.
    fat[43:54] = b"\x1b]0;\x07\n<i>\"x"
    root = fat.index(b"LABEL      \x08")
    fat[root : root + 11] = b"\x1b]0;\x07\n<i>\"x"
    file.seek(0)
    file.write(fat)
with open("disk", "wb") as file:
    file.truncate(24 << 20)
run("sgdisk", "-n", "1:2048:+12M", "-n", "2:28672:+2M", "-t", "2:8200", "-n", "3:34816:+4M", "-n", "4:43008:+1M", "-t", "4:8309", "disk")
with open("disk", "r+b") as file:
    for start, part in [(2048, "ext4"), (28672, "swap"), (34816, "fat")]:
        file.seek(start * 512)
        file.write(open(part, "rb").read())
    # An opaque volume: something that nobody knows.
    file.seek(43008 * 512)
    file.write(os.urandom(1 << 20))
    # UEFI 5.3.3: names are 72 bytes of UTF-16 at 56 of each entry; then both sums, of both tables.
    file.seek(0)
    disk = bytearray(file.read())
    for header in (512, len(disk) - 512):
        entries = struct.unpack_from("<Q", disk, header + 72)[0] * 512
        for number in range(4):
            name = "\x1b]0;x\x07\n<script>\"'\u202e\u2066%d" % number
            disk[entries + number * 128 + 56 : entries + number * 128 + 128] = name.encode("utf-16-le").ljust(72, b"\0")
        struct.pack_into("<I", disk, header + 88, zlib.crc32(disk[entries : entries + 128 * 128]))
        struct.pack_into("<I", disk, header + 16, 0)
        struct.pack_into("<I", disk, header + 16, zlib.crc32(disk[header : header + 92]))
    file.seek(0)
    file.write(disk)
run("qemu-img", "convert", "-O", "qcow2", "disk", "disk.qcow2")
run("qemu-img", "snapshot", "-c", FIELD, "disk.qcow2")
run("qemu-img", "bitmap", "--add", "disk.qcow2", FIELD)
# A file of the host, and one of the image's tables that names it.
below = b"below" + LINE.replace(b":", b"").replace(b"\xff", b"")
os.rename("disk", below)
run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", below, "above.qcow2")
os.link(below, "disk")

# Container headers, field by field (docs/interop/qcow2.txt of QEMU).
def qcow2(name, change):
    with open(name, "r+b") as file:
        image = bytearray(file.read())
        change(image)
        file.seek(0)
        file.write(image)


def extension(image, wanted):
    """Where the data of a header extension lies, and how long it is."""
    at = struct.unpack_from(">I", image, 100)[0]
    while True:
        kind, length = struct.unpack_from(">II", image, at)
        if kind == wanted:
            return at + 8, length
        assert kind, "the image has that extension"
        at += 8 + (length + 7) // 8 * 8


def snapshot_id(image):
    at = struct.unpack_from(">Q", image, 64)[0]
    assert struct.unpack_from(">H", image, at + 12)[0] == 1
    image[at + 40 + struct.unpack_from(">I", image, at + 36)[0]] = 0x1B


def feature(image):
    """A feature that nobody has, called by the table of names in the image."""
    at, length = extension(image, 0x6803F857)
    image[at : at + 48] = bytes([0, 60]) + LINE[:46].ljust(46, b"\0")
    struct.pack_into(">Q", image, 72, 1 << 60)


def backing(name):
    def change(image):
        at = struct.unpack_from(">Q", image, 8)[0]
        image[at : at + len(name)] = name
        struct.pack_into(">I", image, 16, len(name))

    return change


def backing_format(image):
    at, length = extension(image, 0xE2792ACA)
    image[at : at + length] = b"\x1b]0"[:length]


# In the id of a snapshot.
qcow2("disk.qcow2", snapshot_id)
run("qemu-img", "create", "-q", "-f", "qcow2", "feature.qcow2", "1M")
qcow2("feature.qcow2", feature)
for number, change in enumerate([backing(LINE), backing(b"nbd://" + LINE), backing(b"json:{" + EVIL + b"}"), backing_format]):
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", below, f"backing{number}.qcow2")
    qcow2(f"backing{number}.qcow2", change)
# The same of the file with the data, which is there, and of one that is not.
stored = b"stored" + LINE.replace(b":", b"").replace(b"\xff", b"").replace(b",", b"")
for name in ["stored.qcow2", "lost.qcow2"]:
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", b"data_file=" + stored + b",data_file_raw=on", name, "1M")


def lost(image):
    at, length = extension(image, 0x44415441)
    image[at : at + length] = EVIL.ljust(length, b"\x07")[:length]


qcow2("lost.qcow2", lost)

# XFS: its label, and names in it (mkfs.xfs wants words).
def word(bytes):
    return b"".join(bytes.split())


PROTO = b"/none\n0 0\nd--755 0 0\n" + b"".join(
    line + b"\n"
    for line in [
        b"home d--755 0 0",
        word(FIELD) + b" d--700 0 0",
        b".bash_history ---600 0 0 key",
        word(FIELD) + b" ---4777 0 0 key",
        b"$",
        b"$",
        b"link l--777 0 0 " + word(LINE),
        b"$",
    ]
)
with open("proto", "wb") as file:
    file.write(PROTO)
with open("xfs", "wb") as file:
    file.truncate(20 << 20)
for name in ["TEST_DIR", "TEST_DEV", "QA_CHECK_FS"]:
    # Without these, mkfs.xfs makes none that is so small.
    os.environ[name] = "1"
run("mkfs.xfs", "-q", "-K", "-m", "crc=0", "-p", "proto", "xfs")
with open("xfs", "r+b") as file:
    file.seek(108)
    file.write((SHORT + b"\x9b\xff\x7f")[:12])

# LVM2: strings of its text, some of which reach the output, with a name that is legal but odd.
ext = "small"
run("mke2fs", "-qF", "-t", "ext2", "-L", SHORT, ext, "1M")
TEXT = 4096 + 1536


def lvm(name, group, lines, changes):
    with open(name, "wb") as file:
        file.truncate(8 << 20)
    description = "pv 0 8388608\nlv root linear 1 pv0 0\n" + lines
    run("python3", sys.argv[2], name, group, input=description.encode())
    with open(name, "r+b") as file:
        disk = bytearray(file.read())
        text = bytes(disk[TEXT : disk.index(b"\0", TEXT)])
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        text += b"\0"
        disk[TEXT : TEXT + len(text)] = text
        crc = lambda data: zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
        struct.pack_into("<QI", disk, 4096 + 40 + 8, len(text), crc(text))
        struct.pack_into("<I", disk, 4096, crc(bytes(disk[4100 : 4096 + 512])))
        disk[1 << 20 : 2 << 20] = open(ext, "rb").read()
        file.seek(0)
        file.write(disk)


quoted = EVIL.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
host = (b'"installer"', b'"' + quoted + b'"')
lvm("lvm", "-._+..", "", [host, (b'"/dev/vda2"', b'"' + quoted + b'"'), (b"flags = []", b'flags = ["' + quoted + b'"]\ntags = ["' + quoted + b'"]')])
# Types, and parts, that nobody has.
lvm("lvm-type", "vg", "lv odd TYPE 1\n", [(b'type = "TYPE"', b'type = "' + quoted + b'"'), host])
lvm("lvm-part", "vg", "lv odd linear 1 pv1 0\n", [(b'"pv1"', b'"' + quoted + b'"')])
# Names that are none.
lvm("lvm-name", "vg", "", [(b"\nroot {", b"\n" + FIELD + b" {")])
lvm("lvm-group", "vg", "", [(b"vg {", LINE + b" {")])
lvm("lvm-id", "vg", "", [(b'id = "', b'id = "' + quoted)])
