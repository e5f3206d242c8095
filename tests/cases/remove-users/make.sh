# An account goes, with all that is its own; others keep what is theirs.
guest
sed -i 's/\tstay\thome/\tgo\thome/' tokens.tsv
printf 'root:x:0:0::/root:/bin/bash\n' >tree/etc/passwd
put go etc/passwd 'al:x:1000:1000:%s:/home/al:/bin/bash'
put stay etc/passwd 'alice:x:1001:1001:%s:/home/alice:/bin/bash'
put stay etc/passwd 'bob:x:1002:100::/srv/shared:/bin/bash # %s'
put go etc/shadow 'al:$6$fakesalt$%s:19000:0:99999:7:::'
put go etc/shadow 'alice:$6$fakesalt$%s:19000:0:99999:7:::'
put stay etc/shadow 'bob:$6$fakesalt$%s:19000:0:99999:7:::'
printf 'root:x:0:\nsudo:x:27:al,alice\nal:x:1000:\nalice:x:1001:\nusers:x:100:\n' >tree/etc/group
printf 'root:*::\nsudo:*:al:al,alice\nal:!::\n' >tree/etc/gshadow
printf 'al:100000:65536\nalice:165536:65536\n' | tee tree/etc/subuid >tree/etc/subgid
put stay etc/sudoers 'Defaults env_reset # %s'
put go etc/sudoers 'al ALL=(ALL) \\\n  /bin/%s'
# Blanks may follow the backslash that continues a line; a comment ends with its line.
put go etc/sudoers 'al ALL=(ALL) /bin/true, \\ \n  /bin/%s'
put go etc/sudoers '# once \\\nal ALL=(ALL) /bin/%s'
put stay etc/sudoers 'al ALL=(ALL) /bin/true # once \\\nalice ALL=(ALL) /bin/%s'
printf 'alice,al ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n' >>tree/etc/sudoers
put go etc/sudoers.d/al 'al ALL=(ALL) NOPASSWD: /bin/%s'
put go etc/sudoers.d/90-al 'al ALL=(ALL) NOPASSWD: /bin/%s'
put stay etc/sudoers.d/90-cloud-init-users '# %s'
put go etc/sudoers.d/90-cloud-init-users 'al ALL=(ALL) NOPASSWD: /bin/%s'
put go var/spool/cron/crontabs/al '@daily %s'
put go var/mail/al
put stay home/alice/notes.txt
ext4 image 8M
