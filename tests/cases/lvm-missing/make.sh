# A group with a physical volume on another disk.
guest
ext4 root 8M
truncate -s 16M image
lvm image vg0 <<END
pv 0 $((16 * MiB))
away
lv root linear 8 pv0 0
lv data linear 4 pv1 0
END
extents image 0 0 8 root
rm -r root tree
