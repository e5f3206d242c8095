# All rules but two.
guest
sed -i -e '/bash_history/s/\tgo\t/\tstay\t/' -e '/auth.log/s/\tgo\t/\tstay\t/' tokens.tsv
ext4 image 8M
