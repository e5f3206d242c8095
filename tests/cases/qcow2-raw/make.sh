# A whole-disk ext4 as qcow2, cleaned into raw.
guest
ext4 disk 8M
free disk
qemu-img convert -O qcow2 disk image
rm disk
