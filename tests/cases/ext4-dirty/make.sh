# A photograph of a mounted ext4: its journal has to be replayed, and a deleted file is still open.
needs_kernel
guest
ext4 disk 16M
mounted disk commit=300
for n in 1 2 3 4 5 6; do
    token stay "srv/file$n, known to the journal alone"
    mkdir -p mnt/srv
    echo "$t" >"mnt/srv/file$n"
done
touch -d 2026-01-01 mnt/srv/* mnt/srv
exec 9>mnt/orphan
token go 'an orphan'
printf '%-8192s' "$t" >&9
rm mnt/orphan
rm -r mnt/home/al/same-notes.txt
sync -f mnt
cp --sparse=always disk image
exec 9>&-
unmounted
rm disk
