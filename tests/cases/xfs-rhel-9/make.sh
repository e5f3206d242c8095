# RHEL 9 and Rocky 9 as their installers make them for UEFI: FAT, /boot on XFS, and a volume group with root, home and swap;
# times of 64 bits and counters of inode trees.
guest
printf 'PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n' >tree/etc/os-release
cat >tree/etc/fstab <<'END'
/dev/mapper/rl-root / xfs defaults 0 0
UUID=d15c5c4b-0000-4000-8000-0000000000b0 /boot xfs defaults 0 0
UUID=1234-ABCD /boot/efi vfat umask=0077,shortname=winnt 0 2
/dev/mapper/rl-home /home xfs defaults 0 0
/dev/mapper/rl-swap none swap defaults 0 0
END
mv tree/home home
mkdir tree/home
mkfs=(-m crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=1,inobtcount=1 -i sparse=1,nrext64=0)
xfs root 64M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000f9 -d agcount=4
rm -r tree
mkdir tree
put stay vmlinuz-5.14.0
xfs boot 32M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000b0 -d agcount=2
rm -r tree
mv home tree
xfs home 32M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000ea -d agcount=2
xfs_free root
xfs_free boot
xfs_free home
truncate -s 2M efi
mkfs.fat -i 1234abcd efi >/dev/null
truncate -s 4M swap
mkswap -q -U d15c5c4b-0000-4000-8000-00000000005a swap
token go 'a page of the swap'
printf '%s' "$t" | at swap 409600
truncate -s 150M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 1:2048:+2M -t 1:ef00 -n 2:8192:+32M -n 3:75776:+110M -t 3:8e00 \
    -u 1:D15C5C4B-0000-4000-8000-000000000001 -u 2:D15C5C4B-0000-4000-8000-000000000002 \
    -u 3:D15C5C4B-0000-4000-8000-000000000003 image >/dev/null
at image "$MiB" <efi
at image $((4 * MiB)) <boot
pv=$((37 * MiB))
lvm image rl <<END
pv $pv $((110 * MiB))
lv swap linear 4 pv0 0
lv home linear 32 pv0 4
lv root linear 64 pv0 36
END
extents image $pv 0 4 swap
extents image $pv 4 32 home
extents image $pv 36 64 root
rm -r root boot home efi swap tree
