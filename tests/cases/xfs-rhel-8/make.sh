# RHEL 8 as its installer makes it: /boot on XFS beside a physical volume, root on XFS and swap in it. The root lies in two
# places, and all that no logical volume has is full of what was there before.
guest
printf 'PRETTY_NAME="Red Hat Enterprise Linux 8.10 (Ootpa)"\nID="rhel"\n' >tree/etc/os-release
echo '/dev/mapper/rhel-root / xfs defaults 0 0' >tree/etc/fstab
echo 'UUID=d15c5c4b-0000-4000-8000-0000000000b0 /boot xfs defaults 0 0' >>tree/etc/fstab
echo '/dev/mapper/rhel-swap none swap defaults 0 0' >>tree/etc/fstab
mkfs=(-m crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=0,inobtcount=0 -i sparse=1,nrext64=0)
xfs root 64M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000f8 -d agcount=4
xfs_free root
rm -r tree
mkdir tree
put stay vmlinuz-4.18.0
put stay grub2/grub.cfg
xfs boot 32M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000b0 -d agcount=2
xfs_free boot
truncate -s 4M swap
mkswap -q -U d15c5c4b-0000-4000-8000-00000000005a swap
token go 'a page of the swap'
printf '%s' "$t" | at swap 409600
truncate -s 120M image
printf 'label: dos\nlabel-id: 0xd15c5c4b\nstart=2048, size=32M, type=83, bootable\nstart=67584, type=8e\n' | sfdisk -q image
at image "$MiB" <boot
pv=$((33 * MiB))
for extent in 0 9 50 76 79; do
    token go "extent $extent"
    printf '%s' "$t" | at image $((pv + (1 + extent) * MiB + 1234))
done
lvm image rhel <<END
pv $pv $((87 * MiB))
lv swap linear 4 pv0 4
lv root linear 32 pv0 10 pv0 44
END
extents image $pv 10 32 root
extents image $pv 44 32 root 32
extents image $pv 4 4 swap
rm -r root boot swap tree
