# What tells a machine in its network: its name, and its cards' addresses, as Debian, Red Hat and networkd have them.
guest
# file PATH LINE...: a file of the tree.
file() {
    mkdir -p "$(dirname "tree/$1")"
    printf '%s\n' "${@:2}" >"tree/$1"
}
token go etc/hostname
name=build$t
file etc/hostname "$name.corp.example"
file etc/mailname "$name.corp.example"
printf '127.0.0.1\tlocalhost %s\n127.0.1.1\t%s.corp.example %s\n' "$name" "$name" "$name" >tree/etc/hosts
file etc/machine-info CHASSIS=vm "PRETTY_HOSTNAME=\"$name\""
put stay etc/hosts '192.0.2.1 db.corp.example db%s'
file etc/sysconfig/network NETWORKING=yes "HOSTNAME=$name"
file etc/sysconfig/network-scripts/ifcfg-eth0 HWADDR=52:54:00:12:34:56 UUID=5fb06bd0-fake BOOTPROTO=dhcp ONBOOT=yes
file etc/network/interfaces 'auto eth0' 'iface eth0 inet dhcp' '    hwaddress ether 52:54:00:12:34:56'
file etc/systemd/network/10-lan.link '[Match]' MACAddress=52:54:00:12:34:56 '' '[Link]' Name=lan0
file etc/systemd/network/10-lan.network '[Match]' Name=lan0 PermanentMACAddress=52:54:00:12:34:56 '' '[Network]' DHCP=yes
file etc/netplan/50-cloud-init.yaml network: '    version: 2' '    ethernets:' '        eth0:' '            dhcp4: true' \
    '            match:' '                macaddress: 52:54:00:12:34:56' '            set-name: eth0'
file etc/netplan/90-odd.yaml 'network: {ethernets: {b: {match: {macaddress: "52:54:00:12:34:57"}}}}'
ext4 image 8M
free image
