# As installers make it: GRUB in a BIOS boot partition, /boot beside a physical volume, root and swap in it. The root lies
# in two places, and all that no logical volume has is full of what was there before.
guest
echo 'UUID=d15c5c4b-0000-4000-8000-0000000000b0 /boot ext4 defaults 0 2' >tree/etc/fstab
echo '/dev/mapper/deb--12--vg-root / ext4 errors=remount-ro 0 1' >>tree/etc/fstab
echo '/dev/mapper/deb--12--vg-swap_1 none swap sw 0 0' >>tree/etc/fstab
ext4 root 12M
free root
rm -r tree
put stay vmlinuz
ext4 boot 4M -U d15c5c4b-0000-4000-8000-0000000000b0
truncate -s 4M swap
mkswap -q -U d15c5c4b-0000-4000-8000-00000000005a swap
for page in 1 7 100; do
    token go "page $page of the swap"
    printf '%s' "$t" | at swap $((page * 4096 + 99))
done
truncate -s 40M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 1:2048:+1M -t 1:ef02 -n 2:4096:+4M -n 3:12288:+33M -t 3:8e00 \
    -u 1:R -u 2:R -u 3:R image >/dev/null
# What GRUB's boot.img has of texts and fields, and a core image of 9 sectors in the BIOS boot partition.
printf '\353\143\220' | at image 0
printf '\000\200\000\010\000\000\000\000\000\000' | at image 90
printf 'GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n' | at image 384
token stay 'the core image of GRUB'
printf 'R\350%s' "$t" | at image "$MiB"
printf '\001\010\000\000\000\000\000\000\010\000\040\010' | at image $((MiB + 500))
token stay 'the end of the core image'
printf '%s' "$t" | at image $((MiB + 8 * 512 + 99))
token go 'behind the core image'
printf '%s' "$t" | at image $((MiB + 9 * 512))
at image $((2 * MiB)) <boot
pv=$((6 * MiB))
# Whatever the partition held before.
for extent in 0 9 10 15 20 31; do
    token go "extent $extent"
    printf '%s' "$t" | at image $((pv + (1 + extent) * MiB + 1234))
done
for byte in 0 1300 2048 4700 5200 65536 1000000; do
    token go "byte $byte of the physical volume"
    printf 'oldvg { tags = ["%s"] }' "$t" | at image $((pv + byte))
done
lvm image deb-12-vg <<END
pv $pv $((33 * MiB))
lv root linear 6 pv0 2 pv0 24
lv swap_1 linear 4 pv0 16
END
token go 'behind the fields of the label'
printf '%s' "$t" | at image $((pv + 32 * MiB + 1000))
extents image $pv 2 6 root
extents image $pv 24 6 root 6
extents image $pv 16 4 swap
rm root boot swap tree -r
