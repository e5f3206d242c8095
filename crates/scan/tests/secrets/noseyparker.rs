//! Nosey Parker's own examples: what its rules must match, and what they must not.

use super::{Score, archive, hits};

/// Its rules, and those of ours that know the same kind. A kind without a rule of ours is left out.
const KINDS: &[(&str, &[&str])] = &[
    ("np.age.2", &["age-secret-key"]),
    ("np.anthropic.1", &["anthropic-key"]),
    ("np.atlassian.1", &["atlassian-token"]),
    ("np.aws.1", &["aws-access-key-id"]),
    ("np.aws.2", &["aws-secret-access-key"]),
    ("np.aws.4", &["aws-session-token"]),
    ("np.aws.5", &["aws-mws-token"]),
    ("np.azure.1", &["azure-account-key", "azure-shared-access-key"]),
    ("np.cratesio.1", &["crates-io-token"]),
    ("np.databricks.1", &["databricks-token"]),
    ("np.digitalocean.1", &["digitalocean-token"]),
    ("np.digitalocean.2", &["digitalocean-token"]),
    ("np.digitalocean.3", &["digitalocean-token"]),
    ("np.doppler.2", &["doppler-token"]),
    ("np.doppler.3", &["doppler-token"]),
    ("np.google.2", &["google-oauth-secret"]),
    ("np.google.4", &["google-access-token"]),
    ("np.google.5", &["google-api-key"]),
    ("np.hashicorp.4", &["vault-token"]),
    ("np.hashicorp.5", &["vault-token"]),
    ("np.http.1", &["basic-authorization"]),
    ("np.http.2", &["bearer-authorization"]),
    ("np.huggingface.1", &["huggingface-token"]),
    ("np.mailchimp.1", &["mailchimp-key"]),
    ("np.mailgun.1", &["mailgun-key"]),
    ("np.msteams.1", &["teams-webhook"]),
    ("np.netrc.1", &["netrc-password"]),
    ("np.newrelic.3", &["newrelic-key"]),
    ("np.npm.1", &["npm-token"]),
    ("np.openai.1", &["openai-key"]),
    ("np.pem.1", &["pem-private-key"]),
    ("np.pem.2", &["pem-in-base64"]),
    ("np.postgres.1", &["url-password"]),
    ("np.postman.1", &["service-token"]),
    ("np.pypi.1", &["pypi-token"]),
    ("np.sendgrid.1", &["sendgrid-key"]),
    ("np.shopify.2", &["shop-token"]),
    ("np.shopify.3", &["shop-token"]),
    ("np.slack.2", &["slack-token"]),
    ("np.slack.4", &["slack-token"]),
    ("np.slack.5", &["slack-token"]),
    ("np.slack.6", &["slack-token"]),
    ("np.slack.3", &["slack-webhook"]),
    ("np.square.1", &["square-token"]),
    ("np.square.2", &["square-token"]),
    ("np.stripe.1", &["stripe-key"]),
    ("np.stripe.2", &["stripe-key"]),
    ("np.wireguard.1", &["wireguard-key"]),
    ("np.wireguard.2", &["wireguard-preshared-key"]),
];

/// An example, whether it must match, and whose it is.
struct Example {
    rule: String,
    text: String,
    matches: bool,
}

/// The examples of a file: lists of plain, quoted or literal scalars, which is all of YAML that they use.
fn examples(yaml: &str) -> Vec<Example> {
    let (mut found, mut rule, mut list): (Vec<Example>, String, Option<bool>) =
        (Vec::new(), String::new(), None);
    // The indentation of a literal scalar's item, while in one.
    let mut literal: Option<usize> = None;
    for line in yaml.lines() {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        if let Some(outer) = literal {
            if text.is_empty() || indent > outer {
                let example = &mut found.last_mut().unwrap().text;
                example.push_str(text);
                example.push('\n');
                continue;
            }
            literal = None;
        }
        if let Some(id) = text.strip_prefix("id: ") {
            rule = id.to_owned();
        }
        match (text, list) {
            ("examples:", _) => list = Some(true),
            ("negative_examples:", _) => list = Some(false),
            _ if text.is_empty() || text.starts_with('#') => {}
            (_, Some(matches)) if text.starts_with("- ") && indent >= 2 => {
                let item = text[2..].trim();
                let quoted = |quote: char| item.strip_prefix(quote).and_then(|item| item.strip_suffix(quote));
                let text = match (quoted('\''), quoted('"')) {
                    (Some(item), _) => item.replace("''", "'"),
                    (_, Some(item)) => item.replace("\\\"", "\"").replace("\\n", "\n"),
                    _ if item.starts_with('|') => String::new(),
                    _ => item.to_owned(),
                };
                literal = item.starts_with('|').then_some(indent);
                found.push(Example { rule: rule.clone(), text, matches });
            }
            _ => list = None,
        }
    }
    found
}

#[test]
fn noseyparker() {
    let Some(files) = archive("noseyparker/rules.shared.tar.zst") else { return };
    let mut score = Score::default();
    for (path, bytes) in files.iter().filter(|(path, _)| path.contains("/rules/") && path.ends_with(".yml")) {
        let examples = examples(std::str::from_utf8(bytes).unwrap());
        let known = |rule: &str| KINDS.iter().find(|(id, _)| *id == rule);
        // What one of its rules must not match, and another must, is a secret all the same.
        let wanted: Vec<&str> = examples
            .iter()
            .filter(|one| one.matches && known(&one.rule).is_some())
            .map(|one| one.text.as_str())
            .collect();
        for example in &examples {
            let Some((id, ours)) = known(&example.rule) else { continue };

            let hits = hits(example.text.as_bytes(), true);
            let mut ours = hits.iter().filter(|hit| ours.contains(&hit.rule.id));
            match (example.matches, ours.next()) {
                (true, hit) => score.count(hit.is_some(), &format!("{id} ({path})")),
                (false, Some(hit)) => {
                    let secret = &example.text[hit.secret.clone()];
                    if !wanted.iter().any(|text| text.contains(secret)) {
                        score.false_hit(hit.rule.id, &format!("a negative example of {id}"));
                    }
                }
                (false, None) => {}
            }
        }
    }
    score.print("noseyparker: examples of its rules", 70, 95);
}
