//! What the boot starts that listens to the network, beyond what administration needs.

use block::Result;

use super::passwords::safe;
use crate::{
    Check, Observation, Severity, System,
    services::{self, Service, Starter},
};

mod reach;

use reach::Reach;

pub(super) const NETWORK_SERVICES: Check = Check {
    id: "network-services",
    heading: "Services that listen to the network",
    explain: "What the boot starts, by systemd, SysV, OpenRC, inetd or xinetd, and is known to listen, and sockets of \
              systemd on a port. SSH, the clouds' agents, and clients for time, names and addresses are administration's \
              and are not told. For databases and mail servers, the configuration says whether other machines reach them. \
              Servers that no image needs at its creation (portmapper, discovery, printing, inetd's own tests, and those \
              without encryption) fail; on all others somebody has to decide. A server that a shop's own unit starts \
              is not known by its name: look at the enabled units, too.",
    advice: "Disable what the image is not for: `systemctl disable NAME`, its socket, too.",
    run: network_services,
};

/// What listens and nobody needs when a VM is created.
const NEEDLESS: &[(&[&str], &str)] = &[
    (&["avahi-daemon"], "Avahi announces the machine to its network"),
    (&["cups", "cups-browsed", "cupsd"], "CUPS is for printers"),
    (&["telnet", "telnetd", "inetutils-telnetd", "telnet@"], "telnet has no encryption"),
    (
        &["rsh", "rlogin", "rexec", "rsh@", "rlogin@", "rexec@", "shell", "login", "exec"],
        "rsh and its like have no encryption",
    ),
    (&["finger", "fingerd", "talk", "ntalk", "talkd"], "finger and talk are for users of another time"),
    (
        &[
            "echo",
            "discard",
            "chargen",
            "daytime",
            "time",
            "qotd",
            "echo-dgram",
            "echo-stream",
            "chargen-dgram",
            "chargen-stream",
        ],
        "a test of inetd's, good for attacks on others",
    ),
    (&["ypserv", "ypbind", "yppasswdd", "nis", "nis-server"], "NIS has no encryption"),
    (&["minissdpd", "rygel", "minidlna"], "discovery of home networks"),
];
/// The portmapper, and what needs it.
const PORTMAPPER: &[&str] = &["rpcbind", "portmap"];
const NFS: &[&str] =
    &["nfs-server", "nfs-kernel-server", "nfs", "nfs-mountd", "ypserv", "nfslock", "rpc-statd"];

/// Servers, by what they are; the names are units', scripts' and inetd's.
const SERVERS: &[(&str, &str)] = &[
    (
        "a web server",
        "apache2 httpd nginx lighttpd caddy tomcat tomcat9 tomcat10 jetty jetty9 \
         thttpd h2o openresty uwsgi webfsd boa micro-httpd cherokee",
    ),
    (
        "a proxy or balancer",
        "haproxy squid varnish traefik envoy privoxy tinyproxy polipo tor tor@ danted 3proxy \
         stunnel4 stunnel",
    ),
    (
        "a database",
        "mysql mysqld mariadb mariadb@ mysqld@ postgresql postgresql@ redis-server redis \
         redis-server@ valkey valkey-server keydb-server mongod mongodb memcached memcached@ \
         cassandra couchdb elasticsearch opensearch influxdb clickhouse-server neo4j rethinkdb \
         etcd firebird3.0 slapd zookeeper kafka questdb cockroach scylla-server mssql-server \
         oracle-xe-21c dirsrv@",
    ),
    ("a message broker", "rabbitmq-server mosquitto activemq nats-server epmd ejabberd prosody kafka"),
    (
        "a mail server",
        "postfix postfix@ exim exim4 sendmail opensmtpd smtpd qmail dovecot cyrus-imapd \
         courier-imap courier-pop spamassassin spamd rspamd clamav-milter opendkim \
         masqmail",
    ),
    (
        "a file server",
        "smbd nmbd smb nmb samba samba-ad-dc winbind nfs-server nfs-kernel-server nfs-mountd \
         rsync rsyncd vsftpd vsftpd@ proftpd pure-ftpd ftp tftp tftpd-hpa atftpd glusterd \
         tgt targetclid target minio atalk netatalk ctdb nbd-server wsdd wsdd2 \
         ksmbd",
    ),
    (
        "a server of names or addresses",
        "named bind9 unbound dnsmasq pdns pdns-recursor nsd knot coredns dhcpd isc-dhcp-server \
         isc-dhcp-server6 kea-dhcp4-server kea-dhcp6-server radvd pihole-FTL maradns",
    ),
    (
        "a directory or login server",
        "krb5-kdc krb5-admin-server krb5kdc kadmin freeradius radiusd ipa \
         tacacs_plus",
    ),
    (
        "a remote desktop",
        "xrdp vncserver@ tigervncserver@ x11vnc vncserver xvnc xvnc@ gnome-remote-desktop guacd \
         anydesk teamviewerd rustdesk nxserver xpra novnc",
    ),
    (
        "a console for administration by web",
        "cockpit webmin usermin ajenti ttyd shellinabox jupyter jupyterlab jupyterhub code-server \
         code-server@ rstudio-server portainer proxmox pveproxy gotty",
    ),
    (
        "monitoring that others ask",
        "snmpd snmptrapd prometheus prometheus-node-exporter node_exporter node-exporter \
         grafana-server nrpe nagios-nrpe-server nsca zabbix-agent zabbix-agent2 zabbix-server \
         munin-node netdata collectd cadvisor check-mk-agent check_mk icinga2 pmcd pmproxy \
         gmond telegraf loki graphite carbon-cache statsd alertmanager kibana \
         logstash graylog-server",
    ),
    (
        "a service of containers or clusters",
        "docker podman kubelet k3s k3s-agent rke2-server rke2-agent consul nomad \
         vault pacemaker corosync pcsd keepalived microk8s snap.microk8s.daemon-kubelite crio \
         kube-apiserver libvirtd-tcp virtproxyd-tcp lxd incus slurmd slurmctld slurmdbd",
    ),
    (
        "a service for builds or automation",
        "jenkins gitlab-runsvdir gitea forgejo puppetserver puppetmaster puppet-master \
         salt-master salt-api chef-server-runsvdir ansible-tower awx rundeckd git-daemon \
         git-daemon@ svnserve distcc distccd icecc buildbot nexus sonarqube teamcity \
         airflow-webserver rudder-server",
    ),
    (
        "a private network",
        "openvpn@ openvpn-server@ openvpn strongswan strongswan-starter ipsec libreswan pptpd \
         xl2tpd ocserv softether-vpnserver tinc@ tinc zerotier-one tailscaled wg-quick@ nebula \
         n2n wireguard",
    ),
    (
        "a logging server or relay",
        "systemd-journal-remote systemd-journal-gatewayd fluentd \
         td-agent fluent-bit",
    ),
    (
        "a server of telephony or media",
        "asterisk freeswitch kamailio opensips coturn icecast2 plexmediaserver jellyfin \
         emby-server murmurd mumble-server teamspeak transmission-daemon deluged mpd \
         motion",
    ),
    ("a super-server of services", "inetd openbsd-inetd inetutils-inetd rlinetd xinetd"),
    ("a cache of packages", "apt-cacher-ng apt-cacher approx squid-deb-proxy devpi"),
];

/// Sockets that listen on a port and belong to administration.
const ADMINISTRATION: &[&str] = &[
    "ssh",
    "sshd",
    "ssh@",
    "sshd@",
    "dropbear",
    "dropbear@",
    "ssh-access",
    "systemd-resolved",
    "cloud-init-hotplugd",
    "sshd-vsock",
    "sshd-unix-local",
    "waagent",
    "google-guest-agent",
    "amazon-ssm-agent",
    "chronyd",
    "chrony",
    "ntp",
    "ntpd",
    "ntpsec",
    "systemd-timesyncd",
    "systemd-networkd",
    "systemd-nspawn",
];

fn network_services(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let enabled = services::enabled(system)?;
    let mut seen: Vec<Observation> = services::untold(system, &enabled)?.into_iter().collect();
    let mut told: Vec<String> = Vec::new();
    for service in &enabled {
        let Some((key, observation)) = of(system, service, &enabled)? else { continue };
        // Once for a service and its socket.
        if !told.contains(&key) {
            told.push(key);
            seen.push(observation);
        }
    }
    Ok(seen)
}

/// What a service means: a key that it shares with its socket, and what to say.
fn of(
    system: &System<'_, '_>,
    service: &Service,
    enabled: &[Service],
) -> Result<Option<(String, Observation)>> {
    let is = |names: &[&str]| names.contains(&service.name.as_str()) || names.contains(&service.template());
    let name = safe(&service.name);
    let shown = |severity: Severity, what: String| {
        let observation = Observation::new(severity, what).at(&service.path);
        match service.line {
            Some(line) => observation.line(line),
            None => observation,
        }
    };
    if is(ADMINISTRATION) {
        return Ok(None);
    }
    if let Some((names, what)) = NEEDLESS.iter().find(|(names, _)| is(names)) {
        // Names of protocols are inetd's alone; a script `login` is another thing.
        let protocol = ["login", "shell", "exec", "time", "echo"].contains(&service.name.as_str());
        if !protocol || service.starter == Starter::Inetd {
            let key = names.first().map_or_else(String::new, |name| (*name).to_owned());
            return Ok(Some((key, shown(Severity::Fail, format!("{name} is started: {what}")))));
        }
        return Ok(None);
    }
    if is(PORTMAPPER) {
        let needed = services::find(enabled, NFS).is_some();
        let observation = if needed {
            shown(Severity::Warn, format!("{name} is started, the portmapper that the file server needs"))
        } else {
            shown(Severity::Fail, format!("{name} is started: the portmapper, and no server that needs it"))
        };
        return Ok(Some(("rpcbind".to_owned(), observation)));
    }
    if let Some((kind, _)) =
        SERVERS.iter().find(|(_, names)| is(&names.split_whitespace().collect::<Vec<_>>()))
    {
        let observation = match reach::reach(system, service.template())? {
            Some((Reach::Local, _)) => {
                shown(Severity::Info, format!("{name} is started, {kind} that only this machine reaches"))
            }
            Some((Reach::All, at)) => {
                let what = format!("{name} is started, {kind} that listens on every address");
                match at {
                    Some(setting) => {
                        Observation::new(Severity::Warn, what).at(&setting.path).line(setting.line)
                    }
                    None => shown(Severity::Warn, what),
                }
            }
            None => shown(Severity::Warn, format!("{name} is started, {kind}")),
        };
        return Ok(Some((service.template().trim_end_matches('@').to_owned(), observation)));
    }
    let ports: Vec<&str> = service.listens.iter().map(String::as_str).filter(|at| is_port(at)).collect();
    Ok(match service.starter {
        Starter::Socket if !ports.is_empty() => {
            let what = format!("{name}.socket listens on {}", safe(&ports.join(", ")));
            Some((service.name.clone(), shown(Severity::Warn, what)))
        }
        Starter::Inetd => {
            Some((service.name.clone(), shown(Severity::Warn, format!("{name} is started by inetd"))))
        }
        _ => None,
    })
}

/// systemd.socket(5): a port alone, or an address and a port, that others reach; paths, abstract names, vsock, netlink and
/// this machine's own addresses are none.
fn is_port(listens: &str) -> bool {
    let local = ["127.", "[::1]", "localhost", "/", "@", "vsock:", "%", "kobject-uevent", "audit", "route"];
    !local.iter().any(|start| listens.starts_with(start))
        && listens
            .rsplit(':')
            .next()
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    fn with(units: &[&str], more: &str) -> Vec<String> {
        let mut tree =
            format!("/usr/lib/systemd/systemd\n/usr/lib/systemd/system/graphical.target = [Unit]\n{more}\n");
        for unit in units {
            let (unit, text) = unit.split_once(' ').unwrap_or((unit, "[Unit]"));
            tree.push_str(&format!("/usr/lib/systemd/system/{unit} = {text}\n"));
            tree.push_str(&format!("/usr/lib/systemd/system/graphical.target.wants/{unit} -> ../{unit}\n"));
        }
        seen(&NETWORK_SERVICES, &tree)
    }

    #[test]
    fn what_does_not_tell_what_it_starts_is_not_decided() {
        assert_eq!(seen(&NETWORK_SERVICES, ""), ["unknown nothing in the image tells what its boot starts"]);
        for init in
            ["/usr/lib/systemd/systemd", "/etc/inittab = id:3:initdefault:", "/etc/runlevels/default/"]
        {
            assert_eq!(seen(&NETWORK_SERVICES, init), [""; 0], "{init}");
        }
    }

    #[test]
    fn what_administration_needs_is_fine() {
        let units = [
            "ssh.service",
            "ssh.socket ListenStream=22",
            "chrony.service",
            "systemd-resolved.service",
            "cron.service",
            "dbus.socket ListenStream=/run/dbus/x",
            "sshd-vsock.socket ListenStream=vsock::22",
            "x.socket ListenStream=127.0.0.1:99",
            "time.service",
        ];
        assert_eq!(with(&units, ""), [""; 0]);
    }

    #[test]
    fn servers_and_sockets() {
        let units = [
            "nginx.service",
            "rpcbind.socket ListenStream=111",
            "rpcbind.service",
            "avahi-daemon.service",
            "own.socket ListenStream=8080",
            "mariadb.service",
        ];
        let base = "/usr/lib/systemd/system";
        assert_eq!(
            with(&units, "/etc/mysql/mariadb.conf.d/50-server.cnf = [mysqld]\\nbind-address = 127.0.0.1\\n"),
            [
                format!(
                    "fail {base}/avahi-daemon.service avahi-daemon is started: Avahi announces the machine to its network"
                ),
                format!(
                    "info {base}/mariadb.service mariadb is started, a database that only this machine reaches"
                ),
                format!("warn {base}/nginx.service nginx is started, a web server"),
                format!("warn {base}/own.socket own.socket listens on 8080"),
                format!(
                    "fail {base}/rpcbind.service rpcbind is started: the portmapper, and no server that needs it"
                ),
            ]
        );
        let nfs = with(&["nfs-server.service", "rpcbind.service"], "");
        assert!(nfs.iter().all(|line| line.starts_with("warn")), "{nfs:?}");
        let redis = with(&["redis-server.service"], "/etc/redis/redis.conf = # x\\nbind * -::*\\n");
        assert_eq!(
            redis,
            [
                "warn /etc/redis/redis.conf:2 redis-server is started, a database that listens on every address"
            ]
        );
    }
}
