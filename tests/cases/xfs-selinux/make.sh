# Labels of SELinux, which stay on every inode, and which files get that the policy has made; attributes of all forms.
needs_kernel
guest
printf 'PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"\nID="rhel"\n' >tree/etc/os-release
echo '/dev/vda / xfs defaults 0 0' >tree/etc/fstab
mkdir -p tree/etc/selinux
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' >tree/etc/selinux/config
echo root >tree/etc/hostname
xfs image 64M -m uuid=d15c5c4b-0000-4000-8000-0000000000fd -d agcount=4
mounted image
label() { setfattr -h -n security.selinux -v "system_u:object_r:$1:s0" "${@:2}"; }
find mnt -print0 | while IFS= read -r -d '' one; do label etc_t "$one"; done
label passwd_file_t mnt/etc/passwd
label user_home_t mnt/home/al/notes.txt
token stay 'an attribute of many blocks'
setfattr -n user.large -v "$t$(printf '%060000d' 0)" mnt/usr/bin/app
for n in $(seq 60); do setfattr -n "user.note$n" -v "$(printf '%0100d' "$n")" mnt/home/al/notes.txt; done
for n in $(seq 60); do
    token go "an old attribute $n"
    setfattr -n "user.old$n" -v "$t$(printf '%0100d' "$n")" mnt/etc/hosts
done
sync -f mnt
for n in $(seq 60); do setfattr -x "user.old$n" mnt/etc/hosts; done
unmounted
rm -r tree
