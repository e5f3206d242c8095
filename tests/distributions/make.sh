#!/bin/sh
# make.sh SUITE TREE: a Debian with an SSH server and cloud-init, of nothing but its packages.
set -eu
suite=$1 tree=$2
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | grep '/debian$' | head -n 1)
# No service is started while packages are set up.
mmdebstrap --mode=root --variant=minbase --quiet \
    --include=openssh-server,sudo,systemd-sysv,dbus,cloud-init,curl,netbase,iproute2,cron \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --setup-hook='mkdir -p "$1/usr/sbin"; printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"' \
    --customize-hook='rm -f "$1/usr/sbin/policy-rc.d"' \
    "$suite" "$tree" "$mirror"
