# A swap file in an ext4: its body becomes zero, its header stays.
guest
truncate -s 1M tree/swapfile
mkswap -q -U d15c5c4b-0000-4000-8000-00000000005b tree/swapfile
head -c 1044480 /dev/zero | tr '\0' '.' | at tree/swapfile 4096
for page in 1 7 100; do
    token go "page $page of the swap file"
    printf '%s' "$t" | at tree/swapfile $((page * 4096 + 99))
done
echo '/swapfile none swap sw 0 0' >>tree/etc/fstab
ext image 16M -t ext4 -b 4096
