# A qcow2 that names a backing file: nothing that an image names is opened unasked.
qemu-img create -q -f raw base 1M
qemu-img create -q -f qcow2 -b base -F raw image
