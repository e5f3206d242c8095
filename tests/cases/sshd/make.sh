# sshd with drop-ins of cloud-init and of an installer, Match blocks, CRLF, and a main file behind a link.
guest
printf '\0OpenSSH_9.2p1 Debian\0' | install -D /dev/stdin tree/usr/sbin/sshd
mkdir -p tree/etc/ssh/sshd_config.d tree/srv
ln -s /srv/sshd_config tree/etc/ssh/sshd_config
cat >tree/srv/sshd_config <<'END'
# This is the sshd server system-wide configuration file.

Include /etc/ssh/sshd_config.d/*.conf

#PermitRootLogin prohibit-password
#PubkeyAuthentication yes
#PasswordAuthentication yes
KbdInteractiveAuthentication no
X11Forwarding yes
Subsystem	sftp	/usr/lib/openssh/sftp-server

Match User al
	PasswordAuthentication yes
Match User backup
	PermitRootLogin forced-commands-only
END
put stay srv/sshd_config '# %s'
truncate -s -1 tree/srv/sshd_config
printf 'PasswordAuthentication yes\n' >tree/etc/ssh/sshd_config.d/50-cloud-init.conf
printf 'PermitRootLogin "yes" # as asked for\r\n' >tree/etc/ssh/sshd_config.d/01-permitrootlogin.conf
printf 'PermitRootLogin yes\n' >tree/etc/ssh/sshd_config.d/unused
ext4 image 8M
free image
