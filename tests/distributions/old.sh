#!/bin/sh
# old.sh TREE: as before drop-ins and cloud-init. The package's own sshd_config, whose defaults are comments, without its
# Include; nothing brings a key.
set -eu
chroot "$1" dpkg --purge cloud-init >/dev/null 2>&1
sed -i '/^Include/d' "$1/etc/ssh/sshd_config"
rm -r "$1/etc/ssh/sshd_config.d"
