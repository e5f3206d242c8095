# Files that lie in their inodes, one of them too long for that.
guest
put go etc/shadow 'root:$6$%s:1::::::'
put go etc/gshadow 'a:$6$%s::'
for user in a b c d e f g h; do
    put go etc/passwd "$user:\$6\$%s:100:100::/:"
done
ext4 image 8M -I 512 -O inline_data
debugfs -R 'stat /etc/shadow' image 2>/dev/null | grep -q 'Size of inline data'
