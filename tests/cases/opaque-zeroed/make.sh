# A LUKS volume becomes zero.
guest
ext4 root 8M
truncate -s 20M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 1:2048:+8M -n 2:0:+4M image >/dev/null
at image $MiB <root

printf "LUKS\xba\xbe\0\2" | at image $((9 * MiB))
token go "a LUKS volume"
printf "%s" "$t" | at image $((10 * MiB))
rm root
