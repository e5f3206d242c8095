# Two rules alone.
guest
sed -i -e '/\.aws/s/\tgo\t/\tstay\t/' -e '/ssh_host/s/\tgo\t/\tstay\t/' tokens.tsv
ext4 image 8M
