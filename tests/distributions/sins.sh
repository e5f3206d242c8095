#!/bin/sh
# sins.sh TREE: what a builder leaves, one thing or more for each bullet that cleaning can mend. All secrets are made here.
set -eu
tree=$1
admins=$(cut -d: -f1 "$tree/etc/group" | grep -xE 'sudo|wheel')
chroot "$tree" useradd --create-home --shell /bin/bash --groups "$admins" al
printf 'root:%s\nal:password\n' "$(od -An -N9 -tx1 /dev/urandom | tr -d ' \n')" | chroot "$tree" chpasswd -c SHA512
# sshd: where it takes its configuration from.
if [ -d "$tree/etc/ssh/sshd_config.d" ]; then
    printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' >"$tree/etc/ssh/sshd_config.d/10-build.conf"
else
    printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' >>"$tree/etc/ssh/sshd_config"
fi
[ -e "$tree/etc/ssh/ssh_host_ed25519_key" ] || ssh-keygen -q -A -f "$tree"
# Homes.
home=$tree/home/al
mkdir -p "$home/.ssh" "$home/.osc" "$home/.docker" "$tree/root/.aws"
ssh-keygen -q -t ed25519 -N '' -C al -f "$home/.ssh/id_ed25519"
cp "$home/.ssh/id_ed25519.pub" "$home/.ssh/authorized_keys"
printf 'ls\n' >"$home/.bash_history"
printf 'import os\n' >"$home/.python_history"
random() { od -An -N40 -tx1 /dev/urandom | tr -d ' \n' | tr a-f A-F; }
printf '{"default": {"access_key": "%.20s", "secret_key": "%.40s", "region": "eu-west-2"}}\n' "$(random)" "$(random)" >"$home/.osc/config.json"
printf '[default]\naws_access_key_id = AKIA%.16s\naws_secret_access_key = %.40s\n' "$(random | tr 0189 ABCD)" "$(random)" >"$tree/root/.aws/credentials"
printf '{"auths": {"registry.example": {"auth": "%s"}}}\n' "$(printf 'al:%.12s' "$(random)" | base64)" >"$home/.docker/config.json"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=build -days 9 \
    -keyout "$tree/root/pk-build.pem" -out "$tree/root/cert-build.pem" 2>/dev/null
mkdir -p "$tree/etc/ssl/private"
openssl genrsa -out "$tree/etc/ssl/private/server.key" 2048 2>/dev/null
printf 'sudo: al : TTY=pts/0\n' >"$tree/var/log/auth.log"
