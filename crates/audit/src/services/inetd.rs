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
        let mut files = vec![GuestPath(b"/etc/xinetd.conf".to_vec())];
        files.extend(system.files("/etc/xinetd.d", "")?.into_iter().map(|item| item.path));
        for path in files {
            let text = system.read(&path.0)?.unwrap_or_default();
            services.extend(xinetd(&String::from_utf8_lossy(&text), &path));
        }
    }
    Ok(services)
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

fn xinetd(text: &str, path: &GuestPath) -> Vec<Service> {
    let mut services = Vec::new();
    let mut open: Option<(Service, bool)> = None;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.starts_with('#') {
            continue;
        }
        if let Some(name) = text.strip_prefix("service ") {
            let name = name.trim().trim_end_matches('{').trim().to_owned();
            let service = Service {
                name,
                starter: Starter::Inetd,
                path: path.clone(),
                line: Some(line),
                listens: Vec::new(),
            };
            open = Some((service, true));
        } else if text.starts_with('}') {
            services.extend(open.take().filter(|(_, on)| *on).map(|(service, _)| service));
        } else if let (Some((service, on)), Some((key, value))) = (&mut open, text.split_once('=')) {
            match (key.trim(), value.trim()) {
                ("disable", value) => *on = value != "yes",
                ("server", value) => service.listens.push(value.to_owned()),
                _ => {}
            }
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

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
                    service echo\n{\n disable = yes\n}\nservice rsync {\n}\nservice open\n{\n";
        assert_eq!(names(xinetd(text, &path)), ["tftp:5 /usr/sbin/in.tftpd", "rsync:14 "]);
    }
}
