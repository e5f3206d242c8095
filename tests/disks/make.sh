# A root that lies on two disks, the second of which is a physical volume and nothing else.
guest
printf 'PRETTY_NAME="Red Hat Enterprise Linux 8.10 (Ootpa)"\nID="rhel"\n' >tree/etc/os-release
echo '/dev/mapper/rhel-root / xfs defaults 0 0' >tree/etc/fstab
echo 'UUID=d15c5c4b-0000-4000-8000-0000000000b0 /boot xfs defaults 0 0' >>tree/etc/fstab
echo '/dev/mapper/rhel-data /srv ext4 defaults 0 2' >>tree/etc/fstab
mkfs=(-m crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=0,inobtcount=0 -i sparse=1,nrext64=0)
xfs root 64M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000f8 -d agcount=4
xfs_free root
rm -r tree
mkdir tree
put stay vmlinuz
xfs boot 32M "${mkfs[@]}" -m uuid=d15c5c4b-0000-4000-8000-0000000000b0 -d agcount=2
xfs_free boot
rm -r tree
put stay data
ext4 data 8M -U d15c5c4b-0000-4000-8000-0000000000da
free data
rm -r tree
truncate -s 76M a
printf 'label: dos\nlabel-id: 0xd15c5c4b\nstart=2048, size=32M, type=83, bootable\nstart=67584, type=8e\n' | sfdisk -q a
at a "$MiB" <boot
truncate -s $((54 * MiB + 512)) b
for extent in 3 30 40; do
    token go "extent $extent of the first disk"
    printf '%s' "$t" | at a $((33 * MiB + (1 + extent) * MiB + 1234))
    token go "extent $extent of the second disk"
    printf '%s' "$t" | at b $(((1 + extent) * MiB + 1234))
done
cat >group <<END
pv $((33 * MiB)) $((43 * MiB))
pv 0 $((54 * MiB + 512))
lv root linear 32 pv0 10 pv1 0
lv data linear 8 pv1 42
END
lvm a,b rhel <group
extents a $((33 * MiB)) 10 32 root
extents b 0 0 32 root 32
extents b 0 42 8 data
qemu-img convert -q -O qcow2 b b.qcow2
rm root boot data group
