# A VMDK.
qemu-img create -q -f vmdk image 1M
