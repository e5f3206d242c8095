# MBR: a root in a primary partition, /home in a logical one, an empty logical one; secrets in the gaps.
guest
put stay home-notes.txt
printf '/dev/vda1 / ext4 defaults 0 1\n/dev/vda5 /home ext4 defaults 0 2\n' >tree/etc/fstab
ext4 root 8M
rm -r tree
mkdir -p tree/al
put go al/.bash_history
put stay al/thesis.txt
ext4 home 6M
truncate -s 24M image
sfdisk -q image <<'END'
label: dos
label-id: 0xd15c5c4b
start=2048, size=16384, type=83, bootable
start=20480, size=26624, type=5
start=22528, size=12288, type=83
start=36864, size=4096, type=83
END
at image $((2048 * 512)) <root
at image $((22528 * 512)) <home
for sector in 1 19000 21000 35000 48000; do
    token go "gap at sector $sector"
    printf '%s' "$t" | at image $((sector * 512 + 40))
done
rm -r root home tree
