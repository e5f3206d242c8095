# Internal snapshots, and clusters that nothing refers to any more.
guest
ext4 disk 8M
qemu-img convert -O qcow2 disk image
token go 'content of a deleted snapshot'
printf '%-512s' "$t" >secret
qemu-io -c 'write -q -s secret 7M 512' image
qemu-img snapshot -c before image
qemu-io -c 'write -q -z 7M 64k' image
token go 'a leaked cluster'
truncate -s %64K image
{ printf 'leaked %s' "$t"; head -c 60000 /dev/zero; } >>image
truncate -s %64K image
rm disk secret
