# A policy of one's own.
guest
sed -i '/auth.log/s/\tgo\t/\tstay\t/' tokens.tsv
put go srv/private/a
ext4 image 8M
