# The root of RHEL 7.0 to 7.2, on all of the disk: version 4, without checksums and without kinds in directories.
guest
echo '/dev/vda / xfs defaults 0 0' >tree/etc/fstab
xfs image 64M -m crc=0,uuid=d15c5c4b-0000-4000-8000-0000000000f7 -n ftype=0 -d agcount=4
xfs_free image
rm -r tree
