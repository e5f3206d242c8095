# A qcow2 with LUKS inside.
qemu-img create -q -f qcow2 -o encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=10 \
    --object secret,id=k,data=demo image 1M
