# sshd and systemd, and nothing that makes host keys or brings the owner's: units for both are made, with SELinux labels.
# cloud-init is there, but off: it does neither, nor does it make the network's configuration again, which stays.
guest
mkdir -p tree/usr/{sbin,bin} tree/usr/lib/systemd tree/etc/systemd/system tree/usr/local
printf '\0OpenSSH_9.2p1 Debian\0' >tree/usr/sbin/sshd
touch tree/usr/lib/systemd/systemd tree/usr/bin/{ssh-keygen,curl}
printf 'Include /etc/ssh/sshd_config.d/*.conf\n' >tree/etc/ssh/sshd_config
mkdir -p tree/etc/{cloud,netplan}
touch tree/usr/bin/cloud-init tree/etc/cloud/cloud-init.disabled
put stay etc/netplan/50-cloud-init.yaml 'network: {version: 2, ethernets: {eth0: {dhcp4: true}}} # %s'
ext4 image 8M
printf 'ea_set /etc/systemd/system security.selinux system_u:object_r:systemd_unit_file_t:s0\n' | debugfs -w -f - image >/dev/null 2>&1
free image
