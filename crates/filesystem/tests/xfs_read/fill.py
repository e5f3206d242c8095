"""Fills a mounted XFS with every format of directory, map and attribute, and with residue of what was there before."""
import ctypes, os, random, socket, subprocess, sys

os.chdir(sys.argv[1])
random.seed(7)
LONG = "name" * 50


def write(path, data, at=None):
    mode = os.O_WRONLY | os.O_CREAT
    fd = os.open(path, mode)
    os.pwrite(fd, data if isinstance(data, bytes) else data.encode(), at or 0)
    os.close(fd)


def fallocate(path, offset, length, mode=0):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), path)
    os.close(fd)


KEEP_SIZE, PUNCH = 1, 2
for name in ["short", "block", "leaf", "node", "empty", "apart", "apart2", "wide"]:
    os.mkdir(name)
for i in range(1, 4):
    write(f"short/file{i}", f"{i}\n")
for i in range(20):
    write(f"block/a-file-{i}", str(i))
for i in range(10, 20):
    os.remove(f"block/a-file-{i}")
for i in range(300):
    write(f"leaf/GONENAME-{i}", str(i))
    write(f"leaf/stays-{i}", str(i))
for i in range(300):
    os.remove(f"leaf/GONENAME-{i}")
for i in range(1500):
    write(f"node/{LONG}-{i}", "")
for i in range(0, 1500, 3):
    os.remove(f"node/{LONG}-{i}")
# Two directories that grow in turn have many short extents, and so a btree.
for i in range(900):
    write(f"apart/{LONG}-{i}", "x")
    write(f"apart2/{LONG}-{i}", "y")
for i in range(7, 900, 10):
    os.remove(f"apart2/{LONG}-{i}")
for i in range(3000):
    write(f"wide/{i}", "")
os.symlink("target", "link")
os.symlink("t" * 900, "longlink")
os.symlink("u" * 1023, "longerlink")
os.mkfifo("fifo")
os.mknod("null", 0o20666, os.makedev(1, 3))
os.mknod("disk", 0o60660, os.makedev(8, 1))
socket.socket(socket.AF_UNIX).bind("socket")
os.link("short/file1", "hardlink")
os.chown("hardlink", 12345, 54321)
os.chmod("hardlink", 0o4711)
write("old", "old")
os.utime("old", (-1000000, -1000000))
os.truncate("old", 2)
os.utime("old", (-1000000, -1000000))
write("sparse", "end", 5000000)
os.truncate("sparse", 10 << 30)
for i in range(0, 1200, 2):
    write("frag", f"{i}\n", i * 4096)
for i in range(0, 300, 3):
    fallocate("frag", i * 8192, 8192, PUNCH | KEEP_SIZE)
fallocate("unwritten", 0, 300000)
write("unwritten", "middle", 100000)
fallocate("short/file2", 0, 400000, KEEP_SIZE)

attribute = lambda path, name, value: os.setxattr(path, name, value, follow_symlinks=False)
attribute("short/file1", "user.short", b"value")
attribute("short", "security.selinux", b"system_u:object_r:etc_t:s0\0")
attribute("short/file2", "trusted.mine", b"yes")
attribute("short/file2", "user.empty", b"")
attribute("link", "security.selinux", b"system_u:object_r:link_t:s0\0")
for i in range(40):
    attribute("short/file3", f"user.attribute{i}", b"a" * 90)
for i in range(0, 40, 2):
    os.removexattr("short/file3", f"user.attribute{i}")
for i in range(280):
    attribute("block", f"user.{i}-{LONG}", b"b" * 70)
for i in range(0, 280, 4):
    os.removexattr("block", f"user.{i}-{LONG}")
for size in [1000, 4000, 4040, 9000, 65536]:
    attribute("leaf", f"user.big{size}", random.randbytes(size))
attribute("frag", "trusted.large", random.randbytes(30000))
if subprocess.run(["cp", "--reflink=always", "frag", "copy"], stderr=subprocess.DEVNULL).returncode == 0:
    write("base", random.randbytes(3000001))
    for i in range(1, 4):
        subprocess.run(["cp", "--reflink=always", "base", f"clone{i}"], check=True)
    write("clone1", "changed", 100 * 4096)
    os.truncate("clone2", 1500000)
    subprocess.run(["xfs_io", "-c", "reflink base 65536 0 131072", "copy"], check=True, stdout=subprocess.DEVNULL)
    os.remove("clone3")
for i in range(2000):
    write(f"leaf/s{i}", f"small{i}")
for i in range(0, 2000, 2):
    os.remove(f"leaf/s{i}")
os.sync()
