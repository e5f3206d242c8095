# A file's block that the bitmap calls free.
guest
ext4 image 8M -O ^metadata_csum
debugfs -w -R "freeb $(debugfs -R 'blocks /etc/hosts' image 2>/dev/null | tr -d ' \n')" image >/dev/null 2>&1
