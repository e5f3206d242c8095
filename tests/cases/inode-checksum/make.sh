# One bit in an inode, which its checksum shows.
guest
ext4 image 8M
block=$(debugfs -R 'imap /etc/hosts' image 2>/dev/null | sed -n 's/.*block \([0-9]*\), offset 0x\([0-9a-f]*\)/\1 \2/p')
set -- $block
printf '\x07' | at image $(($1 * $(blocksize image) + 16#$2 + 0x2))
