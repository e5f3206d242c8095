# The default policy leaves passwords alone, and says so.
guest
put stay etc/shadow 'root:$6$fakesalt$%s:19000:0:99999:7:::'
echo 'guest::19000::::::' >>tree/etc/shadow
ext4 image 8M
