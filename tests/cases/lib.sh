# Words that the recipes share. A recipe runs in an empty directory and makes `image` there; what it plants, it
# writes to tokens.tsv by `token`.
# shellcheck shell=bash disable=SC2034,SC2059
KiB=1024 MiB=$((1024 * 1024))
export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1

number=0
# token go|stay PLACE: a new token in $t.
token() {
    number=$((number + 1))
    t=$(printf '%s %s' "$CASE" "$number" | sha256sum | cut -c1-20)
    printf '%s\t%s\t%s\n' "$t" "$1" "$2" >>tokens.tsv
}

# put go|stay FILE [TEXT]: appends a line with a token to a file of the tree in ./tree; `%s` is the token.
put() {
    token "$1" "$2"
    mkdir -p "$(dirname "tree/$2")"
    printf "${3:-%s}\n" "$t" >>"tree/$2"
}

# guest: a small Linux in ./tree, with something to clean in it.
guest() {
    mkdir -p tree/{etc,root,home/al,usr/bin,var/log,tmp}
    printf 'PRETTY_NAME="Debian GNU/Linux 13 (case)"\nID=debian\n' >tree/etc/os-release
    printf 'root:x:0:0:root:/root:/bin/bash\nal:x:1000:1000::/home/al:/bin/bash\n' >tree/etc/passwd
    echo '/dev/vda1 / ext4 defaults 0 1' >tree/etc/fstab
    put go root/.bash_history 'export TOKEN=%s'
    put go home/al/.aws/credentials 'aws_secret_access_key = %s'
    put go var/log/auth.log 'Accepted publickey %s'
    put go etc/ssh/ssh_host_ed25519_key
    put stay etc/hosts '127.0.0.1 localhost # %s'
    put stay usr/bin/app '#!/bin/sh # %s'
    put stay home/al/notes.txt
    ln -s /usr/bin/app tree/usr/bin/application
    ln tree/home/al/notes.txt tree/home/al/same-notes.txt
}

# ext FILE SIZE [mke2fs options]: an ext filesystem of ./tree; everything belongs to root, whoever runs this.
ext() {
    local file=$1 size=$2
    shift 2
    find tree ! -type l -exec chmod u=rwX,go=rX {} +
    mke2fs -q -U d15c5c4b-0000-4000-8000-0000000000e4 -E "hash_seed=d15c5c4b-0000-4000-8000-0000000000ff" \
        "$@" -d tree "$file" "$size"
    find tree -mindepth 1 -printf 'sif "/%P" uid 0\nsif "/%P" gid 0\n' | debugfs -w -f - "$file" >/dev/null 2>&1
}

# ext4 FILE SIZE [options]
ext4() { ext "$1" "$2" -t ext4 -J size=1 -O ^resize_inode "${@:3}"; }

# free FILE: tokens in free blocks of an ext filesystem, as deleted files leave them.
free() {
    local block
    for block in $(dumpe2fs "$1" 2>/dev/null | sed -n 's/^  Free blocks: .*[-, ]\([0-9]\+\)$/\1/p'); do
        token go "free block $block"
        printf 'deleted %s' "$t" | at "$1" $((block * $(blocksize "$1")))
    done
}
blocksize() { dumpe2fs -h "$1" 2>/dev/null | sed -n 's/^Block size: *//p'; }

# xfs FILE SIZE [mkfs.xfs options]: an XFS of ./tree, made without a kernel; everything belongs to root, and hard links
# are files of their own. --unsupported is for the size alone.
xfs() {
    local file=$1 size=$2
    shift 2
    prototype tree >prototype
    truncate -s "$size" "$file"
    mkfs.xfs -q -f --unsupported -p prototype "$@" "$file" 2>mkfs.err || { cat mkfs.err >&2; return 1; }
    rm prototype mkfs.err
}

# prototype DIR: what `mkfs.xfs -p` makes a tree from.
prototype() {
    printf '/none\n0 0\nd--755 0 0\n'
    below "$1"
    printf '$\n'
}
below() {
    local one name
    for one in "$1"/* "$1"/.[!.]*; do
        name=${one##*/}
        if [ -L "$one" ]; then
            printf '%s l--777 0 0 %s\n' "$name" "$(readlink "$one")"
        elif [ -d "$one" ]; then
            printf '%s d--%s 0 0\n' "$name" "$(stat -c %a "$one")"
            below "$one"
            printf '$\n'
        elif [ -e "$one" ]; then
            printf '%s ---%s 0 0 %s\n' "$name" "$(stat -c %a "$one")" "$one"
        fi
    done
}

# xfs_free FILE: tokens in free blocks of an XFS, as deleted files leave them.
xfs_free() {
    local field group block len
    declare -A field
    while read -r group block; do field[$group]=$block; done < <(
        xfs_db -r -f -c 'sb 0' -c 'print blocksize agblocks' "$1" | sed -n 's/ = / /p'
    )
    while read -r group block len; do
        token go "free block $block of group $group"
        block=$((group * field[agblocks] + block + len / 2))
        printf 'deleted %s' "$t" | at "$1" $((block * field[blocksize]))
    done < <(xfs_db -r -f -c 'freesp -d' "$1" | sed -n '/^ *[0-9]\+ \+[0-9]\+ \+[0-9]\+ *$/p')
}

# at FILE OFFSET: writes stdin there.
at() { dd of="$1" bs=64K conv=notrunc oflag=seek_bytes seek="$2" status=none; }

# needs_kernel: ends the recipe where no kernel can mount.
needs_kernel() { [ "$(id -u)" = 0 ] && [ -e /dev/loop-control ] || exit 77; }

# mounted FILE [OPTIONS]: mounts it at ./mnt.
mounted() {
    mkdir -p mnt
    # What is mounted may have the UUID of another case's.
    [ "$(blkid -p -o value -s TYPE "$1")" != xfs ] || set -- "$1" "nouuid${2:+,$2}"
    mount -o "loop${2:+,$2}" "$1" mnt
    trap 'umount mnt' EXIT
}
unmounted() {
    umount mnt
    rmdir mnt
    trap - EXIT
}

# lvm IMAGE GROUP: LVM2 metadata by the description on stdin (see pv.py).
lvm() { python3 "$ROOT/tests/cases/pv.py" "$1" "$2"; }

# extents IMAGE PV FIRST COUNT FILE [SKIP]: COUNT extents of 1 MiB of FILE from extent SKIP on, to extent FIRST of the
# physical volume at byte PV.
extents() {
    dd if="$5" of="$1" bs=$MiB skip="${6:-0}" count="$4" seek=$(($2 + (1 + $3) * MiB)) \
        oflag=seek_bytes conv=notrunc status=none
}
