# A disk whose end, with the second GPT, is missing.
truncate -s 20M image
sgdisk -n 1:2048:+8M image >/dev/null
truncate -s 4M image
