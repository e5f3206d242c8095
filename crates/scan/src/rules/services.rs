//! What services hold for somebody: mail, jobs, leases, rules. Directories stay.

use crate::{Action, Detector, Find, Kinds, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "mail-spool",
        heading: "Mail",
        explain: "Mail of the builder's users, and mail queues of Postfix, Exim, Sendmail and small \
                  mailers. Servers make files again.",
        sources: &[Source::Sysprep("mail-spool")],
        find: Find::files(&[
            "/var/mail/**",
            "/var/spool/mail/**",
            "~/{mbox,dead.letter}",
            "~/Maildir/**/{cur,new,tmp}/*",
            "/var/spool/postfix/{active,bounce,corrupt,defer,deferred,flush,hold,incoming,maildrop,saved,trace}/**",
            "/var/lib/postfix/*.{db,lmdb,dir,pag,sdbm}",
            "/var/spool/{exim,exim4}/{input,msglog,db,scan,gnutls-params*}/**",
            "/var/spool/{exim,exim4}/gnutls-params*",
            "/var/spool/{mqueue,mqueue-client,clientmqueue}/**",
            "/var/spool/{nullmailer/queue,nullmailer/failed,msmtpqueue,dma,smtpd/queue,smtpd/incoming,smtpd/temporary}/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "cron-spool",
        heading: "Users' crontabs and at jobs",
        explain: "As virt-sysprep does: crontabs of users and jobs of at were made by hand on the \
                  builder. What is in /etc/cron* and systemd timers stays: that is where packages and \
                  products put theirs. An image whose product relies on a user's crontab keeps it with \
                  --skip cron-spool.",
        sources: &[Source::Sysprep("cron-spool")],
        find: Find {
            paths: &[
                "/var/spool/cron/**",
                "/var/spool/{at,atjobs,atspool}/**",
                "/var/cron/tabs/*",
                "/var/spool/anacron/*",
            ],
            except: &["/var/spool/{cron/atjobs,at,atjobs}/.SEQ"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "dovecot",
        heading: "Dovecot's state",
        explain: "Instances, TLS parameters and replicated data. Dovecot makes them again.",
        sources: &[Source::Sysprep("dovecot-data")],
        find: Find::files(&["/var/lib/dovecot/**", "/var/spool/dovecot/**"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "dhcp-server",
        heading: "Leases that a DHCP server gave",
        explain: "Names and addresses of the builder's network. dnsmasq and Kea start with none; \
                  dhcpd's init script or unit makes an empty file.",
        sources: &[Source::Sysprep("dhcp-server-state")],
        find: Find::files(&[
            "/var/lib/dhcpd/**",
            "/var/lib/dhcp/dhcpd*.leases*",
            "/var/lib/misc/dnsmasq.leases*",
            "/var/lib/dnsmasq/**/*.leases",
            "/var/lib/kea/*.csv*",
            "/var/lib/libvirt/dnsmasq/*.{leases,status,macs}",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "firewall-rules",
        heading: "Firewall rules",
        explain: "Rules that an administrator saved. Off by default, as in virt-sysprep: a clone would \
                  be open.",
        sources: &[Source::Sysprep("firewall-rules")],
        find: Find::files(&[
            "/etc/sysconfig/{iptables,ip6tables}{,.save,.old}",
            "/etc/firewalld/{services,zones}/*",
            "/etc/iptables/rules.v{4,6}",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "print-jobs",
        heading: "Printed documents",
        explain: "Jobs in the spools of CUPS and LPD, and the names of printers that were seen.",
        sources: &[Source::ForensicArtifacts],
        find: Find::files(&[
            "/var/spool/cups/**",
            "/var/cache/cups/{job.cache,remote.cache}*",
            "/var/spool/lpd/**",
            "/var/spool/samba/*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "crash-reports",
        heading: "Reports of crashed programs",
        explain: "Reports with memory of programs, and their state: ABRT, Apport, whoopsie, kdump.",
        sources: &[Source::Sysprep("abrt-data"), Source::Sysprep("crash-data")],
        find: Find {
            paths: &[
                "/var/spool/abrt/*",
                "/var/spool/abrt-upload/*",
                "/var/tmp/abrt",
                "/var/crash/*",
                "/var/lib/{apport,whoopsie}/*",
                "/var/metrics/*",
                "/var/lib/kdump/*.log",
            ],
            except: &["/var/crash/.keep"],
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "core-dumps",
        heading: "Core dumps",
        explain: "A core holds the memory of a program, keys and passwords in it.",
        sources: &[Source::Sysprep("crash-data"), Source::Own],
        find: Find::paths(&[
            "/var/lib/systemd/coredump/*",
            "/var/lib/systemd/pstore/*",
            "/var/lib/apport/coredump/*",
            "/var/{core,cores}/*",
            "/cores/*",
            "/{,var/}hs_err_pid*.log",
            "~/hs_err_pid*.log",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "core-files",
        heading: "Core dumps beside programs",
        explain: "Files named core at the root and in homes, where they are ELF cores.",
        sources: &[Source::Own],
        find: Find {
            paths: &[
                "/{core,core.[0-9]*}",
                "~/**/{core,core.[0-9]*}",
                "/{var/lib,var/tmp,srv,opt}/*/{core,core.[0-9]*}",
            ],
            kinds: Kinds::Files,
            detector: Some(Detector::CoreDump),
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
];
