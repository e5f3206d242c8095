//! How old the packages are, and whether the release still gets any.

use block::Result;

use crate::{
    Check, Observation, Severity, System,
    day::{DAY, date},
    packages,
};

pub(super) const PACKAGE_AGE: Check = Check {
    id: "package-age",
    heading: "Age of the packages",
    explain: "When a package last came or went, by the database of dpkg, rpm, apk or pacman, and whether the release got \
              security updates then. Nothing offline knows what updates exist; with a day to compare with, packages \
              that nobody touched for three months are told.",
    advice: "Build the image from a release that is supported, with all its updates.",
    run: package_age,
};

/// The day that the table of releases was made on: 2026-11-01. What ended before it is known to have ended.
const MADE: &str = "2026-11-01";
/// Days without a change after which packages are old.
const OLD: i64 = 90;

/// The last day of security updates for all, without a contract: `ID` and `VERSION_ID` of os-release(5), or the start of the
/// latter up to a dot.
const RELEASES: &[(&str, &str, &str)] = &[
    ("debian", "8", "2020-06-30"),
    ("debian", "9", "2022-06-30"),
    ("debian", "10", "2024-06-30"),
    ("debian", "11", "2026-08-31"),
    ("debian", "12", "2028-06-30"),
    ("debian", "13", "2030-06-30"),
    ("ubuntu", "14.04", "2019-04-30"),
    ("ubuntu", "16.04", "2021-04-30"),
    ("ubuntu", "18.04", "2023-05-31"),
    ("ubuntu", "20.04", "2025-05-31"),
    ("ubuntu", "22.04", "2027-04-30"),
    ("ubuntu", "22.10", "2023-07-20"),
    ("ubuntu", "23.04", "2024-01-25"),
    ("ubuntu", "23.10", "2024-07-11"),
    ("ubuntu", "24.04", "2029-04-30"),
    ("ubuntu", "24.10", "2025-07-10"),
    ("ubuntu", "25.04", "2026-01-15"),
    ("centos", "6", "2020-11-30"),
    ("centos", "7", "2024-06-30"),
    ("centos", "8", "2024-05-31"),
    ("centos", "9", "2027-05-31"),
    ("rhel", "6", "2020-11-30"),
    ("rhel", "7", "2024-06-30"),
    ("rhel", "8", "2029-05-31"),
    ("rhel", "9", "2032-05-31"),
    ("rocky", "8", "2029-05-31"),
    ("rocky", "9", "2032-05-31"),
    ("almalinux", "8", "2029-03-01"),
    ("almalinux", "9", "2032-05-31"),
    ("ol", "6", "2021-03-31"),
    ("ol", "7", "2024-12-31"),
    ("amzn", "2016", "2023-12-31"),
    ("amzn", "2017", "2023-12-31"),
    ("amzn", "2018", "2023-12-31"),
    ("amzn", "2", "2026-06-30"),
    ("fedora", "38", "2024-05-21"),
    ("fedora", "39", "2024-11-26"),
    ("fedora", "40", "2025-05-13"),
    ("fedora", "41", "2025-12-15"),
    ("opensuse-leap", "15.3", "2022-12-31"),
    ("opensuse-leap", "15.4", "2023-12-07"),
    ("opensuse-leap", "15.5", "2024-12-31"),
    ("alpine", "3.16", "2024-05-23"),
    ("alpine", "3.17", "2024-11-22"),
    ("alpine", "3.18", "2025-05-09"),
    ("alpine", "3.19", "2025-11-01"),
    ("alpine", "3.20", "2026-04-01"),
];

fn package_age(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    let database = packages::database(system)?;
    let changed = database.as_ref().map(|(_, changed)| *changed);
    if let Some(os) = system.guest().system()
        && let Some(end) = end_of(&os.id, &os.version)
    {
        let now =
            [Some(MADE.to_owned()), changed.map(date), system.day().map(date)].into_iter().flatten().max();
        let (id, version) = (super::passwords::safe(&os.id), super::passwords::safe(&os.version));
        seen.push(if now.is_some_and(|now| end < now.as_str()) {
            Observation::new(Severity::Warn, format!("{id} {version} gets no security updates since {end}"))
        } else {
            Observation::new(Severity::Info, format!("{id} {version} gets security updates until {end}"))
        });
    }
    let Some((path, changed)) = database else {
        seen.push(Observation::new(Severity::Unknown, "no database of dpkg, rpm, apk or pacman was found"));
        return Ok(seen);
    };
    let day = date(changed);
    let days = system.day().map(|today| today.saturating_sub(changed).div_euclid(DAY));
    seen.push(
        match days {
            Some(days) if days > OLD => Observation::new(
                Severity::Warn,
                format!("no package came or went since {day}, {days} days ago"),
            ),
            _ => Observation::new(Severity::Info, format!("a package last came or went on {day}")),
        }
        .at(&path),
    );
    Ok(seen)
}

/// The last day of a release; the longest version that fits wins.
fn end_of(id: &str, version: &str) -> Option<&'static str> {
    let fits = |known: &str| {
        version == known || version.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'))
    };
    let known = RELEASES.iter().filter(|(known, start, _)| *known == id && fits(start));
    known.max_by_key(|(_, start, _)| start.len()).map(|(_, _, end)| *end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seen, with_system};

    #[test]
    fn releases_and_their_ends() {
        for (id, version, end) in [
            ("debian", "12", Some("2028-06-30")),
            ("debian", "1", None),
            ("amzn", "2", Some("2026-06-30")),
            ("amzn", "2018.03", Some("2023-12-31")),
            ("amzn", "2023", None),
            ("rhel", "7.9", Some("2024-06-30")),
            ("alpine", "3.18.4", Some("2025-05-09")),
            ("arch", "", None),
        ] {
            assert_eq!(end_of(id, version), end, "{id} {version}");
        }
    }

    #[test]
    fn the_day_decides_only_if_there_is_one() {
        let supported = "info debian 12 gets security updates until 2028-06-30";
        assert_eq!(
            seen(&PACKAGE_AGE, ""),
            [supported, "unknown no database of dpkg, rpm, apk or pacman was found"]
        );
        let dpkg = "/var/lib/dpkg/status";
        assert_eq!(
            seen(&PACKAGE_AGE, dpkg),
            [supported, "info /var/lib/dpkg/status a package last came or went on 1970-01-01"]
        );
        let of = |day: i64| {
            with_system(dpkg, |system| {
                let system = System::new(system.guest()).today(day * DAY);
                package_age(&system).unwrap().into_iter().map(|seen| seen.what).collect::<Vec<_>>()
            })
        };
        assert_eq!(of(90)[1], "a package last came or went on 1970-01-01");
        assert_eq!(of(91)[1], "no package came or went since 1970-01-01, 91 days ago");
        assert_eq!(of(30_000)[0], "debian 12 gets no security updates since 2028-06-30");
    }
}
