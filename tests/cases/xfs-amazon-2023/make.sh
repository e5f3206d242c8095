# Amazon Linux 2023: XFS with sectors of 4096 bytes in two groups, times of 64 bits, beside the partition of the firmware.
guest
printf 'NAME="Amazon Linux"\nPRETTY_NAME="Amazon Linux 2023.5"\nID="amzn"\nID_LIKE="fedora"\n' >tree/etc/os-release
echo 'UUID=d15c5c4b-0000-4000-8000-0000000000fb / xfs defaults,noatime 1 1' >tree/etc/fstab
echo 'UUID=1234-ABCD /boot/efi vfat defaults,noatime,uid=0,gid=0,umask=0077 0 2' >>tree/etc/fstab
put go home/ec2-user/.ssh/authorized_keys 'ssh-rsa AAAA%s builder'
echo 'ec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash' >>tree/etc/passwd
xfs root 64M -m crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=1,inobtcount=1,uuid=d15c5c4b-0000-4000-8000-0000000000fb \
    -i sparse=1,nrext64=0 -s size=4096 -d agcount=2 -L /
xfs_free root
truncate -s 10M efi
mkfs.fat -i 1234abcd efi >/dev/null
truncate -s 78M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 127:2048:+1M -t 127:ef02 -n 128:4096:+10M -t 128:ef00 \
    -n 1:24576:+64M -c 1:Linux -u 1:D15C5C4B-0000-4000-8000-000000000001 -u 127:D15C5C4B-0000-4000-8000-00000000007f \
    -u 128:D15C5C4B-0000-4000-8000-000000000080 image >/dev/null
at image $((2 * MiB)) <efi
at image $((12 * MiB)) <root
rm -r root efi tree
