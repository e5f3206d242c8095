//! What decides what an output is, as a plan keeps it: arguments of `clean`, and the digest of what they come to.

use std::path::Path;

use batch::{Header, PolicyName};
use clap::{Parser, ValueEnum};

use super::super::selection;
use crate::{
    args::{BatchSettings, KeptSettings, PolicyArgs, TaintArg, VerifyArg},
    failure::Failure,
};

/// The policy's name, and the digest of what it comes to; and the arguments that choose it, and all others that matter.
pub(super) fn keep(settings: &BatchSettings) -> Result<(PolicyName, Vec<String>, Vec<String>), Failure> {
    let digest = selection(&settings.policy)?.digest();
    let PolicyArgs { policy, rules, skip, remove, keep, remove_user, keep_user, opaque, drop_unowned } =
        &settings.policy;
    // A file is the same for every machine, wherever it stands.
    let name = match Path::new(policy) {
        path if path.is_file() => std::path::absolute(path)
            .ok()
            .and_then(|path| path.to_str().map(str::to_owned))
            .ok_or_else(|| Failure::usage(format_args!("{policy}: has no absolute path that is text")))?,
        _ => policy.clone(),
    };
    let mut select = vec![format!("--policy={name}")];
    let lists = [
        ("rules", rules),
        ("skip", skip),
        ("remove", remove),
        ("keep", keep),
        ("remove-user", remove_user),
        ("keep-user", keep_user),
    ];
    for (option, values) in lists {
        select.extend(values.iter().map(|value| format!("--{option}={value}")));
    }
    let mut options = Vec::new();
    let mut add = |option: &str, value: Option<String>| {
        options.extend(value.map(|value| format!("--{option}={value}")));
    };
    add("opaque", opaque.as_ref().map(word));
    add("output-format", settings.output_format.as_ref().map(word));
    add("compress", settings.compress.as_ref().map(word));
    add("verify", Some(word(&settings.verify)).filter(|_| settings.verify != VerifyArg::Tree));
    add("taint", Some(word(&settings.taint)).filter(|_| settings.taint != TaintArg::On));
    options.extend(drop_unowned.then(|| "--drop-unowned".to_owned()));
    Ok((PolicyName { name, digest }, select, options))
}

/// The word of the command line for a value.
fn word<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Fails unless the plan's policy still means what it meant when the plan was made.
pub(super) fn check(header: &Header) -> Result<(), Failure> {
    let kept = KeptSettings::try_parse_from(header.select.iter().chain(&header.options));
    let Ok(KeptSettings { settings }) = kept else {
        return Err(Failure::usage("the plan's arguments are not this version's: make the plan again"));
    };
    if selection(&settings.policy)?.digest() != header.policy.digest {
        return Err(Failure::usage(format_args!(
            "{}: the policy is not what it was when the plan was made: make the plan again",
            header.policy.name
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_means_the_same() {
        let asked = [
            "--policy=aws",
            "--skip=logs,dhcp-client",
            "--keep=/opt/--x",
            "--remove=~/-odd",
            "--opaque=keep",
            "--output-format=qcow2",
            "--compress=zstd",
            "--taint=off",
            "--drop-unowned",
        ];
        let parsed = |words: &[String]| KeptSettings::try_parse_from(words).unwrap().settings;
        let first = keep(&parsed(&asked.map(str::to_owned))).unwrap();
        let (policy, select, options) = first.clone();
        assert_eq!(policy.name, "aws");
        assert!(
            options.contains(&"--compress=zstd".to_owned()) && !options.contains(&"--verify=tree".to_owned())
        );
        let again = keep(&parsed(&[select, options].concat())).unwrap();
        assert_eq!(first, again);
    }
}
