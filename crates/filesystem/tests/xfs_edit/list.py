# What the kernel shows of each file below the current directory, a line each: path, a tab, all the rest.
import hashlib, os, stat

def holes(path, size):
    found, at = [], 0
    with open(path, 'rb') as file:
        while at < size:
            try:
                data = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), data, os.SEEK_HOLE)
            found.append((data, at))
    return found

def line(path):
    s = os.lstat(path)
    links = 0 if stat.S_ISDIR(s.st_mode) and path == '.' else s.st_nlink
    said = [s.st_ino, links, oct(s.st_mode), s.st_uid, s.st_gid, s.st_rdev, s.st_mtime_ns, s.st_ctime_ns]
    if stat.S_ISREG(s.st_mode):
        content = hashlib.sha256(open(path, 'rb').read()).hexdigest()
        said += [s.st_size, s.st_blocks, holes(path, s.st_size), content]
    if stat.S_ISLNK(s.st_mode):
        said += [os.readlink(path)]
    attributes = sorted(os.listxattr(path, follow_symlinks=False))
    said += [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in attributes]
    print(path, said, sep='\t')

line('.')
for top, directories, files in os.walk('.'):
    for name in sorted(directories + files):
        line(os.path.join(top, name))
