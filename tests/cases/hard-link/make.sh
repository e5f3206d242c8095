# A secret that has a second name, which no rule knows: the report says that its content stays.
guest
ln tree/root/.bash_history tree/home/al/copy-of-history
sed -i '/bash_history/s/\tgo\t/\tstay\t/' tokens.tsv
ext4 image 8M
