#!/bin/sh
# ubuntu.sh TREE: Debian's packages, arranged as Ubuntu's cloud images are: sshd by its socket, drop-ins of cloud-init and of
# the image, the account ubuntu, the group admin in sudoers.
set -eu
cat >"$1/etc/os-release" <<'END'
PRETTY_NAME="Ubuntu 24.04.1 LTS"
ID=ubuntu
ID_LIKE=debian
VERSION_ID="24.04"
END
systemctl --root="$1" -q disable ssh.service
systemctl --root="$1" -q enable ssh.socket
printf 'PasswordAuthentication yes\n' >"$1/etc/ssh/sshd_config.d/50-cloud-init.conf"
chmod 600 "$1/etc/ssh/sshd_config.d/50-cloud-init.conf"
printf 'PasswordAuthentication no\n' >"$1/etc/ssh/sshd_config.d/60-cloudimg-settings.conf"
sed -i 's/name: debian$/name: ubuntu/; s/distro: debian$/distro: ubuntu/' "$1/etc/cloud/cloud.cfg"
sed -i 's/^%sudo/%admin ALL=(ALL) ALL\n&/' "$1/etc/sudoers"
