# A thin pool beside the root.
guest
echo '/dev/vg0/root / ext4 defaults 0 1' >tree/etc/fstab
ext4 root 8M
truncate -s 24M image
lvm image vg0 <<END
pv 0 $((24 * MiB))
lv root linear 8 pv0 0
lv pool thin-pool 4 metadata="pool_tmeta" pool="pool_tdata" transaction_id=1 chunk_size=128
part pool_tmeta linear 1 pv0 10
part pool_tdata linear 4 pv0 11
part lvol0_pmspare linear 1 pv0 15
lv thin1 thin 8 thin_pool="pool" transaction_id=0 device_id=1
END
extents image 0 0 8 root
token go 'the pool'
printf '%s' "$t" | at image $((13 * MiB))
rm -r root tree
