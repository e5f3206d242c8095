//! Licences of everything that is linked in, by `cargo metadata`. (deny.toml says the same for cargo-deny,
//! which also asks for advisories.)

use serde_json::Value;

use crate::run::{Result, cargo};

/// What may be linked in.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What may be besides in the fuzzing targets, which are never shipped: libFuzzer's own.
const FUZZING: &[&str] = &["NCSA"];

/// Fails on a dependency without an allowed licence, or from elsewhere than a registry.
pub(crate) fn check() -> Result<()> {
    check_of("Cargo.toml", &[])?;
    check_of("fuzz/Cargo.toml", FUZZING)
}

/// The same of one workspace.
fn check_of(manifest: &str, more: &[&str]) -> Result<()> {
    let output = cargo([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
        "--manifest-path",
        manifest,
    ])
    .output()
    .map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or_default());
        if !allowed(licence, more) {
            return Err(format!("licence of {name}: `{licence}`"));
        }
        let source = package["source"].as_str();
        if source.is_some_and(|source| !source.starts_with("registry+")) {
            return Err(format!("{name} comes from {}", package["source"]));
        }
    }
    println!("{manifest}: {} packages, all with allowed licences, all from a registry", packages.len());
    Ok(())
}

/// Whether an SPDX expression, or the older `A/B`, can be met by allowed licences, `more` among them.
fn allowed(expression: &str, more: &[&str]) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    let known = |one: &str| ALLOWED.contains(&one.trim()) || more.contains(&one.trim());
    // `AND` binds more tightly; an expression in parentheses that this misreads is refused, not let through.
    let all = |part: &str| part.split(" AND ").all(known);
    let parenthesised = expression.contains(" AND ") && expression.contains(" OR ");
    if parenthesised {
        // Every name that occurs must be allowed, whichever way it binds, but for those behind an OR.
        return expression.split(" AND ").all(|part| part.split(" OR ").any(known));
    }
    expression.split(" OR ").any(all)
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn reads_licence_expressions() {
        for good in
            ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT AND Zlib"]
        {
            assert!(allowed(good, &[]), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "MPL-2.0"] {
            assert!(!allowed(bad, &[]), "{bad}");
        }
        let libfuzzer = "(MIT OR Apache-2.0) AND NCSA";
        assert!(allowed(libfuzzer, super::FUZZING) && !allowed(libfuzzer, &[]));
    }
}
