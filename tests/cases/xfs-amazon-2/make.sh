# Amazon Linux 2: a GPT with the BIOS boot partition behind the root in its numbers, version 5 without sparse inodes and
# shared extents.
guest
printf 'NAME="Amazon Linux"\nPRETTY_NAME="Amazon Linux 2"\nID="amzn"\nVERSION_ID="2"\n' >tree/etc/os-release
echo 'UUID=d15c5c4b-0000-4000-8000-0000000000fa / xfs defaults,noatime 1 1' >tree/etc/fstab
put go home/ec2-user/.ssh/authorized_keys 'ssh-rsa AAAA%s builder'
echo 'ec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash' >>tree/etc/passwd
xfs root 64M -m crc=1,finobt=1,rmapbt=0,reflink=0,bigtime=0,inobtcount=0,uuid=d15c5c4b-0000-4000-8000-0000000000fa \
    -i sparse=0 -d agcount=4 -L /
xfs_free root
truncate -s 67M image
sgdisk -U D15C5C4B-0000-4000-8000-000000000000 -n 128:2048:4095 -t 128:ef02 -n 1:4096:+64M -c 1:Linux \
    -u 1:D15C5C4B-0000-4000-8000-000000000001 -u 128:D15C5C4B-0000-4000-8000-000000000080 image >/dev/null
at image $((2 * MiB)) <root
rm -r root tree
