# A striped root on two physical volumes of one disk; /home on ext2 in a second group.
guest
printf '/dev/mapper/sys-root / ext4 defaults 0 1\n/dev/disk/by-id/dm-name-home-home /home ext2 defaults 0 2\n' >tree/etc/fstab
ext4 root 8M
free root
rm -r tree
put go al/.bash_history
put stay al/thesis.txt
ext home 2M -t ext2
truncate -s 20M image
sfdisk -q image <<'END'
label: dos
label-id: 0xd15c5c4b
start=2048, size=14336, type=8e
start=16384, size=14336, type=8e
start=30720, size=8192, type=8e
END
lvm image sys <<END
pv $MiB $((7 * MiB))
pv $((8 * MiB)) $((7 * MiB))
lv root striped 8 128 pv0 1 pv1 2
END
lvm image home <<END
pv $((15 * MiB)) $((4 * MiB))
lv home linear 2 pv0 1
END
split -b 64K -a 3 -d root stripe.
n=0
for part in stripe.*; do
    pv=$((n % 2))
    at image $(((3 + pv * 8) * MiB + (n - pv) * 32 * KiB)) <"$part"
    n=$((n + 1))
done
extents image $((15 * MiB)) 1 2 home
token go 'a free extent'
printf '%s' "$t" | at image $((6 * MiB + 99 + MiB))
rm -r root home tree stripe.*
