#!/bin/sh
# fedora.sh TREE: Debian's files, arranged as Fedora's are: sshd.service, which wants sshd-keygen.target; the Include first,
# 50-redhat.conf behind it; presets; the group wheel; an empty database of rpm.
set -eu
cat >"$1/usr/lib/os-release" <<'END'
PRETTY_NAME="Fedora Linux 42 (Cloud Edition)"
ID=fedora
VERSION_ID=42
END
ln -sfn ../usr/lib/os-release "$1/etc/os-release"
units=$1/usr/lib/systemd/system
systemctl --root="$1" -q disable ssh.service
mv "$units/ssh.service" "$units/sshd.service"
sed -i '/^Alias=/d; s/^After=network.target.*/After=network.target sshd-keygen.target\nWants=sshd-keygen.target/' "$units/sshd.service"
rm -rf "$units"/ssh.socket "$units"/sshd@.service "$units"/sshd-keygen* "$1"/etc/systemd/system/ssh*.wants
cat >"$units/sshd-keygen.target" <<'END'
[Unit]
Wants=sshd-keygen@rsa.service
Wants=sshd-keygen@ecdsa.service
Wants=sshd-keygen@ed25519.service
PartOf=sshd.service
END
cat >"$units/sshd-keygen@.service" <<'END'
[Unit]
Description=OpenSSH %i Server Key Generation
ConditionFileNotEmpty=|!/etc/ssh/ssh_host_%i_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t %i -N "" -f /etc/ssh/ssh_host_%i_key
[Install]
WantedBy=sshd-keygen.target
END
printf 'enable sshd.service\nenable cloud-*\ndisable *\n' >"$1/usr/lib/systemd/system-preset/90-default.preset"
systemctl --root="$1" -q preset sshd.service
cat >"$1/etc/ssh/sshd_config" <<'END'
# To modify the system-wide sshd configuration, create a *.conf file under /etc/ssh/sshd_config.d/
Include /etc/ssh/sshd_config.d/*.conf
#PermitRootLogin prohibit-password
AuthorizedKeysFile .ssh/authorized_keys
#PasswordAuthentication yes
Subsystem sftp /usr/lib/openssh/sftp-server
END
cat >"$1/etc/ssh/sshd_config.d/50-redhat.conf" <<'END'
SyslogFacility AUTHPRIV
KbdInteractiveAuthentication no
GSSAPIAuthentication yes
GSSAPICleanupCredentials no
UsePAM yes
X11Forwarding yes
PrintMotd no
END
printf 'PermitRootLogin yes\n' >"$1/etc/ssh/sshd_config.d/01-permitrootlogin.conf"
chmod 600 "$1"/etc/ssh/sshd_config "$1"/etc/ssh/sshd_config.d/*
sed -i 's/name: debian$/name: fedora/; s/distro: debian$/distro: fedora/; s/groups: \[adm.*/groups: [wheel, adm]/' "$1/etc/cloud/cloud.cfg"
chroot "$1" groupmod -n wheel sudo
sed -i 's/^%sudo.*/%wheel ALL=(ALL) ALL/' "$1/etc/sudoers"
# dpkg's database stays: it is what vouches for the files, which are Debian's.
rm -r "$1/etc/apt"
mkdir -p "$1/usr/lib/sysimage/rpm"
rpmdb --initdb --dbpath "$(realpath "$1")/usr/lib/sysimage/rpm"
