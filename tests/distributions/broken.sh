#!/bin/sh
# broken.sh TREE: what no cleaning mends, for each bullet that asks for more than files gone.
set -eu
tree=$1
# cloud-init makes no host keys, lets passwords in again, and its account is kept out.
printf 'ssh_genkeytypes: []\nssh_pwauth: true\n' >"$tree/etc/cloud/cloud.cfg.d/90_build.cfg"
rm -rf "$tree"/usr/lib/systemd/system/sshd-keygen* "$tree"/etc/systemd/system/*.wants/sshd-keygen*
printf 'AllowUsers deploy\n' >>"$tree/etc/ssh/sshd_config"
# A telnet server by inetd, and the portmapper.
mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
for unit in inetutils-inetd rpcbind; do
    printf '[Service]\nExecStart=/usr/sbin/%s\n[Install]\nWantedBy=multi-user.target\n' "$unit" \
        >"$tree/usr/lib/systemd/system/$unit.service"
    ln -s "/usr/lib/systemd/system/$unit.service" "$tree/etc/systemd/system/multi-user.target.wants/"
done
printf 'telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n' >"$tree/etc/inetd.conf"
# A second root, and a file that cannot be read.
printf 'toor:x:0:0::/root:/bin/sh\n' >>"$tree/etc/passwd"
printf '<<<<<<< HEAD\n' >>"$tree/etc/gshadow"
