# An ext4 whose end is missing.
guest
ext4 image 8M
truncate -s 5M image
