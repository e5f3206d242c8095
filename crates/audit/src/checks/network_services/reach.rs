//! Who reaches a database or a mail server, as its configuration says.

use block::Result;
use scan::GuestPath;

use crate::{
    System,
    settings::{self, Setting},
};

/// Who reaches a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// This machine only.
    Local,
    /// Whoever has a route.
    All,
}

type Found = Option<(Reach, Option<Setting>)>;

/// Who reaches the server of a unit, and the line that says so; `None` if that is not easily told.
pub(super) fn reach(system: &System<'_, '_>, unit: &str) -> Result<Found> {
    match unit {
        "mysql" | "mysqld" | "mariadb" | "mariadb@" | "mysqld@" => mysql(system),
        "postgresql" | "postgresql@" => postgresql(system),
        "redis" | "redis-server" | "redis-server@" | "valkey" | "valkey-server" => redis(system),
        "mongod" | "mongodb" => by(system, "/etc/mongod.conf", settings::colons, "bindip", Reach::Local),
        "memcached" => memcached(system),
        "postfix" | "postfix@" => {
            by(system, "/etc/postfix/main.cf", settings::equals, "inet_interfaces", Reach::All)
        }
        "exim4" => by(
            system,
            "/etc/exim4/update-exim4.conf.conf",
            settings::equals,
            "dc_local_interfaces",
            Reach::All,
        ),
        "elasticsearch" => {
            by(system, "/etc/elasticsearch/elasticsearch.yml", settings::colons, "network.host", Reach::Local)
        }
        "docker" => docker(system),
        _ => Ok(None),
    }
}

fn path(path: &str) -> GuestPath {
    GuestPath(path.as_bytes().to_vec())
}

fn of(setting: Option<&Setting>, default: Reach) -> Found {
    let Some(setting) = setting else { return Some((default, None)) };
    let mut addresses = setting.value.split([',', ' ', ';']).filter(|address| !address.is_empty()).peekable();
    let local = addresses.peek().is_some() && addresses.all(settings::is_local);
    Some((if local { Reach::Local } else { Reach::All }, Some(setting.clone())))
}

type Parse = fn(&System<'_, '_>, &GuestPath) -> Result<Vec<Setting>>;

/// One key of one file, with what the server does without it.
fn by(system: &System<'_, '_>, file: &str, parse: Parse, key: &str, default: Reach) -> Result<Found> {
    if !system.exists(file)? {
        return Ok(None);
    }
    let all = parse(system, &path(file))?;
    Ok(of(settings::last(&all, key), default))
}

/// Option files of MySQL and MariaDB; without `bind-address`, every address.
fn mysql(system: &System<'_, '_>) -> Result<Found> {
    let mut all = Vec::new();
    for file in ["/etc/my.cnf", "/etc/mysql/my.cnf"] {
        all.extend(
            settings::words(system, &path(file))?
                .into_iter()
                .filter(|setting| setting.key == "skip-networking"),
        );
        all.extend(settings::equals(system, &path(file))?);
    }
    for directory in
        ["/etc/my.cnf.d", "/etc/mysql/conf.d", "/etc/mysql/mysql.conf.d", "/etc/mysql/mariadb.conf.d"]
    {
        for item in system.files(directory, ".cnf")? {
            let words = settings::words(system, &item.path)?;
            all.extend(words.into_iter().filter(|setting| setting.key == "skip-networking"));
            all.extend(settings::equals(system, &item.path)?);
        }
    }
    if let Some(setting) = settings::last(&all, "skip-networking") {
        return Ok(Some((Reach::Local, Some(setting.clone()))));
    }
    let bind = ["bind-address", "bind_address"].iter().find_map(|key| settings::last(&all, key));
    Ok(of(bind, Reach::All))
}

/// Every cluster of Debian's, or Red Hat's one; without `listen_addresses`, localhost.
fn postgresql(system: &System<'_, '_>) -> Result<Found> {
    let mut files = vec![path("/var/lib/pgsql/data/postgresql.conf")];
    for version in system.list(b"/etc/postgresql")? {
        for cluster in system.list(&version.path.0)? {
            files.push(GuestPath([&*cluster.path.0, b"/postgresql.conf"].concat()));
        }
    }
    let mut found = None;
    for file in files {
        let all = settings::equals(system, &file)?;
        if all.is_empty() {
            continue;
        }
        let this = of(settings::last(&all, "listen_addresses"), Reach::Local);
        if matches!(this, Some((Reach::All, _))) {
            return Ok(this);
        }
        found = this;
    }
    Ok(found)
}

/// Without `bind`, every address, though `protected-mode` then refuses all but this machine.
fn redis(system: &System<'_, '_>) -> Result<Found> {
    let files = ["/etc/redis/redis.conf", "/etc/redis.conf", "/etc/valkey/valkey.conf"];
    let Some(file) = system.first(&files)? else { return Ok(None) };
    let all = settings::words(system, &path(file))?;
    Ok(of(settings::last(&all, "bind"), Reach::All))
}

/// `-l ADDRESS` of Debian's file, `OPTIONS="-l ..."` of Red Hat's.
fn memcached(system: &System<'_, '_>) -> Result<Found> {
    let debian = settings::words(system, &path("/etc/memcached.conf"))?;
    if !debian.is_empty() {
        return Ok(of(settings::last(&debian, "-l"), Reach::All));
    }
    let fedora = settings::equals(system, &path("/etc/sysconfig/memcached"))?;
    let Some(options) = settings::last(&fedora, "options") else { return Ok(None) };
    let address = options.value.split_once("-l").map(|(_, rest)| rest.trim_start_matches(['=', ' ']));
    let value = address.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned();
    Ok(of(Some(&Setting { value, ..options.clone() }), Reach::All))
}

/// Its API is on a local socket unless daemon.json names another host.
fn docker(system: &System<'_, '_>) -> Result<Found> {
    let text = system.text("/etc/docker/daemon.json")?.unwrap_or_default();
    let line = (1..).zip(text.lines()).find(|(_, line)| line.contains("tcp://"));
    Ok(Some(match line {
        Some((line, text)) if !text.contains("tcp://127.") && !text.contains("tcp://localhost") => {
            let setting = Setting {
                key: "hosts".to_owned(),
                value: String::new(),
                path: path("/etc/docker/daemon.json"),
                line,
            };
            (Reach::All, Some(setting))
        }
        _ => (Reach::Local, None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    fn found(tree: &str, unit: &str) -> Option<(Reach, Option<usize>)> {
        with_system(tree, |system| {
            reach(system, unit).unwrap().map(|(reach, at)| (reach, at.map(|at| at.line)))
        })
    }

    #[test]
    fn configurations_say_who_reaches_a_server() {
        use Reach::{All, Local};
        for (unit, tree, expected) in [
            ("nginx", "", None),
            ("mysql", "", Some((All, None))),
            ("mysql", "/etc/my.cnf.d/a.cnf = [mysqld]\\nbind_address=0.0.0.0\\n", Some((All, Some(2)))),
            ("mysqld", "/etc/my.cnf = [mysqld]\\nskip-networking\\n", Some((Local, Some(2)))),
            (
                "postgresql",
                "/etc/postgresql/15/main/postgresql.conf = #listen_addresses = '*'\\nport = 5432 # x\\n",
                Some((Local, None)),
            ),
            (
                "postgresql",
                "/etc/postgresql/15/main/postgresql.conf = listen_addresses = '*' # x\\n",
                Some((All, Some(1))),
            ),
            ("redis", "/etc/redis.conf = bind 127.0.0.1 -::1\\n", Some((Local, Some(1)))),
            ("redis", "", None),
            ("mongod", "/etc/mongod.conf = net:\\n  port: 1\\n  bindIp: 0.0.0.0\\n", Some((All, Some(3)))),
            ("memcached", "/etc/memcached.conf = -d\\n-l 127.0.0.1\\n", Some((Local, Some(2)))),
            (
                "memcached",
                "/etc/sysconfig/memcached = PORT=1\\nOPTIONS=\"-l 127.0.0.1,::1\"\\n",
                Some((Local, Some(2))),
            ),
            ("memcached", "/etc/sysconfig/memcached = OPTIONS=\"\"\\n", Some((All, Some(1)))),
            ("postfix", "/etc/postfix/main.cf = inet_interfaces = loopback-only\\n", Some((Local, Some(1)))),
            ("postfix", "/etc/postfix/main.cf = x = y\\n", Some((All, None))),
            (
                "exim4",
                "/etc/exim4/update-exim4.conf.conf = dc_local_interfaces='127.0.0.1 ; ::1'\\n",
                Some((Local, Some(1))),
            ),
            (
                "docker",
                "/etc/docker/daemon.json = {\\n\"hosts\": [\"tcp://0.0.0.0:2375\"]}\\n",
                Some((All, Some(2))),
            ),
            ("docker", "", Some((Local, None))),
        ] {
            assert_eq!(found(tree, unit), expected, "{unit}: {tree}");
        }
    }
}
