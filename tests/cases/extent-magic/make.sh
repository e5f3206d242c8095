# An extent header without its magic; the inode's checksum is right.
guest
ext4 image 8M -O ^metadata_csum
set -- $(debugfs -R 'imap /etc/hosts' image 2>/dev/null | sed -n 's/.*block \([0-9]*\), offset 0x\([0-9a-f]*\)/\1 \2/p')
printf '\0\0' | at image $(($1 * $(blocksize image) + 16#$2 + 0x28))
