//! Services of the super-servers: inetd.conf(5) and xinetd.conf(5), if one of them is started.

use block::Result;
use scan::GuestPath;

use super::{Service, Starter, find};
use crate::System;

const INETD: &[&str] = &["inetd", "openbsd-inetd", "inetutils-inetd", "rlinetd", "busybox-inetd"];
const XINETD: &[&str] = &["xinetd"];

/// What they offer.
pub(super) fn enabled(system: &System<'_, '_>, others: &[Service]) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    if find(others, INETD).is_some() {
        let mut files = vec![GuestPath(b"/etc/inetd.conf".to_vec())];
        files.extend(system.files("/etc/inetd.d", "")?.into_iter().map(|item| item.path));
        for path in files {
            let text = system.read(&path.0)?.unwrap_or_default();
            services.extend(inetd(&String::from_utf8_lossy(&text), &path));
        }
    }
    if find(others, XINETD).is_some() {
        services.extend(of_xinetd(system)?);
    }
    Ok(services)
}

/// What xinetd.conf(5) and the files of `/etc/xinetd.d` offer, but what the defaults take back: those in `disabled`, and,
/// where there is a list `enabled`, all others.
fn of_xinetd(system: &System<'_, '_>) -> Result<Vec<Service>> {
    let mut files = vec![GuestPath(b"/etc/xinetd.conf".to_vec())];
    // xinetd passes over names with a dot in them, or a tilde at the end.
    let names = system.files("/etc/xinetd.d", "")?.into_iter();
    files.extend(
        names.filter(|item| !item.name.contains(&b'.') && !item.name.ends_with(b"~")).map(|item| item.path),
    );
    let (mut services, mut defaults) = (Vec::new(), Defaults::default());
    for path in files {
        let text = system.read(&path.0)?.unwrap_or_default();
        services.extend(xinetd(&String::from_utf8_lossy(&text), &path, &mut defaults));
    }
    services.retain(|service| {
        let named = |list: &Vec<String>| list.contains(&service.name);
        !named(&defaults.disabled) && defaults.enabled.as_ref().is_none_or(named)
    });
    Ok(services)
}

/// What the defaults of xinetd say of services by name.
#[derive(Default)]
struct Defaults {
    disabled: Vec<String>,
    enabled: Option<Vec<String>>,
}

fn inetd(text: &str, path: &GuestPath) -> Vec<Service> {
    let mut services = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        // name type protocol wait user program arguments
        let [name, _, _, _, _, rest @ ..] = words.as_slice() else { continue };
        if name.starts_with('#') || rest.is_empty() {
            continue;
        }
        // `127.0.0.1:ftp`: only there.
        let name = name.rsplit(':').next().unwrap_or_default();
        services.push(Service {
            name: name.to_owned(),
            starter: Starter::Inetd,
            path: path.clone(),
            line: Some(line),
            listens: rest.iter().map(|&word| word.to_owned()).collect(),
        });
    }
    services
}

fn xinetd(text: &str, path: &GuestPath, defaults: &mut Defaults) -> Vec<Service> {
    let mut services = Vec::new();
    let mut open: Option<(Service, bool)> = None;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.starts_with('#') {
            continue;
        }
        let words = text.trim_end_matches('{').split_whitespace().collect::<Vec<_>>();
        if let ["service", name] = words.as_slice() {
            let service = Service {
                name: (*name).to_owned(),
                starter: Starter::Inetd,
                path: path.clone(),
                line: Some(line),
                listens: Vec::new(),
            };
            open = Some((service, true));
        } else if text.starts_with('}') {
            services.extend(open.take().filter(|(_, on)| *on).map(|(service, _)| service));
        } else if let Some((key, value)) = text.split_once('=') {
            // `+=` adds to a list, as a second line does.
            let (key, value) = (key.trim_end_matches(['+', ' ', '\t']).trim(), value.trim());
            let names = || value.split_whitespace().map(str::to_owned);
            match (&mut open, key) {
                (Some((_, on)), "disable") => *on = value != "yes",
                (Some((service, _)), "server") => service.listens.push(value.to_owned()),
                (None, "disabled") => defaults.disabled.extend(names()),
                (None, "enabled") => defaults.enabled.get_or_insert_default().extend(names()),
                _ => {}
            }
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn lines_and_blocks() {
        let path = GuestPath(b"/f".to_vec());
        let names = |services: Vec<Service>| -> Vec<String> {
            let of = |s: Service| format!("{}:{} {}", s.name, s.line.unwrap(), s.listens.join(" "));
            services.into_iter().map(of).collect()
        };
        let text = "# x\n#<off># ftp stream tcp nowait root /a\n\
                    telnet stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.telnetd\necho stream tcp nowait root internal\nshort\n";
        assert_eq!(
            names(inetd(text, &path)),
            ["telnet:3 /usr/sbin/tcpd /usr/sbin/in.telnetd", "echo:4 internal"]
        );
        let text = "defaults\n{\n disable = no\n}\nservice tftp\n{\n server = /usr/sbin/in.tftpd\n disable = no\n}\n\
                    service echo\n{\n disable = yes\n}\nservice\trsync {\n}\nservice open\n{\n";
        assert_eq!(
            names(xinetd(text, &path, &mut Defaults::default())),
            ["tftp:5 /usr/sbin/in.tftpd", "rsync:14 "]
        );
    }

    #[test]
    fn the_defaults_of_xinetd_take_services_back() {
        let one = |name: &str| format!("/etc/xinetd.d/{name} = service {name}\\n{{\\n server = /x\\n}}\\n");
        let names = |conf: &str| {
            let tree = format!(
                "/etc/xinetd.conf = {conf}\\nincludedir /etc/xinetd.d\\n\n{}\n{}\n{}\n/etc/xinetd.d/old.rpmsave = service old\\n{{\\n}}\\n",
                one("telnet"),
                one("tftp"),
                one("time")
            );
            with_system(&tree, |system| {
                of_xinetd(system)
                    .unwrap()
                    .into_iter()
                    .map(|service| service.name)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        assert_eq!(names("defaults\\n{\\n instances = 60\\n}"), "telnet tftp time");
        assert_eq!(names("defaults\\n{\\n disabled = tftp\\n disabled += time\\n}"), "telnet");
        assert_eq!(names("defaults\\n{\\n enabled = tftp time\\n disabled = time\\n}"), "tftp");
    }
}
