# ext2, with indirect blocks.
guest
head -c 400000 /dev/zero | tr "\0" x >tree/home/al/large
put stay home/al/large
ext image 8M -t ext2 -b 1024
free image
