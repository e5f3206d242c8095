# A whole-disk FAT16 with deleted files and long names.
truncate -s 8M image
mkfs.fat -F 16 -s 1 -i d15c5c4b -n DATA image >/dev/null
mmd -i image ::/EFI ::/EFI/BOOT
token stay EFI/BOOT/grub.cfg
echo "set x=$t" >file
mcopy -i image file ::/EFI/BOOT/grub.cfg
token go 'a deleted file'
{ echo "$t"; head -c 3000 /dev/zero; } >file
mcopy -i image file "::/a long name that is deleted later.txt"
mdel -i image "::/a long name that is deleted later.txt"
token go 'file slack'
echo short >file
mcopy -i image file ::/short.txt
cluster=$(grep -abo short image | tail -1 | cut -d: -f1)
printf '%s' "$t" | at image $((cluster + 100))
rm file
