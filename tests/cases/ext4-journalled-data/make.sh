# data=journal: old versions of files lie in the journal.
needs_kernel
guest
ext4 image 16M
mounted image data=journal
for n in 1 2 3 4; do
    token go "version $n of a file"
    echo "$t" >mnt/note
    sync -f mnt
done
echo 'nothing secret' >mnt/note
unmounted
