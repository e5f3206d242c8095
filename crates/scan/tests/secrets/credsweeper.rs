//! CredSweeper's samples, with the findings that its authors expect.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Score, archive, corpora, hits};

/// Its kinds for which there is a rule that needs no surroundings. Kinds that a name alone makes (Password, Key,
/// Token, Secret, Auth, ...) and those of services that no rule knows are left out.
const KINDS: &[&str] = &[
    "1Password Account Token",
    "AWS Client ID",
    "AWS MWS Key",
    "Age Secret Key",
    "Atlassian PAT token",
    "Azure Access Token",
    "Azure Secret Value",
    "Azure Storage Account Key",
    "BASE64 encoded PEM Private Key",
    "Bitbucket App Password",
    "Bitbucket Repository Access Token",
    "Brevo API Key",
    "Digital Ocean Token",
    "Docker Access Token",
    "Docker Swarm Key",
    "Docker Swarm Token",
    "Doppler API Key",
    "Gitlab Prefix Token",
    "Google API Key",
    "Google OAuth Access Token",
    "Google OAuth Refresh Token",
    "Google OAuth Secret",
    "Grafana Provisioned API Key",
    "Grafana Service Account Token",
    "Groq API Key",
    "Hashicorp Terraform Token",
    "Hashicorp Vault Token",
    "Heroku Credentials",
    "Hugging Face User Access Token",
    "JSON Web Token",
    "Linear API Key",
    "MailChimp API Key",
    "MailGun API Key",
    "NPM Token",
    "NewRelic Credentials",
    "NuGet API key",
    "OpenAI Token",
    "PEM Private Key",
    "PlanetScale Credentials",
    "PyPi API Token",
    "SendGrid API Key",
    "Shopify Token",
    "Slack Token",
    "Square Credentials",
    "Stripe Credentials",
    "Telegram Bot API Token",
    "X AI API Key",
];

/// Its kinds that are passwords and tokens by their names.
const BY_NAME: &[&str] = &[
    "Password",
    "Token",
    "Secret",
    "Key",
    "API",
    "Auth",
    "CMD Password",
    "CURL User Password",
    "CURL Options",
];

/// Kind and line of each expected finding, by file. Those in what has to be decoded or unpacked are left out.
fn labels() -> Option<BTreeMap<String, Vec<(String, usize)>>> {
    let path = corpora()?.join("CredSweeper/expected.output.shared.json.zst");
    let zstd = std::process::Command::new("zstd").arg("-qdc").arg(path).output();
    let json: Value = serde_json::from_slice(&zstd.expect("zstd(1) has to be installed").stdout).unwrap();
    let mut labels: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
    for finding in json.as_array().unwrap() {
        let kind = finding["rule"].as_str().unwrap();
        // Of a finding of many lines, the first.
        let line = &finding["line_data_list"][0];
        if !line["info"].as_str().is_none_or(str::is_empty) {
            continue;
        }
        let file = line["path"].as_str().unwrap().rsplit('/').next().unwrap();
        let number = usize::try_from(line["line_num"].as_u64().unwrap()).unwrap();
        labels.entry(file.to_owned()).or_default().push((kind.to_owned(), number));
    }
    Some(labels)
}

/// The line of a byte, from 1 on.
fn line(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count()
}

fn measure(kinds: &[&str], context: bool) -> Option<Score> {
    let labels = labels()?;
    let mut score = Score::default();
    for (path, bytes) in archive("CredSweeper/samples.shared.tar.zst")? {
        // What it unpacks or decodes has no lines; encrypted keys and stores are none to it, and secrets to us.
        let unpacked = [".tar", ".jks", ".p12", ".rpm", ".pak", ".sqlite", ".xls", ".elf", "LS0t_n"];
        if unpacked.iter().any(|end| path.ends_with(end)) || path.contains("encrypted") {
            continue;
        }
        let labels = labels.get(&path).map(Vec::as_slice).unwrap_or_default();
        // A match of many lines has them all: a key's armour counts from BEGIN on.
        let lines: Vec<(usize, usize, &str)> = hits(&bytes, context)
            .iter()
            .map(|hit| (line(&bytes, hit.secret.start), line(&bytes, hit.secret.end), hit.rule.id))
            .collect();
        let near = |number: usize| {
            lines.iter().any(|&(first, last, _)| (first.saturating_sub(4)..=last).contains(&number))
        };
        let expected: BTreeSet<(&str, usize)> = labels
            .iter()
            .map(|(kind, number)| (kind.as_str(), *number))
            .filter(|(kind, _)| kinds.contains(kind))
            .collect();
        for (kind, number) in expected {
            score.count(near(number), &format!("{kind}, line {number} of {path}"));
        }
        for &(first, last, rule) in &lines {
            let labelled = labels.iter().any(|(_, number)| (first.saturating_sub(4)..=last).contains(number));
            if !labelled {
                score.false_hit(rule, &format!("line {first} of {path}"));
            }
        }
    }
    Some(score)
}

#[test]
fn tokens_and_keys() {
    if let Some(score) = measure(KINDS, false) {
        score.print("CredSweeper: tokens and keys", 80, 95);
    }
}

#[test]
fn passwords_by_name() {
    if let Some(score) = measure(BY_NAME, true) {
        score.print("CredSweeper: passwords and tokens by name (by context)", 55, 90);
    }
}
