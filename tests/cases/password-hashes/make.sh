# Every place of a password: shadow, its older copies, groups, and passwd as old systems have it.
guest
: >tree/etc/passwd
put stay etc/passwd 'root:x:0:0:%s:/root:/bin/bash'
put go etc/passwd 'old:$1$fake$%s:1001:1001::/home/old:/bin/sh'
put go etc/passwd 'alone:$1$fake$%s:1002:1002::/home/alone:/bin/sh'
echo 'keeper:x:1003:1003::/home/keeper:/bin/sh' >>tree/etc/passwd
echo '+::::::' >>tree/etc/passwd
put go etc/shadow 'root:$6$fakesalt$%s:19000:0:99999:7:::'
put stay etc/shadow '# %s'
printf 'bin:*:18000:0:99999:7:::\r\nguest::19001::::::\nsync:!:19000::::::\n' >>tree/etc/shadow
put go etc/shadow 'was-locked:!$y$j9T$%s:19000:0:99999:7:::'
put go etc/shadow '#gone:$6$fakesalt$%s:19000:0:99999:7:::'
put stay etc/shadow 'keeper:$6$fakesalt$%s:19000:0:99999:7:::'
put go etc/shadow 'old:$5$fakesalt$%s:19000:0:99999:7:30:20000:'
truncate -s -1 tree/etc/shadow
put go etc/shadow- 'root:$6$fakesalt$%s:18000:0:99999:7:::'
put go etc/security/opasswd 'root:0:1:$6$fakesalt$%s'
put go etc/gshadow 'wheel:$6$fakesalt$%s:root:root,keeper'
put stay etc/gshadow 'users:!::%s'
put go etc/group 'wheel:$1$fake$%s:10:root'
ext4 image 8M
free image
