# One bit in an inode, which its checksum shows.
guest
ext4 image 8M
for field in atime ctime mtime crtime; do
    echo "sif /etc/hosts $field @1700000000"
    echo "sif /etc/hosts ${field}_extra 0"
done | debugfs -w -f - image >/dev/null 2>&1
debugfs -w -R 'sif /etc/hosts generation 0' image >/dev/null 2>&1
set -- $(debugfs -R 'imap /etc/hosts' image 2>/dev/null | sed -n 's/.*block \([0-9]*\), offset 0x\([0-9a-f]*\)/\1 \2/p')
printf '\x07' | at image $(($1 * $(blocksize image) + 16#$2 + 0x2))
