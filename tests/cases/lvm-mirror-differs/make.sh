# Two legs with different contents of a file: nobody knows which one the guest would read.
guest
ext4 root 8M
truncate -s 20M image
lvm image vg0 <<END
pv 0 $((20 * MiB))
lv root raid1 8 root_rmeta_0 root_rimage_0 root_rmeta_1 root_rimage_1
part root_rmeta_0 linear 1 pv0 0
part root_rimage_0 linear 8 pv0 1
part root_rmeta_1 linear 1 pv0 9
part root_rimage_1 linear 8 pv0 10
END
extents image 0 1 8 root
extents image 0 10 8 root
block=$(debugfs -R 'bmap /etc/passwd 0' root 2>/dev/null)
printf 'X' | at image $((11 * MiB + block * $(blocksize root)))
rm -r root tree
