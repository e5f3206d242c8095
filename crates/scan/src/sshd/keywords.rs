//! The keywords that some sshd knows: servconf.c of OpenSSH from 2.0 to 10.0, what it has dropped since, and what Debian,
//! Red Hat, SUSE, FreeBSD and the HPN patches add. With any other one, sshd does not start.

/// In lower case, sorted.
const KNOWN: &[&str] = &[
    "acceptenv",
    "addressfamily",
    "afstokenpassing",
    "allowagentforwarding",
    "allowgroups",
    "allowstreamlocalforwarding",
    "allowtcpforwarding",
    "allowusers",
    "authenticationmethods",
    "authorizedkeyscommand",
    "authorizedkeyscommandrunas",
    "authorizedkeyscommanduser",
    "authorizedkeysfile",
    "authorizedkeysfile2",
    "authorizedprincipalscommand",
    "authorizedprincipalscommanduser",
    "authorizedprincipalsfile",
    "authtimeout",
    "banner",
    "casignaturealgorithms",
    "challengeresponseauthentication",
    "channeltimeout",
    "checkmail",
    "chrootdirectory",
    "ciphers",
    "clientalivecountmax",
    "clientaliveinterval",
    "compression",
    "debianbanner",
    "denygroups",
    "denyusers",
    "dhgexmin",
    "disableforwarding",
    "dsaauthentication",
    "exposeauthenticationmethods",
    "exposeauthinfo",
    "fingerprinthash",
    "forcecommand",
    "gatewayports",
    "gssapiauthentication",
    "gssapicleanupcredentials",
    "gssapienablek5users",
    "gssapikexalgorithms",
    "gssapikeyexchange",
    "gssapistorecredentialsonrekey",
    "gssapistrictacceptorcheck",
    "gssusesessionccache",
    "hostbasedacceptedalgorithms",
    "hostbasedacceptedkeytypes",
    "hostbasedalgorithms",
    "hostbasedauthentication",
    "hostbasedusesnamefrompacketonly",
    "hostcertificate",
    "hostdsakey",
    "hostkey",
    "hostkeyagent",
    "hostkeyalgorithms",
    "hpnbuffersize",
    "hpndisabled",
    "ignorerhosts",
    "ignoreroot",
    "ignoreuserknownhosts",
    "include",
    "ipqos",
    "kbdinteractiveauthentication",
    "keepalive",
    "kerberosauthentication",
    "kerberosgetafstoken",
    "kerberosorlocalpasswd",
    "kerberostgtpassing",
    "kerberosticketcleanup",
    "kerberosuniqueccache",
    "kerberosusekuserok",
    "kexalgorithms",
    "keyregenerationinterval",
    "keyregenerationtime",
    "listenaddress",
    "logingracetime",
    "loglevel",
    "logverbose",
    "macs",
    "match",
    "maxauthtries",
    "maxsessions",
    "maxstartups",
    "modulifile",
    "noneenabled",
    "nonemacenabled",
    "pamauthenticationviakbdint",
    "passwordauthentication",
    "permitemptypasswords",
    "permitlisten",
    "permitopen",
    "permitpamuserchange",
    "permitrootlogin",
    "permittty",
    "permittunnel",
    "permituserenvironment",
    "permituserrc",
    "persourcemaxstartups",
    "persourcenetblocksize",
    "persourcepenalties",
    "persourcepenaltyexemptlist",
    "pidfile",
    "port",
    "printlastlog",
    "printmotd",
    "protocol",
    "protocolkeepalives",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "pubkeyauthentication",
    "pubkeyauthoptions",
    "rdomain",
    "refuseconnection",
    "rekeylimit",
    "requiredauthentications1",
    "requiredauthentications2",
    "requiredrsasize",
    "reversemappingcheck",
    "revokedkeys",
    "rhostsauthentication",
    "rhostsrsaauthentication",
    "rsaauthentication",
    "rsaminsize",
    "securitykeyprovider",
    "serverkeybits",
    "setenv",
    "setuptimeoutalive",
    "showpatchlevel",
    "skeyauthentication",
    "sshdauthpath",
    "sshdsessionpath",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "strictmodes",
    "subsystem",
    "syslogfacility",
    "tcpkeepalive",
    "tcprcvbuf",
    "tcprcvbufpoll",
    "trustedusercakeys",
    "unusedconnectiontimeout",
    "useblacklist",
    "useblocklist",
    "usedns",
    "uselogin",
    "usepam",
    "useprivilegeseparation",
    "verifyreversemapping",
    "versionaddendum",
    "x11displayoffset",
    "x11forwarding",
    "x11maxdisplays",
    "x11uselocalhost",
    "xauthlocation",
];

/// Some of those that every sshd refuses inside of a `Match` (SSHCFG_GLOBAL), sorted.
const GLOBAL: &[&str] = &[
    "addressfamily",
    "ciphers",
    "hostcertificate",
    "hostkey",
    "kexalgorithms",
    "listenaddress",
    "logingracetime",
    "macs",
    "maxstartups",
    "pidfile",
    "port",
    "printlastlog",
    "printmotd",
    "strictmodes",
    "syslogfacility",
    "tcpkeepalive",
    "usedns",
    "usepam",
];

/// Criteria of `Match`: alone, and with a list behind them.
const ALONE: [&str; 2] = ["all", "invalid-user"];
const CRITERIA: [&str; 10] = [
    "user",
    "group",
    "host",
    "address",
    "localaddress",
    "localport",
    "rdomain",
    "version",
    "sessiontype",
    "command",
];

/// Whether sshd takes a keyword, in lower case, outside of `Match` only.
pub(super) fn is_global(keyword: &str) -> bool {
    GLOBAL.binary_search(&keyword).is_ok()
}

/// Whether words behind `Match` are criteria: `User al Address 192.0.2.1`, `User=al`.
pub(super) fn is_match(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str).filter(|word| *word != "=");
    let mut any = false;
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let name = name.to_ascii_lowercase();
        let whole = !value.is_empty() || words.clone().next().is_some();
        match (ALONE.contains(&name.as_str()), CRITERIA.contains(&name.as_str())) {
            (true, _) => {}
            (_, true) if whole => {
                if value.is_empty() {
                    words.next();
                }
            }
            _ => return false,
        }
        any = true;
    }
    any
}

/// Whether there is such a keyword, in lower case.
pub(super) fn is_known(keyword: &str) -> bool {
    KNOWN.binary_search(&keyword).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_sorted() {
        assert!(KNOWN.is_sorted());
        assert!(is_known("usepam") && !is_known("lorem"));
        assert!(GLOBAL.is_sorted() && GLOBAL.iter().all(|keyword| is_known(keyword)));
    }

    #[test]
    fn criteria_of_match() {
        let is = |text: &str| is_match(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for text in [
            "all",
            "User al",
            "user al ADDRESS 192.0.2.0/24",
            "User=al",
            "User = al",
            "Group a=b",
            "invalid-user",
        ] {
            assert!(is(text), "{text}");
        }
        for text in ["Usr al", "User", "User al Address", "!User al", "al"] {
            assert!(!is(text), "{text}");
        }
    }
}
