# A mirrored root over two physical volumes of one disk: both legs are cleaned, what was never in step between them goes.
guest
echo '/dev/vg0/root / ext4 defaults 0 1' >tree/etc/fstab
ext4 root 8M
free root
truncate -s 24M image
sfdisk -q image <<'END'
label: dos
label-id: 0xd15c5c4b
start=2048, size=22528, type=8e
start=24576, size=22528, type=8e
END
lvm image vg0 <<END
pv $MiB $((11 * MiB))
pv $((12 * MiB)) $((11 * MiB))
lv root raid1 8 root_rmeta_0 root_rimage_0 root_rmeta_1 root_rimage_1
part root_rmeta_0 linear 1 pv0 0
part root_rimage_0 linear 8 pv0 1
part root_rmeta_1 linear 1 pv1 1
part root_rimage_1 linear 8 pv1 2
END
extents image "$MiB" 1 8 root
extents image $((12 * MiB)) 2 8 root
# A superblock of dm-raid, a bitmap of 256 bits behind it, and what lvm2 never cleared behind that.
for meta in $((2 * MiB)) $((14 * MiB)); do
    printf 'DmRd\001\000\000\000\002' | at image $meta
    printf 'bitm\004' | at image $((meta + 4096))
    printf '\000\100\000' | at image $((meta + 4096 + 40))
    printf '\000\200\000' | at image $((meta + 4096 + 52))
    token go "behind the bitmap at $meta"
    printf '%s' "$t" | at image $((meta + 4096 + 256 + 40))
    token go "old bytes of the metadata at $meta"
    printf '%s' "$t" | at image $((meta + 65536))
done
block=$(dumpe2fs root 2>/dev/null | sed -n 's/^  Free blocks: \([0-9]\+\).*/\1/p' | tail -1)
token go 'a free block of the second leg alone'
printf '%s' "$t" | at image $((12 * MiB + 3 * MiB + (block + 1) * $(blocksize root)))
rm -r root tree
