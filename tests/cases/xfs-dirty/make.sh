# A photograph of a mounted XFS: its log has to be replayed, a deleted file is still open, and removed names are in it.
needs_kernel
guest
echo '/dev/vda / xfs defaults 0 0' >tree/etc/fstab
xfs disk 64M -m uuid=d15c5c4b-0000-4000-8000-0000000000fc -d agcount=4
mounted disk
for n in 1 2 3 4 5 6; do
    token stay "srv/file$n, known to the log alone"
    mkdir -p mnt/srv
    echo "$t" >"mnt/srv/file$n"
done
token go 'a name'
touch "mnt/srv/$t"
sync -f mnt
rm "mnt/srv/$t"
exec 9>mnt/orphan
token go 'an orphan'
printf '%-8192s' "$t" >&9
rm mnt/orphan
token go 'an attribute'
setfattr -n user.note -v "$t" mnt/srv/file1
sync -f mnt
setfattr -x user.note mnt/srv/file1
xfs_io -c syncfs mnt
cp --sparse=always disk image
exec 9>&-
unmounted
rm -r disk tree
