# A whole-disk ext4 as raw, cleaned into qcow2.
guest
ext4 disk 8M
free disk
mv disk image
