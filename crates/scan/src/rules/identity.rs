//! What tells this machine from others, and must not be the same on two.

use crate::{Action, Detector, Find, Kinds, Rule, Source, edits::EditId};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "machine-id",
        heading: "Machine id",
        explain: "systemd's and D-Bus's id of the installation; the same one on two clones breaks DHCP, \
                  journals and licences. The file is emptied: systemd then makes a new id at boot. It is never \
                  removed (without it, a read-only /etc stops Debian 12 from booting) and never set to a value \
                  of our own; `uninitialized` and an empty file stay as they are. A symbolic link from /var/lib/dbus stays.",
        sources: &[
            Source::Sysprep("machine-id"),
            Source::CloudInit,
            Source::ImageBuilder,
            Source::Kubernetes,
        ],
        find: Find {
            paths: &["/etc/machine-id", "/var/lib/dbus/machine-id"],
            kinds: Kinds::Files,
            detector: Some(Detector::MachineId),
            ..Find::NOTHING
        },
        action: Action::Truncate,
        default: true,
    },
    Rule {
        id: "random-seed",
        heading: "Saved random seeds",
        explain: "Clones that start from one seed draw alike random numbers. systemd, the bootloader and the \
                  init scripts write a new seed at shutdown or boot, and the kernel has other sources until then.",
        sources: &[Source::Sysprep("customize"), Source::Waagent, Source::Own],
        find: Find::files(&[
            "/var/lib/random-seed",
            "/var/lib/systemd/random-seed",
            "/var/lib/urandom/random-seed",
            "/var/lib/misc/random-seed",
            "/var/lib/seedrng/*",
            "/etc/random-seed",
            "/etc/random.seed",
            "/var/db/host.random",
            "/{boot,efi,boot/efi}/loader/random-seed",
            "~/.rnd",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "systemd-credentials",
        heading: "The host's key for systemd credentials",
        explain: "credential.secret opens every credential that systemd-creds encrypted on this host. \
                  systemd-creds makes a new one when it first encrypts; what was encrypted before cannot be \
                  opened any more.",
        sources: &[Source::Outscale("O5"), Source::Own],
        find: Find::files(&["/var/lib/systemd/credential.secret"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "dhcp-client",
        heading: "Leases and ids of DHCP clients",
        explain: "Addresses, servers and ids of the builder's network, for dhclient, dhcpcd, NetworkManager, \
                  networkd and wicked. Clients ask for a new lease.",
        sources: &[Source::Sysprep("dhcp-client-state"), Source::ImageBuilder, Source::Waagent],
        find: Find::files(&[
            "/var/lib/{dhclient,dhcp,dhcp3,dhcpcd,dhcpcd5,wicked}/**",
            "/etc/dhcpcd.duid",
            "/var/db/dhclient.leases.*",
            "/var/lib/NetworkManager/*lease*",
            "/var/lib/NetworkManager/{secret_key,seen-bssids,timestamps}",
            "/var/lib/systemd/{network,netif}/**",
            "/run/systemd/netif/**",
            "/var/lib/connman/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "networkmanager-connections",
        heading: "NetworkManager connections",
        explain: "Keyfiles hold Wi-Fi and VPN passwords, addresses and the builder's hardware addresses. \
                  NetworkManager connects wired cards by DHCP without any; static addresses must come from \
                  cloud-init or the new owner.",
        sources: &[Source::Outscale("O4"), Source::Sysprep("net-nmconn"), Source::CloudInit],
        find: Find::files(&[
            "/etc/NetworkManager/system-connections/*",
            "/run/NetworkManager/system-connections/*",
            "/var/lib/NetworkManager/*.state",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "wifi-credentials",
        heading: "Wi-Fi passwords",
        explain: "Networks and passphrases of iwd, wpa_supplicant and hostapd. Off by default for the \
                  configuration of an access point; networks come back when somebody enters them.",
        sources: &[Source::Outscale("O4"), Source::Attackers],
        find: Find::files(&[
            "/var/lib/iwd/*",
            "/etc/wpa_supplicant/wpa_supplicant*.conf",
            "/etc/wpa_supplicant.conf",
            "/etc/hostapd/hostapd*.conf",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "host-name",
        heading: "Name of the machine",
        explain: "/etc/hostname becomes empty, which is no host name: DHCP, the metadata service or cloud-init gives the \
                  clone one, and until then it is `localhost`. The file itself stays, so that no first boot stops to \
                  ask. A name that was there goes from /etc/hosts, too, and with it a line that has no other (Debian's \
                  127.0.1.1); localhost and all other machines stay. /etc/mailname becomes `localhost` if it is the \
                  machine's; HOSTNAME and DHCP_HOSTNAME go from the files of Red Hat's network, PRETTY_HOSTNAME from \
                  machine-info. What Postfix has in main.cf is noted only. `localhost` as a name stays as it is.",
        sources: &[Source::Sysprep("net-hostname"), Source::ImageBuilder, Source::Kubernetes],
        find: Find {
            paths: &[
                "/etc/{hostname,HOSTNAME}",
                "/etc/hosts",
                "/etc/mailname",
                "/etc/machine-info",
                "/etc/sysconfig/network",
                "/etc/sysconfig/{network-scripts,network}/ifcfg-*",
                "/etc/postfix/main.cf",
            ],
            kinds: Kinds::Files,
            ..Find::NOTHING
        },
        action: Action::Edit(EditId::ForgetHostName),
        default: true,
    },
    Rule {
        id: "hardware-addresses",
        heading: "Hardware addresses in the network's configuration",
        explain: "A clone has another card: a network that is tied to the builder's MAC never comes up, and a MAC that \
                  is given to a card is there twice. HWADDR, MACADDR and UUID go from ifcfg files (UUID not from bonds \
                  and bridges, which others name), MACAddress and PermanentMACAddress from files of networkd and udev, \
                  macaddress from netplan, hwaddress from /etc/network/interfaces. Where the MAC was all that told the \
                  card, `DEVICE=eth0` (after the file's name), `Name=en* eth*`, `OriginalName=en* eth*` or `name: \"e*\"` \
                  takes its place: the first wired card comes up as before. Addresses, routes and names of cards stay. \
                  A file of netplan with two such cards, or in another style than netplan's own, stays and is noted. \
                  Keyfiles of NetworkManager go whole (`networkmanager-connections`).",
        sources: &[Source::Sysprep("net-hwaddr"), Source::Kubernetes, Source::Own],
        find: Find {
            paths: &[
                "/etc/sysconfig/{network-scripts,network}/ifcfg-*",
                "/etc/systemd/network/*.{network,link,netdev}",
                "/etc/netplan/*.yaml",
                "/etc/network/interfaces",
                "/etc/network/interfaces.d/*",
            ],
            kinds: Kinds::Files,
            ..Find::NOTHING
        },
        action: Action::Edit(EditId::ForgetHardware),
        default: true,
    },
    Rule {
        id: "udev-persistent-rules",
        heading: "Names tied to this machine's hardware",
        explain: "70-persistent-net.rules gives the first card's name to the builder's hardware address, so \
                  that a clone's card becomes eth1 and stays without a network. udev or nobody writes it again; \
                  both are fine.",
        sources: &[Source::Sysprep("udev-persistent-net"), Source::Kubernetes],
        find: Find::files(&[
            "/etc/udev/rules.d/70-persistent-net.rules",
            "/etc/udev/rules.d/70-persistent-cd.rules",
            "/dev/.udev/rules.d/*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "blkid-cache",
        heading: "blkid's cache",
        explain: "Names and UUIDs of disks that the builder once had. blkid writes it again.",
        sources: &[Source::Sysprep("blkid-tab")],
        find: Find::files(&[
            "/{run,var/run}/blkid.tab*",
            "/{run,var/run}/blkid/blkid.tab*",
            "/etc/blkid/blkid.tab*",
            "/etc/blkid.tab*",
            "/dev/.blkid.tab*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "lvm-state",
        heading: "LVM's device list and metadata archive",
        explain: "system.devices ties volume groups to the builder's disks: with another disk's id in it, LVM \
                  ignores the clone's. Without the file it looks at all disks. archive and backup hold old \
                  metadata with names and UUIDs; LVM writes them at the next change.",
        sources: &[Source::Sysprep("lvm-system-devices"), Source::Own],
        find: Find::files(&[
            "/etc/lvm/devices/system.devices",
            "/etc/lvm/devices/backup/*",
            "/etc/lvm/{archive,backup}/*",
            "/etc/lvm/cache/.cache",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "storage-initiators",
        heading: "Names towards storage servers",
        explain: "The iSCSI initiator's name, the NVMe host's ids and multipath's list of disks: two machines \
                  with one name corrupt shared storage. open-iscsi and iscsi-initiator-utils make a new name at \
                  boot (versions too old for that need `iscsi-iname`), nvme-cli and multipathd theirs at first \
                  use. A host that boots from iSCSI or NVMe/TCP must keep them with --skip.",
        sources: &[Source::Own],
        find: Find::files(&[
            "/etc/iscsi/initiatorname.iscsi",
            "/etc/nvme/{hostnqn,hostid}",
            "/etc/multipath/wwids",
            "/etc/multipath/bindings",
            "/var/lib/iscsi/{nodes,send_targets,ifaces,isns,static,slp}/**",
            "/etc/iscsi/{nodes,send_targets}/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "hardware-uuids",
        heading: "Registrations of old Red Hat tools",
        explain: "Ids under which smolt and yum counted this installation. They make new ones.",
        sources: &[Source::Sysprep("smolt-uuid"), Source::Sysprep("yum-uuid")],
        find: Find::files(&[
            "/etc/sysconfig/hw-uuid",
            "/etc/smolt/{uuid,hw-uuid}",
            "/var/lib/yum/uuid",
            "/var/lib/dnf/repos/*/countme",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "update-stamps",
        heading: "Stamps of the last boot's housekeeping",
        explain: ".updated tells systemd that /etc and /var match /usr; without it, units with \
                  ConditionNeedsUpdate run once more. Alias databases and Postfix's lock and pid files are \
                  made again by newaliases and Postfix.",
        sources: &[Source::ImageBuilder],
        find: Find::files(&[
            "/etc/.updated",
            "/var/.updated",
            "/etc/.pwd.lock",
            "/var/lib/misc/postfix.aliasesdb-stamp",
            "/var/lib/postfix/master.lock",
            "/var/spool/postfix/pid/*",
        ]),
        action: Action::Remove,
        default: true,
    },
];
