//! Accounts and passwords of programs that stand in their configuration as they were shipped, or are not asked for.

use block::Result;
use scan::GuestPath;

use crate::{
    Observation, Severity, System,
    services::{self, Service},
    settings::{self, Setting},
};

/// Passwords of the examples in tomcat-users.xml, and those that people put in their place.
const TOMCAT: &[&str] = &[
    "tomcat",
    "s3cret",
    "admin",
    "manager",
    "password",
    "must-be-changed",
    "changeit",
    "changethis",
    "secret",
    "role1",
    "both",
    "",
];

/// What the configuration of programs says, whether they are started or not; a program that is not started counts less.
pub(super) fn programs(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let enabled = services::enabled(system)?;
    let mut seen = tomcat(system)?;
    seen.extend(postgresql(system, &enabled)?);
    seen.extend(mysql(system)?);
    if services::find(&enabled, &["mongod", "mongodb"]).is_some() {
        seen.extend(mongodb(system)?);
    }
    Ok(seen)
}

fn path(path: &str) -> GuestPath {
    GuestPath(path.as_bytes().to_vec())
}

fn shown(setting: &Setting, severity: Severity, what: &str) -> Observation {
    Observation::new(severity, what).at(&setting.path).line(setting.line)
}

/// `<user username="..." password="..." roles="..."/>`, outside of comments.
fn tomcat(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut files: Vec<GuestPath> = Vec::new();
    for directory in ["/etc", "/opt", "/usr/share"] {
        for item in system.list(directory.as_bytes())? {
            if item.name.starts_with(b"tomcat") || item.name.starts_with(b"apache-tomcat") {
                files.push(GuestPath([&*item.path.0, b"/tomcat-users.xml"].concat()));
                files.push(GuestPath([&*item.path.0, b"/conf/tomcat-users.xml"].concat()));
            }
        }
    }
    let mut seen = Vec::new();
    for file in files {
        let Some(text) = services::small(system, &file.0)? else { continue };
        let mut comment = false;
        for (number, line) in (1..).zip(text.lines()) {
            let open = line.rfind("<!--");
            let close = line.rfind("-->");
            let here = !comment && open.is_none();
            comment = match (open, close) {
                (Some(open), Some(close)) => open > close,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => comment,
            };
            let password = line.split_once("password=").and_then(|(_, rest)| {
                let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
                rest[1..].split(quote).next()
            });
            if here && password.is_some_and(|password| TOMCAT.contains(&password)) {
                let what = "a user of Tomcat has a usual password";
                seen.push(Observation::new(Severity::Fail, what).at(&file).line(number));
            }
        }
    }
    Ok(seen)
}

/// pg_hba.conf: `trust` asks for no password. From other machines, that is no account at all.
fn postgresql(system: &System<'_, '_>, enabled: &[Service]) -> Result<Vec<Observation>> {
    let mut files = vec![path("/var/lib/pgsql/data/pg_hba.conf")];
    for version in system.list(b"/etc/postgresql")? {
        for cluster in system.list(&version.path.0)? {
            files.push(GuestPath([&*cluster.path.0, b"/pg_hba.conf"].concat()));
        }
    }
    let started = services::find(enabled, &["postgresql", "postgresql@"]).is_some();
    let mut seen = Vec::new();
    for file in files {
        for setting in settings::words(system, &file)? {
            let words: Vec<&str> = setting.value.split_whitespace().collect();
            if !words.contains(&"trust") {
                continue;
            }
            // TYPE DATABASE USER ADDRESS METHOD; the first is the key.
            let remote = setting.key.starts_with("host")
                && !words.get(2).is_some_and(|address| settings::is_local(address));
            let severity = if remote && started { Severity::Fail } else { Severity::Warn };
            let whom = if remote { "users of other machines" } else { "every user of this machine" };
            let what = format!("PostgreSQL lets {whom} in without a password");
            seen.push(shown(&setting, severity, &what));
        }
    }
    Ok(seen)
}

/// `skip-grant-tables`: everybody is root of the database.
fn mysql(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut files = vec![path("/etc/my.cnf"), path("/etc/mysql/my.cnf")];
    for directory in
        ["/etc/my.cnf.d", "/etc/mysql/conf.d", "/etc/mysql/mysql.conf.d", "/etc/mysql/mariadb.conf.d"]
    {
        files.extend(system.files(directory, ".cnf")?.into_iter().map(|item| item.path));
    }
    let mut seen = Vec::new();
    for file in files {
        let all = settings::words(system, &file)?;
        let open = |setting: &&Setting| {
            let key = setting.key.split('=').next().unwrap_or_default().replace('_', "-");
            let off =
                setting.key.ends_with("=0") || setting.value.trim_start_matches(['=', ' ']).starts_with('0');
            key == "skip-grant-tables" && !off
        };
        let what = "MySQL lets everybody in as its administrator";
        seen.extend(all.iter().filter(open).map(|setting| shown(setting, Severity::Fail, what)));
    }
    Ok(seen)
}

/// `security.authorization: enabled`; without it, whoever reaches the server is its administrator.
fn mongodb(system: &System<'_, '_>) -> Result<Option<Observation>> {
    let all = settings::colons(system, &path("/etc/mongod.conf"))?;
    if all.is_empty()
        || settings::last(&all, "authorization").is_some_and(|setting| setting.value == "enabled")
    {
        return Ok(None);
    }
    let local =
        settings::last(&all, "bindip").is_none_or(|setting| setting.value.split(',').all(settings::is_local));
    let severity = if local { Severity::Warn } else { Severity::Fail };
    let what = "MongoDB asks nobody for a password";
    Ok(Some(Observation::new(severity, what).at(&path("/etc/mongod.conf"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    fn seen(tree: &str) -> Vec<String> {
        with_system(tree, |system| {
            let of = |seen: Observation| {
                let line = seen.line.map(|line| format!(":{line}")).unwrap_or_default();
                format!("{:?} {}{line} {}", seen.severity, seen.path.unwrap_or_default(), seen.what)
            };
            programs(system).unwrap().into_iter().map(of).collect()
        })
    }

    #[test]
    fn shipped_configurations_are_fine() {
        let tree = "/etc/tomcat9/tomcat-users.xml = <!--\\n<user username=\"admin\" password=\"must-be-changed\"/>\\n-->\\n\
                    <!-- <user username=\"x\" password=\"s3cret\"/> -->\\n<user username=\"a\" password=\"0123abcd\"/>\\n\n\
                    /etc/postgresql/15/main/pg_hba.conf = # trust\\nlocal all postgres peer\\nhost all all 127.0.0.1/32 scram-sha-256\\n\n\
                    /etc/my.cnf = [mysqld]\\n#skip-grant-tables\\nskip-grant-tables=0\\n\n/etc/mongod.conf = net:\\n  bindIp: 0.0.0.0\\n";
        assert_eq!(seen(tree), [""; 0]);
    }

    #[test]
    fn usual_passwords_and_none() {
        let tree = "/usr/lib/systemd/systemd\n/usr/lib/systemd/system/graphical.target = [Unit]\\nWants=postgresql.service mongod.service\n\
                    /usr/lib/systemd/system/postgresql.service = x\n/usr/lib/systemd/system/mongod.service = x\n\
                    /opt/apache-tomcat-9/conf/tomcat-users.xml = <user username=\"admin\" password=\"tomcat\"/>\\n\n\
                    /etc/postgresql/15/main/pg_hba.conf = local all all trust\\nhost all all 0.0.0.0/0 trust\\n\n\
                    /etc/mysql/conf.d/x.cnf = [mysqld]\\nskip_grant_tables\\n\n/etc/mongod.conf = net:\\n  bindIp: 0.0.0.0\\n";
        assert_eq!(
            seen(tree),
            [
                "Fail /opt/apache-tomcat-9/conf/tomcat-users.xml:1 a user of Tomcat has a usual password",
                "Warn /etc/postgresql/15/main/pg_hba.conf:1 PostgreSQL lets every user of this machine in without a password",
                "Fail /etc/postgresql/15/main/pg_hba.conf:2 PostgreSQL lets users of other machines in without a password",
                "Fail /etc/mysql/conf.d/x.cnf:2 MySQL lets everybody in as its administrator",
                "Fail /etc/mongod.conf MongoDB asks nobody for a password",
            ]
        );
    }
}
