#!/bin/bash
# Makes demo.img.zst and demo.secrets.tsv: the disk of a small Debian-like machine, photographed while it runs.
#
# Needs root and loop devices: a real kernel writes the ext4, so the journal, the deleted files and the
# half-overwritten directories are as kernels leave them. Tools: e2fsprogs dosfstools mtools gdisk util-linux
# openssh-client zstd. UUIDs, tokens and content are the same in every run; times, keys and where the kernel
# puts its blocks are not, hence the image is committed.
#
# Every secret here is made up: a token is a digest of its own number. The SSH keys were made for this image,
# open nothing, and say so in their comments.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
disk=$work/disk tree=$work/tree list=$work/secrets.tsv
loop='' swap=''
cleanup() {
    mountpoint -q "$tree" 2>/dev/null && umount "$tree"
    [ -z "$loop" ] || losetup -d "$loop"
    rm -rf "$work"
}
trap cleanup EXIT

# token VERDICT PLACE: a new token in $t, written down. VERDICT: go or stay.
: >"$list"
number=0
token() {
    number=$((number + 1))
    t=$(printf 'diskscrub demo %s' "$number" | sha256sum | cut -c1-20)
    printf '%s\t%s\t%s\n' "$t" "$1" "$2" >>"$list"
}
# live PATH FORMAT: appends a line with a token that must go, `%s` being the token.
live() {
    token go "$1"
    mkdir -p "$(dirname "$tree$1")"
    # shellcheck disable=SC2059
    printf "$2\n" "$t" >>"$tree$1"
}
# stay PATH FORMAT: the same with one that must stay.
stay() {
    token stay "$1"
    mkdir -p "$(dirname "$tree$1")"
    # shellcheck disable=SC2059
    printf "$2\n" "$t" >>"$tree$1"
}
# at OFFSET: writes stdin to the disk.
at() { dd of="$disk" bs=64K conv=notrunc oflag=seek_bytes seek="$1" status=none; }

mib=$((1024 * 1024))
truncate -s $((52 * mib)) "$disk"
sgdisk --disk-guid D15C5C4B-0000-4000-8000-000000000000 \
    --new 15:2048:+4M --typecode 15:ef00 --partition-guid 15:D15C5C4B-0000-4000-8000-000000000015 --change-name 15:esp \
    --new 2:0:+4M --typecode 2:8200 --partition-guid 2:D15C5C4B-0000-4000-8000-000000000002 \
    --new 1:20480:0 --typecode 1:8304 --partition-guid 1:D15C5C4B-0000-4000-8000-000000000001 --change-name 1:root \
    "$disk" >/dev/null
esp=$mib swap=$((5 * mib)) root=$((10 * mib)) end=$((52 * mib - 34 * 512))

# --- between the partitions, and behind them: what an installer's or a former owner's disk held there
for offset in $((40 * 512)) $((300 * 512)) $((9 * mib + 4096)) $((9 * mib + 700000)); do
    token go gap
    printf 'wrapped volume key %s\n' "$t" | at $offset
done

# --- ESP: a boot loader that stays, a deleted file, a deleted long name
mkfs.fat -F 16 -s 1 -i D15C5C4B -n ESP --offset $((esp / 512)) "$disk" 4096 >/dev/null
export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
fat="$disk@@$esp"
mmd -i "$fat" ::/EFI ::/EFI/debian
token stay /boot/efi/EFI/debian/grub.cfg
printf 'search.fs_uuid d15c5c4b-0000-4000-8000-0000000000e4 root # %s\n' "$t" >"$work/grub.cfg"
mcopy -i "$fat" "$work/grub.cfg" ::/EFI/debian/grub.cfg
for n in 1 2 3; do
    token go 'deleted file of the ESP'
    for _ in $(seq 60); do printf 'enrolled key %s\n' "$t"; done >"$work/key"
    mcopy -i "$fat" "$work/key" "::/EFI/key$n.bin"
done
mdel -i "$fat" '::/EFI/key*.bin'

# --- swap: pages of programs that were swapped out
truncate -s 4M "$work/swap"
mkswap --quiet --uuid d15c5c4b-0000-4000-8000-00000000005a --label swap "$work/swap"
at $swap <"$work/swap"
for n in $(seq 16); do
    token go swap
    printf 'session=%s; Authorization: Bearer demo' "$t" | at $((swap + n * 3 * 4096 + 1234))
done

# --- root filesystem, a little smaller than its partition
blocks=$(((end - root) / 4096 - 8))
mke2fs -q -t ext4 -b 4096 -N 1024 -J size=4 -L root -U d15c5c4b-0000-4000-8000-0000000000e4 \
    -E offset=$root,hash_seed=d15c5c4b-0000-4000-8000-0000000000ff,nodiscard -O ^resize_inode "$disk" $blocks
for n in 1 2; do
    token go 'behind the filesystem'
    printf 'old partition %s' "$t" | at $((root + blocks * 4096 + n * 4096))
done
loop=$(losetup --show -f -o $root --sizelimit $((blocks * 4096)) "$disk")
mkdir "$tree"

# --- the first session journals file content, as databases' servers are sometimes set up
mount -o data=journal "$loop" "$tree"
mkdir -p "$tree"/{etc,usr/bin,usr/lib,usr/share/doc,root,home/alice,var/log,var/lib,srv/www,boot/efi,dev,proc,run,sys}
ln -s usr/bin "$tree/bin"
ln -s usr/lib "$tree/lib"
install -d -m 1777 "$tree/tmp" "$tree/var/tmp"
cat >"$tree/etc/os-release" <<'END'
PRETTY_NAME="Debian GNU/Linux 13 (demo)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
ID=debian
END
cat >"$tree/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
alice:x:1000:1000:Alice:/home/alice:/bin/bash
END
printf 'root:*:20000:0:99999:7:::\nalice:!:20000:0:99999:7:::\n' >"$tree/etc/shadow"
printf 'root:x:0:\nalice:x:1000:\n' >"$tree/etc/group"
chmod 640 "$tree/etc/shadow"
cat >"$tree/etc/fstab" <<'END'
UUID=d15c5c4b-0000-4000-8000-0000000000e4 / ext4 errors=remount-ro 0 1
PARTLABEL=esp /boot/efi vfat umask=0077 0 1
UUID=d15c5c4b-0000-4000-8000-00000000005a none swap sw 0 0
END
echo demo >"$tree/etc/hostname"
stay /etc/hosts '127.0.1.1 demo # %s'
stay /etc/ssh/sshd_config 'PermitRootLogin prohibit-password # %s'
stay /usr/bin/app '#!/bin/sh\n# %s\nexec true'
chmod 755 "$tree/usr/bin/app"
setcap cap_net_raw+ep "$tree/usr/bin/app" 2>/dev/null || setfattr -n user.origin -v demo "$tree/usr/bin/app"
stay /usr/share/doc/app/changelog 'app (1.0) stable # %s'
stay /srv/www/index.html '<!-- %s --><h1>It works</h1>'
ln "$tree/srv/www/index.html" "$tree/srv/www/default.html"
token stay 'a sparse file'
truncate -s 300000 "$tree/srv/www/sparse.db"
printf '%s' "$t" | dd of="$tree/srv/www/sparse.db" bs=1 seek=200000 conv=notrunc status=none
token stay 'a name'
mkdir "$tree/srv/www/site-$t"
token stay 'an extended attribute'
setfattr -n user.checksum -v "$t" "$tree/srv/www/index.html"
for n in $(seq 40); do echo "module $n of the application" >"$tree/usr/lib/module$n.so"; done

printf '%s\n' "d15c5c4bd15c5c4bd15c5c4bd15c5c4b" >"$tree/etc/machine-id"
printf '%s\tgo\t%s\n' d15c5c4bd15c5c4bd15c5c4bd15c5c4b /etc/machine-id >>"$list"
# A line of the private key's body counts as a token.
for path in /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_rsa_key /home/alice/.ssh/id_ed25519; do
    mkdir -p "$(dirname "$tree$path")"
    kind=${path#*_} kind=${kind#host_}
    ssh-keygen -q -N '' -t "${kind%_key}" -C 'made for the demo image of diskscrub, opens nothing' -f "$tree$path"
    printf '%s\tgo\t%s\n' "$(sed -n 3p "$tree$path")" "$path" >>"$list"
done
live /root/.bash_history 'mysqladmin -u root password %s'
live /root/.bash_history 'export GITHUB_TOKEN=%s'
live /root/.ssh/authorized_keys 'ssh-ed25519 AAAADEMO%s root@build'
live /root/.netrc 'machine repo.example login build password %s'
live /home/alice/.bash_history 'curl -u alice:%s https://api.example/'
live /home/alice/.python_history 'connect(password="%s")'
live /home/alice/.ssh/known_hosts 'bastion.example ssh-ed25519 AAAADEMO%s'
live /home/alice/.aws/credentials '[default]\naws_access_key_id = AKIAEXAMPLEDEMOEXAMP\naws_secret_access_key = %s'
live /home/alice/.docker/config.json '{"auths":{"registry.example":{"auth":"%s"}}}'
live /home/alice/.git-credentials 'https://alice:%s@git.example'
live /home/alice/.pgpass 'db.example:5432:app:app:%s'
live /home/alice/.kube/config 'token: %s'
live /var/log/auth.log 'sshd[812]: Accepted publickey for alice: ED25519 SHA256:%s'
live /var/log/syslog 'app[900]: connecting with password %s'
live /var/log/journal/d15c5c4bd15c5c4bd15c5c4bd15c5c4b/system.journal 'LPKSHHRH MESSAGE=token %s'
live /var/lib/cloud/instances/i-demo/user-data.txt '#cloud-config\npassword: %s'
live /var/lib/dhcp/dhclient.eth0.leases 'lease { option host-name "%s"; }'
live /etc/passwd- 'alice:%s:1000:1000::/home/alice:/bin/bash'
live /tmp/upload-1.tmp 'card %s'
live /var/tmp/build.env 'SECRET=%s'
chown -R 1000:1000 "$tree/home/alice"
sync -f "$tree"

# Content that passes through the journal, then is overwritten where it lies.
for round in 1 2 3; do
    for n in $(seq 4); do
        token go "journal, round $round"
        printf 'draft of the contract %s\n' "$t" >"$work/draft"
        dd if="$work/draft" of="$tree/srv/www/draft$n" conv=notrunc status=none
    done
    sync -f "$tree"
done
for n in $(seq 4); do echo 'final version, nothing secret in it' >"$tree/srv/www/draft$n"; done
umount "$tree"

# --- the second session: files come and go
mount "$loop" "$tree"
for n in $(seq 24); do
    token go 'deleted file'
    for _ in $(seq 40); do printf 'customer record %s\n' "$t"; done >"$tree/srv/customer$n.csv"
done
# Names and short links live in directories and inodes, not in blocks.
mkdir "$tree/srv/outbox"
for n in $(seq 10); do
    token go 'name of a deleted file'
    : >"$tree/srv/outbox/letter-to-$t"
done
for n in $(seq 6); do
    token go 'target of a deleted link'
    ln -s "/mnt/vault/$t" "$tree/srv/outbox/link$n"
done
for n in $(seq 6); do
    token go 'attribute of a deleted file'
    : >"$tree/srv/outbox/tagged$n"
    setfattr -n user.note -v "owner $t" "$tree/srv/outbox/tagged$n"
done
# One block a page of an old database, whose place a preallocated log takes later.
for n in $(seq 16); do
    token go 'below a preallocated file'
    printf '%-4096s' "row of the old table $t"
done >"$tree/srv/old.db"
# A note that has several versions.
for n in $(seq 6); do
    token go 'former version of a file'
    printf 'password of the week: %s\n' "$t" >"$tree/srv/www/note.new"
    mv "$tree/srv/www/note.new" "$tree/srv/www/note"
    sync -f "$tree"
done
echo 'see the password manager' >"$tree/srv/www/note"
sync -f "$tree"
rm "$tree"/srv/customer*.csv "$tree"/srv/outbox/* "$tree/srv/old.db"
sync -f "$tree"
fallocate -l 96K "$tree/srv/www/ring.log"
rm -f "$tree/home/alice/.viminfo"
umount "$tree"

# File slack, as copiers of whole blocks leave it: behind the end of three files that stay.
for n in 1 2 3; do
    token go 'file slack'
    block=$(debugfs -R "blocks /usr/lib/module$n.so" "$loop" 2>/dev/null | tr -d ' \n')
    printf 'heap of the copying program %s' "$t" | at $((root + block * 4096 + 2048))
done

# --- the third session: the machine runs while its disk is photographed
mount -o commit=300 "$loop" "$tree"
stay /srv/www/news.html '<p>%s</p>'
mkdir "$tree/srv/queue"
for n in $(seq 12); do stay "/srv/queue/job$n" 'job %s'; done
live /home/alice/.bash_history 'vault login %s'
exec 9>"$tree/srv/upload.part"
for n in $(seq 4); do
    token go 'deleted file that is still open'
    printf '%-4096s' "upload $t" >&9
done
rm "$tree/srv/upload.part"
sync -f "$tree"
cp --sparse=always "$disk" "$work/photo"
exec 9>&-
umount "$tree"

zstd -q -19 -f --long=27 "$work/photo" -o demo.img.zst
{
    printf '# token\tgo or stay\twhere it was planted\n'
    cat "$list"
} >demo.secrets.tsv
ls -l demo.img.zst demo.secrets.tsv
