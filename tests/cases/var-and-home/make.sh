# /var and /home on partitions of their own, by UUID and label.
guest
rm -r tree/home/al tree/var/log
grep -v -e home/al -e var/log tokens.tsv >t; mv t tokens.tsv
cat >tree/etc/fstab <<'END'
/dev/vda1 / ext4 defaults 0 1
LABEL=var /var ext4 defaults 0 2
UUID=d15c5c4b-0000-4000-8000-000000000003 /home ext4 defaults 0 2
END
ext4 root 8M
rm -r tree
mkdir -p tree/log
put go log/auth.log
put go log/journal/d15c5c4bd15c5c4bd15c5c4bd15c5c4b/system.journal
put stay lib/app/state
ext4 var 6M -L var
tune2fs -U d15c5c4b-0000-4000-8000-000000000002 var >/dev/null
rm -r tree
mkdir -p tree/al
put go al/.ssh/id_rsa
put go al/.bash_history
put stay al/thesis.txt
ext4 home 6M
tune2fs -U d15c5c4b-0000-4000-8000-000000000003 home >/dev/null
truncate -s 24M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 1:2048:+8M -n 2:0:+6M -n 3:0:+6M image >/dev/null
at image $MiB <root
at image $((9 * MiB)) <var
at image $((15 * MiB)) <home
rm -r root var home tree
