//! What ties the machine to a directory, a realm or a subscription: a clone must join by itself.

use crate::{Action, Find, Kinds, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "kerberos-keytab",
        heading: "The host's Kerberos keys",
        explain: "krb5.keytab is the password of the machine in its realm. It comes back when the \
                  clone joins.",
        sources: &[Source::Outscale("O5"), Source::Sysprep("kerberos-hostkeytab"), Source::Attackers],
        find: Find::files(&[
            "/etc/krb5.keytab",
            "/etc/krb5/*.keytab",
            "/var/kerberos/krb5/user/**/*.keytab",
            "~/*.keytab",
            "~/.k5login",
            "~/.k5users",
            "/{tmp,var/tmp}/krb5cc_*",
            "/var/lib/sss/keytabs/*",
            "/etc/opt/quest/vas/*.keytab",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "kerberos-kdc",
        heading: "Database of a Kerberos server",
        explain: "Every principal's key. Off by default, as in virt-sysprep: it is the server's data. \
                  kdc.conf and kadm5.acl stay.",
        sources: &[Source::Sysprep("kerberos-data")],
        find: Find {
            paths: &["/var/kerberos/krb5kdc/**", "/var/lib/krb5kdc/**", "/etc/krb5kdc/{stash,.k5.*}"],
            except: &["/var/kerberos/krb5kdc/{kdc.conf,kadm5.acl}", "/var/lib/krb5kdc/{kdc.conf,kadm5.acl}"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "sssd",
        heading: "SSSD's caches and secrets",
        explain: "Cached accounts, password hashes and secrets. SSSD fills its caches again; sssd.conf \
                  stays, with an LDAP bind password if it has one.",
        sources: &[Source::Sysprep("sssd-db-log"), Source::Attackers],
        find: Find::files(&["/var/lib/sss/{db,mc,secrets,pubconf,gpo_cache,deskprofile}/**"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "samba",
        heading: "Samba's databases",
        explain: "Machine password, secrets, user and lock databases. Samba makes them again, and has \
                  to join its domain again; a domain controller or a server with local users must keep \
                  them with --skip. smb.conf stays.",
        sources: &[Source::Sysprep("samba-db-log"), Source::Attackers],
        find: Find {
            paths: &[
                "/var/lib/samba/**",
                "/var/cache/samba/**",
                "/etc/samba/{secrets.tdb,smbpasswd,passdb.tdb,MACHINE.SID}",
                "/run/samba/**",
                "/var/lib/winbindd_privileged/**",
            ],
            except: &["/var/lib/samba/printers"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "ipa-client",
        heading: "Enrolment in FreeIPA",
        explain: "The realm's CA, configuration and backup files. ipa-client-install writes them \
                  again.",
        sources: &[Source::Sysprep("ipa-client")],
        find: Find::files(&[
            "/etc/ipa/{ca.crt,default.conf}",
            "/var/lib/ipa-client/{sysrestore,pki}/**",
            "/etc/ipa/nssdb/*",
            "/etc/pki/ca-trust/source/anchors/ipa-ca.crt",
            "/etc/pki/ca-trust/source/ipa.p11-kit",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "subscription-manager",
        heading: "Subscriptions of Red Hat and SUSE",
        explain: "Certificates and ids of the builder's subscription. The clone registers by itself. \
                  Certificates of the clouds' update servers (/etc/pki/rhui) stay: a pay-as-you-go \
                  image needs them.",
        sources: &[
            Source::Outscale("O4"),
            Source::Sysprep("rh-subscription-manager"),
            Source::Sysprep("rhn-systemid"),
        ],
        find: Find::files(&[
            "/etc/pki/{consumer,entitlement}/*",
            "/etc/pki/entitlement-host/*",
            "/var/lib/rhsm/**",
            "/etc/sysconfig/rhn/{systemid,osad-auth.conf}",
            "/etc/zypp/credentials.d/*",
            "/etc/SUSEConnect",
            "/var/cache/cloudregister/**",
            "/etc/{insights-client,redhat-access-insights}/{machine-id,.registered,.unregistered,.lastupload}",
            "/var/lib/insights/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "ubuntu-pro",
        heading: "Ubuntu Pro and Landscape",
        explain: "Machine tokens of Ubuntu Pro and the identity with Landscape. The clone attaches by \
                  itself.",
        sources: &[Source::Outscale("O4"), Source::Own],
        find: Find::files(&[
            "/var/lib/{ubuntu-advantage,ubuntu-pro}/private/**",
            "/var/lib/{ubuntu-advantage,ubuntu-pro}/machine-*.json",
            "/var/lib/landscape/client/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "cim-certificates",
        heading: "Certificates of OpenPegasus",
        explain: "The CIM server's key pair; it makes a new one when it starts.",
        sources: &[Source::Attackers, Source::Sysprep("logfiles")],
        find: Find::files(&["/etc/Pegasus/*.{cnf,crt,csr,pem,srl}"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "fingerprints",
        heading: "Fingerprints",
        explain: "Enrolled fingers of the builder's users.",
        sources: &[Source::ForensicArtifacts, Source::Own],
        find: Find::files(&["/var/lib/fprint/**"]),
        action: Action::Remove,
        default: true,
    },
];
