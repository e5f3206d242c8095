//! Logs, accounting and what installers wrote down. Directories stay, with owner, mode and label: nginx,
//! Apache and many others do not start when theirs is gone. Only journald's, whose names are machine ids, go.

use crate::{Action, Find, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "journals",
        heading: "systemd's journals",
        explain: "The journals with their directories, whose names are the machine ids of this machine and of \
                  those that it was cloned from. /var/log/journal itself stays; journald makes the directory of \
                  the new id at boot.",
        sources: &[Source::Outscale("O11"), Source::Sysprep("logfiles"), Source::Own],
        find: Find::paths(&["/var/log/journal/*", "/run/log/journal/*"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "logs",
        heading: "Logs",
        explain: "Every file below /var/log, whoever wrote it: names, addresses, commands, passwords typed as \
                  user names. The directories stay, with owner and mode. Daemons and systemd-tmpfiles make new \
                  files; wtmp, btmp and lastlog are made at boot or stay off until then. A database that keeps \
                  its data under /var/log must be kept with --keep.",
        sources: &[
            Source::Outscale("O11"),
            Source::Sysprep("logfiles"),
            Source::Sysprep("puppet-data-log"),
            Source::Sysprep("samba-db-log"),
            Source::Sysprep("sssd-db-log"),
            Source::Sysprep("pacct-log"),
            Source::ImageBuilder,
            Source::CloudInit,
        ],
        find: Find {
            except: &["/var/log/README"],
            ..Find::files(&["/var/log/**", "/var/adm/{wtmp,btmp,lastlog,messages,syslog,sulog}*"])
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "logins",
        heading: "Who is and was logged in",
        explain: "utmp and wtmpdb, and PAM's notes on consoles and failed logins. Made again at boot.",
        sources: &[Source::Sysprep("utmp"), Source::Sysprep("pam-data"), Source::ForensicArtifacts],
        find: Find::files(&[
            "/{run,var/run}/utmp",
            "/var/lib/wtmpdb/**",
            "/var/lib/lastlog/**",
            "/{run,var/run}/{console,faillock,sepermit}/*",
            "/var/lib/faillock/*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "process-accounting",
        heading: "Process accounting",
        explain: "Every command that was run. accton needs its file: the package's script or unit makes it.",
        sources: &[Source::Sysprep("pacct-log")],
        find: Find::files(&["/var/account/**", "/var/lib/sysstat/**"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "log-state",
        heading: "State of log programs",
        explain: "Which logs were rotated or read, and how far. logrotate, rsyslog and shippers start anew.",
        sources: &[Source::Sysprep("logfiles"), Source::ImageBuilder],
        find: Find::files(&[
            "/var/lib/logrotate/*",
            "/var/lib/{logrotate.status,logrotate/status}",
            "/var/lib/rsyslog/*",
            "/var/spool/rsyslog/*",
            "/var/lib/syslog-ng/*.persist*",
            "/var/lib/{filebeat,journalbeat,auditbeat,metricbeat,packetbeat}/**",
            "/var/lib/fluent-bit/**",
            "/var/lib/promtail/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "installer",
        heading: "What the installer left behind",
        explain: "Answer files with password hashes, and installers' logs outside /var/log. Nothing reads them \
                  again.",
        sources: &[Source::Outscale("O4"), Source::Sysprep("logfiles"), Source::Own],
        find: Find::files(&[
            "/root/{anaconda,original,initial-setup}-ks.cfg",
            "/root/{install.log,install.log.syslog,install.post.log,anaconda-post.log,ks-post.log,ks-pre.log}",
            "/root/openstack-ks.cfg",
            "/anaconda-ks.cfg",
            "/{autoinst.xml,preseed.cfg,ks.cfg,autoinstall-user-data}",
            "/root/{autoinst.xml,preseed.cfg,ks.cfg,inst-sys/autoinst.xml}",
            "/var/lib/autoinstall/**",
            "/var/adm/autoinstall/**",
            "/{,root/}TOE_*",
        ]),
        action: Action::Remove,
        default: true,
    },
];
