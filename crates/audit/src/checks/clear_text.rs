//! Servers that take passwords in clear text, or none at all, and are started.

use block::Result;
use scan::GuestPath;

use crate::{
    Check, Observation, Severity, System,
    services::{self, Service, Starter},
    settings::{self, Setting},
};

pub(super) const CLEAR_TEXT_SERVICES: Check = Check {
    id: "clear-text-services",
    heading: "Services that authenticate in clear text",
    explain: "What the boot starts, by systemd, SysV, OpenRC, inetd or xinetd, and sends passwords unencrypted: telnet, \
              rsh, rlogin, rexec, finger, NIS, TFTP; FTP unless its configuration insists on TLS; SNMP with communities; \
              POP and IMAP of Dovecot, Courier and Cyrus unless they refuse passwords without TLS; SMTP that offers AUTH \
              without TLS, rsync without users, and VNC, which somebody has to decide on. A server that is installed but \
              not started is none.",
    advice: "Disable the service (`systemctl disable NAME`), or let its configuration insist on TLS.",
    run: clear_text_services,
};

/// A protocol that has no encryption: names of units, scripts and inetd's lines, and what it is.
const PLAIN: &[(&[&str], &str)] = &[
    (
        &["telnet", "telnetd", "inetutils-telnetd", "telnet@", "krb5-telnet", "busybox-telnetd"],
        "telnet sends passwords in clear text",
    ),
    (
        &[
            "rsh", "rshd", "shell", "rsh@", "login", "rlogin", "rlogind", "rlogin@", "rexec", "rexec@",
            "exec", "kshell", "klogin", "eklogin",
        ],
        "rsh, rlogin and rexec send passwords in clear text, or ask for none",
    ),
    (&["finger", "fingerd", "efingerd", "cfingerd", "xfingerd"], "finger tells anybody who has an account"),
    (
        &["ypserv", "yppasswdd", "ypxfrd", "nis", "nis-server", "ypserver"],
        "NIS hands out passwords' hashes in clear text",
    ),
    (&["tftp", "tftpd", "tftpd-hpa", "atftpd", "in.tftpd"], "TFTP asks nobody who they are"),
    (&["uucp", "uucico"], "uucp sends passwords in clear text"),
];
/// Servers whose settings decide, with the function that reads them.
type Decide = fn(&System<'_, '_>, &Service) -> Result<Option<Observation>>;
const DECIDED: &[(&[&str], Decide)] = &[
    (&["vsftpd", "vsftpd@"], vsftpd),
    (&["proftpd"], proftpd),
    (&["pure-ftpd", "pure-ftpd-mysql", "pure-ftpd-postgresql", "pure-ftpd-ldap"], pure_ftpd),
    (&["ftp", "ftpd", "in.ftpd", "inetutils-ftpd", "bftpd", "muddleftpd", "gssftp"], other_ftp),
    (&["snmpd", "snmpd-agentx"], snmpd),
    (&["dovecot"], dovecot),
    (&["courier-imap", "courier-pop", "courier-pop3", "imapd", "pop3d"], courier),
    (&["cyrus-imapd", "cyrus-common", "cyrus-imap", "cyrus-pop3", "cyrus"], cyrus),
    (
        &["imap", "imap2", "pop3", "pop2", "ipop3", "pop-3", "uw-imapd", "popa3d", "qpopper", "solid-pop3d"],
        other_mail,
    ),
    (&["postfix", "postfix@"], postfix),
    (&["rsync", "rsyncd", "rsyncd@", "rsync@"], rsync),
    (
        &[
            "vncserver@",
            "tigervncserver@",
            "x11vnc",
            "vncserver",
            "xvnc@",
            "xvnc",
            "vncserver-x11-serviced",
            "tightvncserver@",
        ],
        vnc,
    ),
];

fn clear_text_services(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let enabled = services::enabled(system)?;
    let mut seen: Vec<Observation> = services::untold(system, &enabled)?.into_iter().collect();
    for service in &enabled {
        let is =
            |names: &[&str]| names.contains(&service.name.as_str()) || names.contains(&service.template());
        if let Some((_, what)) = PLAIN.iter().find(|(names, _)| is(names)) {
            // `login` and `shell` are protocols to inetd alone.
            let protocol =
                ["login", "shell", "exec", "telnet", "finger", "tftp"].contains(&service.name.as_str());
            if !protocol || service.starter != Starter::Script {
                seen.push(at(service, Severity::Fail, *what));
            }
        } else if let Some((_, decide)) = DECIDED.iter().find(|(names, _)| is(names)) {
            seen.extend(decide(system, service)?);
        }
    }
    // A service and its socket say the same.
    let mut told: Vec<String> = Vec::new();
    seen.retain(|observation| {
        let new = !told.contains(&observation.what);
        told.push(observation.what.clone());
        new
    });
    Ok(seen)
}

fn at(service: &Service, severity: Severity, what: impl Into<String>) -> Observation {
    let observation = Observation::new(severity, what).at(&service.path);
    match service.line {
        Some(line) => observation.line(line),
        None => observation,
    }
}

fn shown(setting: &Setting, severity: Severity, what: impl Into<String>) -> Observation {
    Observation::new(severity, what).at(&setting.path).line(setting.line)
}

fn path(path: &str) -> GuestPath {
    GuestPath(path.as_bytes().to_vec())
}

/// vsftpd.conf(5): users of the system log in unless local_enable is NO, its default; TLS is asked for by
/// force_local_logins_ssl, which is YES but does nothing without ssl_enable.
fn vsftpd(system: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    let Some(config) = system.first(&["/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"])? else {
        return Ok(Some(at(
            service,
            Severity::Unknown,
            "vsftpd is started, but its configuration was not found",
        )));
    };
    let all = settings::equals(system, &path(config))?;
    let yes = |key: &str, default: bool| settings::last(&all, key).map_or(default, Setting::yes);
    if yes("ssl_enable", false) && yes("force_local_logins_ssl", true) {
        return Ok(None);
    }
    Ok(Some(if yes("local_enable", false) {
        let setting = settings::last(&all, "local_enable");
        let what = "vsftpd lets users of the system log in without TLS";
        setting
            .map_or_else(|| at(service, Severity::Fail, what), |setting| shown(setting, Severity::Fail, what))
    } else {
        at(service, Severity::Warn, "vsftpd serves anonymous users without TLS")
    }))
}

/// mod_tls: `TLSEngine on` and `TLSRequired on`, or `auth`, in what proftpd.conf includes, too.
fn proftpd(system: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    let Some(config) = system.first(&["/etc/proftpd/proftpd.conf", "/etc/proftpd.conf"])? else {
        return Ok(Some(at(
            service,
            Severity::Unknown,
            "ProFTPD is started, but its configuration was not found",
        )));
    };
    let mut all = settings::words(system, &path(config))?;
    // The file that Debian's configuration has a commented Include for.
    if all.iter().any(|setting| setting.key == "include" && setting.value.contains("tls.conf")) {
        all.extend(settings::words(system, &path("/etc/proftpd/tls.conf"))?);
    }
    for item in system.files("/etc/proftpd/conf.d", "")? {
        all.extend(settings::words(system, &item.path)?);
    }
    let is = |key: &str, values: &[&str]| {
        settings::last(&all, key).is_some_and(|setting| {
            setting.value.split_whitespace().any(|word| values.contains(&word.to_lowercase().as_str()))
        })
    };
    let safe =
        is("tlsengine", &["on"]) && is("tlsrequired", &["on", "auth", "ctrl", "auth+data", "true", "yes"]);
    Ok((!safe).then(|| at(service, Severity::Fail, "ProFTPD lets users log in without TLS")))
}

/// `--tls=2`, or the file `TLS` of Debian's wrapper: 2 and 3 refuse to go on without.
fn pure_ftpd(system: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    let wrapper = system.text("/etc/pure-ftpd/conf/TLS")?.unwrap_or_default();
    let plain = settings::words(system, &path("/etc/pure-ftpd/pure-ftpd.conf"))?;
    let value = settings::last(&plain, "tls").map_or(wrapper.trim(), |setting| setting.value.as_str());
    let safe = matches!(value, "2" | "3");
    Ok((!safe).then(|| at(service, Severity::Fail, "Pure-FTPd lets users log in without TLS")))
}

fn other_ftp(system: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    let program = service.listens.join(" ");
    // inetd starts one of those that can do better.
    let better: [(&str, Decide); 3] = [("vsftpd", vsftpd), ("proftpd", proftpd), ("pure-ftpd", pure_ftpd)];
    for (name, decide) in better {
        if program.contains(name) {
            return decide(system, service);
        }
    }
    Ok(Some(at(service, Severity::Fail, "FTP sends passwords in clear text")))
}

/// snmpd.conf(5): communities are the passwords of SNMP v1 and v2c, and cross the wire as they are.
fn snmpd(system: &System<'_, '_>, _: &Service) -> Result<Option<Observation>> {
    let mut all = settings::words(system, &path("/etc/snmp/snmpd.conf"))?;
    for directory in ["/etc/snmp/snmpd.conf.d", "/etc/snmp/conf.d"] {
        for item in system.files(directory, ".conf")? {
            all.extend(settings::words(system, &item.path)?);
        }
    }
    let communities = ["rocommunity", "rwcommunity", "rocommunity6", "rwcommunity6", "com2sec", "com2sec6"];
    let found: Vec<&Setting> =
        all.iter().filter(|setting| communities.contains(&setting.key.as_str())).collect();
    let local = |setting: &&&Setting| {
        // rocommunity COMMUNITY SOURCE; com2sec NAME SOURCE COMMUNITY
        let source = setting.value.split_whitespace().filter(|word| !word.starts_with('-')).nth(1);
        matches!(source, Some("localhost" | "127.0.0.1" | "::1" | "127.0.0.1/32" | "127.0.0.0/8"))
    };
    // The agent listens on this machine only, too, unless told otherwise.
    let address = settings::last(&all, "agentaddress").map(|setting| setting.value.to_lowercase());
    let inside = address.is_some_and(|address| address.split(',').all(settings::is_local));
    Ok(found.iter().find(|setting| !local(setting)).map(|setting| {
        let severity = if inside { Severity::Warn } else { Severity::Fail };
        shown(
            setting,
            severity,
            "snmpd takes communities of SNMP v1 and v2c, which cross the network in clear text",
        )
    }))
}

/// Dovecot: `disable_plaintext_auth`, from 2.4 on the opposite `auth_allow_cleartext`, is safe by default.
fn dovecot(system: &System<'_, '_>, _: &Service) -> Result<Option<Observation>> {
    let mut all = settings::equals(system, &path("/etc/dovecot/dovecot.conf"))?;
    for item in system.files("/etc/dovecot/conf.d", ".conf")? {
        all.extend(settings::equals(system, &item.path)?);
    }
    all.extend(settings::equals(system, &path("/etc/dovecot/local.conf"))?);
    let what = "Dovecot takes passwords for POP and IMAP without TLS";
    if settings::last(&all, "ssl").is_some_and(|setting| setting.value == "required") {
        return Ok(None);
    }
    for (key, bad) in [("disable_plaintext_auth", false), ("auth_allow_cleartext", true)] {
        if let Some(setting) = settings::last(&all, key).filter(|setting| setting.yes() == bad) {
            return Ok(Some(shown(setting, Severity::Fail, what)));
        }
    }
    let off = settings::last(&all, "ssl").filter(|setting| setting.value == "no");
    Ok(off.map(|setting| {
        shown(
            setting,
            Severity::Warn,
            "Dovecot's TLS is off: users of other machines cannot log in but in clear text",
        )
    }))
}

/// Courier: `IMAP_TLS_REQUIRED` and `POP3_TLS_REQUIRED`.
fn courier(system: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    let pop = service.name.contains("pop");
    let (file, key) = if pop {
        ("/etc/courier/pop3d", "pop3_tls_required")
    } else {
        ("/etc/courier/imapd-ssl", "imap_tls_required")
    };
    let mut all = settings::equals(system, &path(file))?;
    all.extend(settings::equals(system, &path(&format!("{}-ssl", file.trim_end_matches("-ssl"))))?);
    let safe = settings::last(&all, key).is_some_and(|setting| setting.value == "1");
    let protocol = if pop { "POP" } else { "IMAP" };
    Ok((!safe)
        .then(|| at(service, Severity::Fail, format!("Courier takes passwords for {protocol} without TLS"))))
}

/// imapd.conf(5): `allowplaintext: no` is the default since 3.0, `yes` before.
fn cyrus(system: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    let all = settings::words(system, &path("/etc/imapd.conf"))?;
    Ok(match settings::last(&all, "allowplaintext:") {
        Some(setting) if setting.yes() => {
            Some(shown(setting, Severity::Fail, "Cyrus takes passwords for POP and IMAP without TLS"))
        }
        Some(_) => None,
        None => Some(at(
            service,
            Severity::Warn,
            "Cyrus takes passwords without TLS, unless it is of version 3 or later",
        )),
    })
}

fn other_mail(_: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    Ok(Some(at(service, Severity::Fail, "POP or IMAP without TLS sends passwords in clear text")))
}

/// postconf(5): AUTH is offered without TLS unless smtpd_tls_auth_only, or TLS is insisted on.
fn postfix(system: &System<'_, '_>, _: &Service) -> Result<Option<Observation>> {
    let all = settings::equals(system, &path("/etc/postfix/main.cf"))?;
    let yes = |key: &str| settings::last(&all, key).is_some_and(Setting::yes);
    let enforced =
        settings::last(&all, "smtpd_tls_security_level").is_some_and(|setting| setting.value == "encrypt");
    let offered = settings::last(&all, "smtpd_sasl_auth_enable").filter(|setting| setting.yes());
    Ok(offered
        .filter(|_| !yes("smtpd_tls_auth_only") && !enforced)
        .map(|setting| shown(setting, Severity::Warn, "Postfix offers SMTP AUTH without TLS")))
}

/// rsyncd.conf(5): a module without `auth users` is open to all; with them, passwords are hashed with MD4 or MD5.
fn rsync(system: &System<'_, '_>, _: &Service) -> Result<Option<Observation>> {
    let all = settings::equals(system, &path("/etc/rsyncd.conf"))?;
    let sections = settings::sections(system, &path("/etc/rsyncd.conf"))?;
    let open = !sections.is_empty() && settings::last(&all, "auth users").is_none();
    Ok(open.then(|| {
        let (_, line) = &sections[0];
        let what = "rsync serves its modules to everybody";
        Observation::new(Severity::Warn, what).at(&path("/etc/rsyncd.conf")).line(*line)
    }))
}

fn vnc(_: &System<'_, '_>, service: &Service) -> Result<Option<Observation>> {
    Ok(Some(at(
        service,
        Severity::Warn,
        "VNC shows a session, protected by eight characters of a password at best",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    /// A tree in which these units are wanted.
    fn with(units: &[&str], more: &str) -> Vec<String> {
        let mut tree =
            format!("/usr/lib/systemd/systemd\n/usr/lib/systemd/system/graphical.target = [Unit]\n{more}\n");
        for unit in units {
            tree.push_str(&format!("/usr/lib/systemd/system/{unit} = [Unit]\n"));
            tree.push_str(&format!("/usr/lib/systemd/system/graphical.target.wants/{unit} -> ../{unit}\n"));
        }
        seen(&CLEAR_TEXT_SERVICES, &tree)
    }

    #[test]
    fn what_does_not_tell_what_it_starts_is_not_decided() {
        assert_eq!(
            seen(&CLEAR_TEXT_SERVICES, ""),
            ["unknown nothing in the image tells what its boot starts"]
        );
    }

    #[test]
    fn protocols_without_encryption() {
        assert_eq!(with(&["ssh.service"], ""), [""; 0]);
        let telnet = "fail /usr/lib/systemd/system/telnet.socket telnet sends passwords in clear text";
        assert_eq!(with(&["telnet.socket", "ssh.service"], ""), [telnet]);
        let inetd = "/etc/inetd.conf = shell stream tcp nowait root /usr/sbin/in.rshd\\n";
        assert_eq!(
            with(&["openbsd-inetd.service"], inetd),
            ["fail /etc/inetd.conf:1 rsh, rlogin and rexec send passwords in clear text, or ask for none"]
        );
        assert_eq!(with(&[], inetd), [""; 0], "inetd is not started");
    }

    #[test]
    fn ftp_with_and_without_tls() {
        let unit = "vsftpd.service";
        let open = "/etc/vsftpd.conf = listen=NO\\nlocal_enable=YES\\n";
        assert_eq!(
            with(&[unit], open),
            ["fail /etc/vsftpd.conf:2 vsftpd lets users of the system log in without TLS"]
        );
        assert_eq!(with(&[unit], "/etc/vsftpd.conf = local_enable=YES\\nssl_enable=YES\\n"), [""; 0]);
        let anonymous =
            "warn /usr/lib/systemd/system/vsftpd.service vsftpd serves anonymous users without TLS";
        assert_eq!(with(&[unit], "/etc/vsftpd.conf = anonymous_enable=YES\\n"), [anonymous]);
        let proftpd = "fail /usr/lib/systemd/system/proftpd.service ProFTPD lets users log in without TLS";
        assert_eq!(
            with(&["proftpd.service"], "/etc/proftpd/proftpd.conf = #Include /etc/proftpd/tls.conf\\n"),
            [proftpd]
        );
        let tls = "/etc/proftpd/proftpd.conf = Include /etc/proftpd/tls.conf\\n\n\
                   /etc/proftpd/tls.conf = <IfModule mod_tls.c>\\n TLSEngine on\\n TLSRequired on\\n</IfModule>\\n";
        assert_eq!(with(&["proftpd.service"], tls), [""; 0]);
        assert_eq!(with(&["pure-ftpd.service"], "/etc/pure-ftpd/conf/TLS = 2\\n"), [""; 0]);
        let pure = "fail /usr/lib/systemd/system/pure-ftpd.service Pure-FTPd lets users log in without TLS";
        assert_eq!(with(&["pure-ftpd.service"], "/etc/pure-ftpd/conf/TLS = 1\\n"), [pure]);
    }

    #[test]
    fn snmp_and_mail() {
        let stock = "/etc/snmp/snmpd.conf = agentaddress  127.0.0.1,[::1]\\nrocommunity  public default -V systemonly\\n";
        let what = "snmpd takes communities of SNMP v1 and v2c, which cross the network in clear text";
        assert_eq!(with(&["snmpd.service"], stock), [format!("warn /etc/snmp/snmpd.conf:2 {what}")]);
        let open = "/etc/snmp/snmpd.conf = rocommunity public\\n";
        assert_eq!(with(&["snmpd.service"], open), [format!("fail /etc/snmp/snmpd.conf:1 {what}")]);
        assert_eq!(
            with(&["snmpd.service"], "/etc/snmp/snmpd.conf = rocommunity x localhost\\nrouser al\\n"),
            [""; 0]
        );

        let dovecot = "/etc/dovecot/conf.d/10-auth.conf = disable_plaintext_auth = no\\n\n/etc/dovecot/dovecot.conf = !include conf.d/*.conf\\n";
        let what = "Dovecot takes passwords for POP and IMAP without TLS";
        assert_eq!(
            with(&["dovecot.service"], dovecot),
            [format!("fail /etc/dovecot/conf.d/10-auth.conf:1 {what}")]
        );
        let stock = "/etc/dovecot/conf.d/10-ssl.conf = ssl = yes\\n#disable_plaintext_auth = no\\n";
        assert_eq!(with(&["dovecot.service"], stock), [""; 0]);
        let postfix = "/etc/postfix/main.cf = smtpd_sasl_auth_enable = yes\\n";
        assert_eq!(
            with(&["postfix.service"], postfix),
            ["warn /etc/postfix/main.cf:1 Postfix offers SMTP AUTH without TLS"]
        );
        assert_eq!(with(&["postfix.service"], "/etc/postfix/main.cf = smtpd_use_tls=yes\\n"), [""; 0]);
        let rsync = "/etc/rsyncd.conf = uid = nobody\\n[pub]\\npath = /srv\\n";
        assert_eq!(
            with(&["rsync.service"], rsync),
            ["warn /etc/rsyncd.conf:2 rsync serves its modules to everybody"]
        );
    }
}
