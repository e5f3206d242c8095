//! Options that sshd is started with: they win over sshd_config, and no edit reaches them.

use block::Result;
use scan::GuestPath;

use crate::{Observation, Severity, System, services};

/// Files that a unit or script takes options from: Debian's, Red Hat's, SUSE's, and OpenRC's.
const FILES: &[&str] = &["/etc/default/ssh", "/etc/sysconfig/sshd", "/etc/sysconfig/ssh", "/etc/conf.d/sshd"];
/// Their variables.
const VARIABLES: &[&str] = &["SSHD_OPTS", "OPTIONS"];

/// A keyword with its value, in lower case, and where it stands.
struct Given {
    keyword: String,
    value: String,
    path: GuestPath,
    line: Option<usize>,
}

/// What speaks against an image: an option that gives one of these keywords this value, or another file to read.
pub(super) fn against(system: &System<'_, '_>, bad: &[(&str, &str)]) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    for given in given(system)? {
        let (severity, what) = if given.keyword == "-f" {
            (
                Severity::Unknown,
                "sshd is started with `-f`: its configuration is not the one that is looked at".to_owned(),
            )
        } else if let Some((keyword, value)) = bad
            .iter()
            .find(|(keyword, value)| given.keyword == keyword.to_lowercase() && given.value == *value)
        {
            (
                Severity::Fail,
                format!("sshd is started with `-o {keyword}={value}`, which wins over sshd_config"),
            )
        } else {
            continue;
        };
        let observation = Observation::new(severity, what).at(&given.path);
        seen.push(match given.line {
            Some(line) => observation.line(line),
            None => observation,
        });
    }
    Ok(seen)
}

fn given(system: &System<'_, '_>) -> Result<Vec<Given>> {
    let mut all = Vec::new();
    for path in FILES {
        let text = system.text(path)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            let Some((variable, value)) = line.trim().split_once('=') else { continue };
            if VARIABLES.contains(&variable.trim()) {
                read(value, &GuestPath(path.as_bytes().to_vec()), Some(number), &mut all);
            }
        }
    }
    let enabled = services::enabled(system)?;
    if let Some(service) = services::find(&enabled, &["ssh", "sshd", "ssh@", "sshd@"]) {
        for text in services::texts(system, service)? {
            for line in text.lines().filter(|line| line.trim().starts_with("ExecStart=")) {
                read(line, &service.path, None, &mut all);
            }
        }
    }
    Ok(all)
}

/// `-o Keyword=value`, `-oKeyword=value`, `-o "Keyword value"` and `-f FILE`.
fn read(line: &str, path: &GuestPath, number: Option<usize>, all: &mut Vec<Given>) {
    let mut words = line.split([' ', '\t', '"', '\'']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let (keyword, value) = if word.starts_with("-f") {
            ("-f", "")
        } else if let Some(rest) = word.strip_prefix("-o") {
            let Some(option) = Some(rest).filter(|rest| !rest.is_empty()).or_else(|| words.next()) else {
                return;
            };
            match option.split_once('=') {
                Some(both) => both,
                None => (option, words.next().unwrap_or_default()),
            }
        } else {
            continue;
        };
        let (keyword, value) = (keyword.to_lowercase(), value.to_lowercase());
        all.push(Given { keyword, value, path: path.clone(), line: number });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    fn seen(tree: &str) -> Vec<String> {
        with_system(tree, |system| {
            let bad = [("PermitRootLogin", "yes"), ("PasswordAuthentication", "yes")];
            let seen = against(system, &bad).unwrap();
            seen.into_iter().map(|seen| format!("{:?} {}", seen.line, seen.what)).collect()
        })
    }

    #[test]
    fn options_win_wherever_they_are_given() {
        let root = "sshd is started with `-o PermitRootLogin=yes`, which wins over sshd_config";
        let passwords = "sshd is started with `-o PasswordAuthentication=yes`, which wins over sshd_config";
        let other = "sshd is started with `-f`: its configuration is not the one that is looked at";
        for (tree, line, expected) in [
            ("/etc/default/ssh = # x\\nSSHD_OPTS=\"-4 -o PermitRootLogin=yes\"\\n", Some(2), Some(root)),
            ("/etc/default/ssh = SSHD_OPTS='-oPasswordAuthentication=YES'\\n", Some(1), Some(passwords)),
            ("/etc/sysconfig/sshd = OPTIONS=\"-o 'permitrootlogin yes'\"\\n", Some(1), Some(root)),
            ("/etc/conf.d/sshd = SSHD_OPTS=\"-f /etc/ssh/other\"\\n", Some(1), Some(other)),
            ("/etc/default/ssh = SSHD_OPTS=\"-u0 -o PermitRootLogin=no\"\\n", None, None),
            ("/etc/default/ssh = #SSHD_OPTS=\"-o PermitRootLogin=yes\"\\n", None, None),
            (
                "/usr/lib/systemd/systemd\n/usr/lib/systemd/system/graphical.target = [Unit]\\nWants=ssh.service\n\
                 /usr/lib/systemd/system/ssh.service = [Service]\\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS -o PermitRootLogin=yes\\n",
                None,
                Some(root),
            ),
        ] {
            let expected: Vec<String> = expected.iter().map(|what| format!("{line:?} {what}")).collect();
            assert_eq!(seen(tree), expected, "{tree}");
        }
    }
}
