# Fills the current directory: `keep` stays as it is, every name and byte of `victims` and of what is deleted here has
# a mark that nothing else has.
mkdir -p keep/ssh keep/many keep/huge victims/deep/er/PLANTED victims/many victims/huge edited shared
for i in 1 2 3; do echo "host key $i" > keep/ssh/k$i; echo "PLANTED key $i" > victims/k$i; done
head -c 300000 /dev/urandom > keep/large
yes PLANTED | head -c 3000000 > victims/large || true
echo PLANTED > victims/deep/er/PLANTED/file
ln -s /keep/ssh/k1 keep/short; ln -s /$(printf 'x%.0s' $(seq 600)) keep/long
ln -s /PLANTED victims/short; ln -s /PLANTED$(printf 'x%.0s' $(seq 600)) victims/long
echo linked > keep/hard; ln keep/hard victims/hard
echo linked PLANTED > victims/both; ln victims/both victims/both2
python3 - <<'END'
import os, random
random.seed(1)
def fork(path, blocks, content):
    with open(path, 'wb') as file:
        for i in range(blocks):
            file.seek(i * 2 * 4096)
            file.write(content * (4096 // len(content)))
fork('keep/extents', 300, b'k')
fork('victims/extents', 300, b'PLANTED ')
fork('edited/extents', 300, b'PLANTED ')
for directory, count in (('keep/many', 400), ('keep/huge', 3000)):
    # Old names between those that stay.
    for i in range(count * 2):
        old = i % 2
        name = '%s/%s-%d-%s' % (directory, 'PLANTED' if old else 'kept', i, 'y' * (i * 7 % 40))
        with open(name, 'w') as file:
            if i % 5 == 0: file.write('content %d' % i)
for directory, count in (('victims/many', 300), ('victims/huge', 2000)):
    for i in range(count):
        with open('%s/PLANTED-%d-%s' % (directory, i, 'z' * (i * 7 % 40)), 'w') as file:
            if i % 5 == 0: file.write('PLANTED %d' % i)
END
sync
find keep -name 'PLANTED*' -delete
truncate -s 10M keep/sparse; printf end >> keep/sparse
yes PLANTED | head -c 2000000 > keep/preallocated || true
sync; truncate -s 5 keep/preallocated; fallocate -n -l 1M keep/preallocated
setfattr -n user.small -v abc keep/ssh/k1
setfattr -n security.selinux -v system_u:object_r:etc_t:s0 keep/ssh/k2
for i in $(seq 30); do
    setfattr -n user.attr$i -v $(printf 'v%.0s' $(seq 100)) keep/ssh/k3
    setfattr -n user.PLANTED$i -v PLANTED$(printf 'v%.0s' $(seq 100)) victims/k3
    setfattr -n user.PLANTED$i -v PLANTED$(printf 'v%.0s' $(seq $i)) keep/large
done
for i in $(seq 2 30); do setfattr -x user.PLANTED$i keep/large; done
setfattr -x user.PLANTED1 keep/large
python3 - <<'END'
import os
os.setxattr('keep/many', 'user.large', b'L' * 3000)
os.setxattr('victims/many', 'user.large', b'PLANTED ' * 400)
for i in range(8): os.setxattr('keep/huge', 'user.%d' % i, b'M' * 20000)
END
mknod keep/fifo p; mknod keep/device c 1 3; mknod victims/PLANTED-pipe p
for i in 1 2 3; do mkdir -p keep/d$i/e/f; echo $i > keep/d$i/e/f/g; done
echo PLANTED short > edited/short
yes PLANTED | head -c 500000 > edited/large || true
cp keep/ssh/k3 edited/empty; : > edited/nothing
head -c 200000 /dev/urandom > shared/original
cp --reflink=auto shared/original shared/copy
cp --reflink=auto shared/original victims/shared
cp --reflink=auto shared/original edited/shared
