# A bare NTFS.
truncate -s 8M image
printf '\xeb\x52\x90NTFS    ' | at image 0
printf '\x55\xaa' | at image 510
