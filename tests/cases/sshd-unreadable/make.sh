# A drop-in that sshd would not understand: nothing of its configuration changes, and that is said.
guest
mkdir -p tree/etc/ssh/sshd_config.d
printf 'Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n' >tree/etc/ssh/sshd_config
printf 'PasswordAuthentication yes\n<<<<<<< HEAD\n' >tree/etc/ssh/sshd_config.d/50-cloud-init.conf
ext4 image 8M
free image
