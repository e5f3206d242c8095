# Two partitions that overlap.
truncate -s 20M image
sfdisk -q --force image <<'END'
label: dos
label-id: 0xd15c5c4b
start=2048, size=16384, type=83
END
# The second entry: sectors 4096 to 20480.
printf '\0\0\0\0\x83\0\0\0\0\x10\0\0\0\x40\0\0' | at image $((446 + 16))
