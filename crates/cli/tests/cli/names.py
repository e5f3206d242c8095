"""Makes an image in which every name attacks whoever shows it. Usage: names.py DIRECTORY; then DIRECTORY/disk is it."""

import os
import struct
import subprocess
import sys
import zlib

os.chdir(sys.argv[1])
# A terminal's title and colours, a line of its own, a tag, quotes, C1 controls, the writing direction, no UTF-8.
EVIL = b"\x1b]0;x\x07\n\r\t\x7f<script>alert(1)<b a=\"b' &amp;]]>--%s{0}\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xff"
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
