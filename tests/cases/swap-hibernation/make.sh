# Swap that holds a suspended system; a suspended system cannot resume on another disk.
guest
echo '/dev/vda2 none swap sw 0 0' >>tree/etc/fstab
ext4 root 8M
truncate -s 20M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 1:2048:+8M -n 2:0:+4M -t 2:8200 -u 1:R -u 2:R image >/dev/null
truncate -s 4M swap
mkswap -q -U d15c5c4b-0000-4000-8000-00000000005a swap
printf 'S1SUSPEND\0' | at swap 4086
for page in 1 7 100; do
    token go "page $page of the swap"
    printf '%s' "$t" | at swap $((page * 4096 + 99))
done
at image $MiB <root
at image $((9 * MiB)) <swap
rm root swap
