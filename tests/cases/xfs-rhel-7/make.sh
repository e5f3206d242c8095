# The root of RHEL 7.3 and later: version 5, without a tree of free inodes, sparse inodes and shared extents.
guest
echo '/dev/vda1 / xfs defaults 0 0' >tree/etc/fstab
for n in $(seq 300); do echo "$n" >"tree/usr/bin/tool-with-a-name-$n"; done
for n in $(seq 200); do echo "$n" >"tree/var/log/messages-$n"; done
xfs root 64M -m crc=1,finobt=0,rmapbt=0,reflink=0,bigtime=0,inobtcount=0,uuid=d15c5c4b-0000-4000-8000-0000000000f7 \
    -i sparse=0 -d agcount=4
xfs_free root
truncate -s 66M image
printf 'label: dos\nlabel-id: 0xd15c5c4b\nstart=2048, type=83, bootable\n' | sfdisk -q image
at image "$MiB" <root
rm -r root tree
