# A qcow2 of 2^63 bytes.
qemu-img create -q -f qcow2 image 1M
printf '\x80\0\0\0\0\0\0\0' | at image 24
