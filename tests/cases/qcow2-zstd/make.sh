# Compressed in, compressed out.
guest
ext4 disk 8M
free disk
qemu-img convert -c -O qcow2 disk image
rm disk
