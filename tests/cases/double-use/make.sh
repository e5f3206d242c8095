# Two files on one block.
guest
ext4 image 8M -O ^metadata_csum
block() { debugfs -R "blocks $1" image 2>/dev/null | tr -d ' \n'; }
set -- $(debugfs -R 'imap /etc/hosts' image 2>/dev/null | sed -n 's/.*block \([0-9]*\), offset 0x\([0-9a-f]*\)/\1 \2/p')
printf "\\x$(printf %02x $(($(block /etc/passwd) % 256)))\\x$(printf %02x $(($(block /etc/passwd) / 256)))" |
    at image $(($1 * $(blocksize image) + 16#$2 + 0x28 + 12 + 8))
