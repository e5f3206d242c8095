# A shadow that is none stays as it is, whole, and the report says so; so does one of more than a MiB.
guest
put stay etc/shadow 'root:$6$fakesalt$%s:19000:0:99999:7:::'
put stay etc/shadow '<<<<<<< %s'
put stay etc/gshadow 'wheel:$6$fakesalt$%s::'
yes '#' | head -c 1100000 >>tree/etc/gshadow || true
put go etc/group 'wheel:$1$fake$%s:10:'
ext4 image 8M
