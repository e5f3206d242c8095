# Paths that the command line adds, and one that it keeps.
guest
sed -i '/\.bash_history/s/\tgo\t/\tstay\t/' tokens.tsv
put go srv/private/a/b
put go opt/site.key
put stay opt/site.crt
put stay srv/public/a
ext4 image 8M
