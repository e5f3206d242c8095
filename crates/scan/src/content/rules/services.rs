//! Keys and tokens of services: chat, payment, mail, models, observation.

use super::{MIXED, TOKEN};
use crate::content::Tier;
use crate::content::{
    ContentRule,
    check::{self, base64, plausible},
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "slack-token",
        heading: "Slack's tokens",
        explain: "Reads and writes as an application, a bot or a person.",
        source: "Slack: Token types",
        anchors: &[b"xox", b"xapp-"],
        pattern: r"(?:xox[abeoprs](?:\.xox[bp])?-(?:[0-9]{1,2}-)?(?<secret>[A-Za-z0-9-]{20,180})|xapp-(?:[0-9]-A[A-Z0-9]{8,12}-[0-9]{10,13}-(?<app>[0-9a-f]{64})|[0-9]{12}-(?<old>[A-Za-z0-9/+]{24})))",
        check: |found| {
            let text =
                found.group("app").or(found.group("old")).or(found.group("secret")).unwrap_or_default();
            text.iter().any(u8::is_ascii_digit)
                && plausible::entropy(text) >= 3.0
                && !plausible::placeholder(text)
        },
        ..TOKEN
    },
    ContentRule {
        id: "slack-webhook",
        heading: "Slack's webhooks",
        explain: "An address that posts into a channel.",
        source: "Slack: Incoming webhooks",
        anchors: &[b"hook"],
        before: 0,
        pattern: r"hooks\.slack\.com/(?:services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/(?<secret>[A-Za-z0-9]{20,26})|(?:workflows|triggers)/T?[A-Za-z0-9_]{8,14}/[A-Za-z0-9_]{8,16}/(?:[0-9]{10,20}/)?(?<other>[A-Za-z0-9]{20,36}))",
        check: |found| plausible::random(found.group("secret").or(found.group("other")).unwrap_or_default()),
        ..TOKEN
    },
    ContentRule {
        id: "discord-webhook",
        heading: "Discord's webhooks",
        explain: "An address that posts into a channel.",
        source: "Discord: Webhook resource",
        anchors: &[b"hook"],
        before: 8,
        pattern: r"/api/webhooks/[0-9]{17,20}/(?<secret>[A-Za-z0-9_-]{60,80})",
        ..MIXED
    },
    ContentRule {
        id: "teams-webhook",
        heading: "webhooks of Microsoft Teams",
        explain: "An address that posts into a channel.",
        source: "Microsoft Teams: Incoming webhooks",
        anchors: &[b"hook"],
        before: 26,
        pattern: r"(?:webhook\.office\.com/webhookb2|outlook\.office(?:365)?\.com/webhook)/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/(?<secret>[0-9a-f]{32})/[0-9a-f-]{36}",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "telegram-bot-token",
        heading: "tokens of Telegram's bots",
        explain: "Reads and writes as a bot: its number, a colon and 35 characters that start with AA.",
        source: "Telegram: Bot API",
        anchors: &[b":AA"],
        pattern: r"[1-9][0-9]{7,9}:AA(?<secret>[A-Za-z0-9_-]{33})",
        before: 10,
        reach: 40,
        check: |found| {
            plausible::random(found.secret())
                && plausible::mixed(found.secret())
                && found
                    .next()
                    .is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'_' && byte != b'-')
        },
        ..TOKEN
    },
    ContentRule {
        id: "stripe-key",
        heading: "Stripe's keys",
        explain: "Moves money, or pretends to (test keys read the account's test data).",
        source: "Stripe: API keys",
        anchors: &[b"k_live_", b"k_test_", b"whsec_"],
        pattern: r"(?:[sr]k_(?:live|test)_(?<secret>[A-Za-z0-9]{24,247})|whsec_(?<hook>[A-Za-z0-9+/]{32,64}))",
        before: 1,
        check: |found| {
            let text = found.group("secret").or(found.group("hook")).unwrap_or_default();
            plausible::random(text) && text.iter().any(u8::is_ascii_digit)
        },
        ..TOKEN
    },
    ContentRule {
        id: "shop-token",
        heading: "tokens of Shopify",
        explain: "Reads and changes a shop: customers, orders, money.",
        source: "Shopify: Access tokens",
        anchors: &[b"shpat_", b"shpss_"],
        pattern: r"shp(?:at|ss)_(?<secret>[0-9a-fA-F]{32})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "square-token",
        heading: "Square's tokens and secrets",
        explain: "Reads and changes a seller's account.",
        source: "Square: Access tokens",
        anchors: &[b"sq0"],
        pattern: r"sq0(?:csp-(?<a>[A-Za-z0-9_-]{43})|atp-(?<b>[A-Za-z0-9_-]{22}))",
        check: |found| {
            let text = ["a", "b", "c"].iter().find_map(|name| found.group(name)).unwrap_or_default();
            plausible::random(text)
                && plausible::mixed(text)
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(&byte))
        },
        ..TOKEN
    },
    ContentRule {
        id: "paypal-token",
        heading: "access tokens of PayPal and Braintree",
        explain: "Moves a merchant's money.",
        source: "Braintree: Access tokens",
        anchors: &[b"access_token$"],
        pattern: r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$(?<secret>[0-9a-f]{32})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "twilio-secret",
        heading: "Twilio's keys and tokens",
        explain: "Sends messages and places calls: 32 hexadecimal digits behind an account's or a key's prefix or name.",
        source: "Twilio: API keys, Auth token",
        anchors: &[b"_TOKEN", b"_token", b"_KEY", b"_SECRET", b"_secret"],
        before: 32,
        pattern: r#"(?:twilio|TWILIO)[A-Za-z_.-]{0,24}?(?:_token|_TOKEN|_secret|_SECRET|_KEY)[ "'=:,]{1,8}(?<secret>(?:SK)?[0-9a-f]{32})"#,
        check: |found| {
            plausible::random(found.secret()) && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "sendgrid-key",
        heading: "SendGrid's keys",
        explain: "Sends mail in somebody's name: 22 and 43 characters of base 64 behind SG.",
        source: "SendGrid: API keys",
        anchors: &[b"SG."],
        pattern: r"SG\.(?<secret>[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})",
        reach: 70,
        check: |found| plausible::random(found.secret()) && plausible::mixed(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "mailgun-key",
        heading: "Mailgun's keys",
        explain: "Sends mail in somebody's name: a key behind the service's name.",
        source: "Mailgun: API keys",
        anchors: &[b"_KEY", b"_key", b"apiKey"],
        before: 24,
        pattern: r#"(?:mailgun|MAILGUN)[A-Za-z_.-]{0,16}?(?:_key|_KEY|apiKey)[ "'=:,]{1,8}(?<secret>key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8})"#,
        ..TOKEN
    },
    ContentRule {
        id: "mailchimp-key",
        heading: "Mailchimp's keys",
        explain: "Reads and mails lists of people: 32 hexadecimal digits and the data centre.",
        source: "Mailchimp: API keys",
        anchors: &[b"-us1"],
        pattern: r"(?<secret>[0-9a-f]{32})-us1[0-9]?",
        before: 32,
        reach: 6,
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "mail-service-key",
        heading: "keys of Brevo",
        explain: "Sends mail in somebody's name.",
        source: "Brevo: API keys",
        anchors: &[b"sib-"],
        before: 8,
        pattern: r"x(?:keysib|smtpsib)-(?<secret>[0-9a-f]{64}-[A-Za-z0-9]{16})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "openai-key",
        heading: "OpenAI's keys",
        explain: "Pays for models and reads an organisation's data. All have the name OpenAI, in base 64, in the middle.",
        source: "OpenAI: API keys",
        anchors: &[b"T3BlbkFJ"],
        pattern: r"sk-(?:proj-|svcacct-|admin-|None-)?(?<secret>[A-Za-z0-9_-]{20,80}T3BlbkFJ[A-Za-z0-9_-]{20,80})",
        before: 92,
        reach: 90,
        ..MIXED
    },
    ContentRule {
        id: "anthropic-key",
        heading: "Anthropic's keys",
        explain: "Pays for models, or administers an organisation.",
        source: "Anthropic: API keys",
        anchors: &[b"sk-ant-"],
        pattern: r"sk-ant-(?:api|admin|oat|ort|sid)[0-9]{2}-(?<secret>[A-Za-z0-9_-]{80,110})",
        ..MIXED
    },
    ContentRule {
        id: "huggingface-token",
        heading: "Hugging Face's tokens",
        explain: "Reads or writes a user's models and data.",
        source: "Hugging Face: User access tokens",
        anchors: &[b"hf_"],
        pattern: r"hf_(?<secret>[A-Za-z]{34})",
        check: |found| {
            let text = found.secret();
            plausible::random(text)
                && text.iter().any(u8::is_ascii_uppercase)
                && text.iter().any(u8::is_ascii_lowercase)
                && plausible::entropy(text) >= 3.5
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "model-service-key",
        heading: "keys of other services for models",
        explain: "Pays for models: Groq, xAI, Perplexity, OpenRouter.",
        source: "Groq, xAI, Perplexity, OpenRouter: API keys",
        anchors: &[b"gsk_", b"xai-", b"pplx-", b"sk-or-v1-"],
        pattern: r"(?:gsk_[A-Za-z0-9]{52}|xai-[A-Za-z0-9]{80}|pplx-[A-Za-z0-9]{48,56}|sk-or-v1-[0-9a-f]{64})",
        check: |found| {
            plausible::token(found.secret())
                && found.secret()[4..].iter().any(u8::is_ascii_digit)
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "grafana-token",
        heading: "tokens of Grafana's service accounts",
        explain: "Reads and changes dashboards and data sources. Its checksum must be right.",
        source: "Grafana: pkg/components/satokengen",
        tier: Tier::Proven,
        anchors: &[b"glsa_"],
        pattern: r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",
        check: |found| check::checksum::grafana(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "grafana-cloud-token",
        heading: "tokens of Grafana Cloud and API keys of Grafana",
        explain: "Sends or reads metrics and logs. It must decode to a JSON object.",
        source: "Grafana Cloud: Access policies; Grafana: API keys",
        tier: Tier::Proven,
        anchors: &[b"eyJ"],
        before: 4,
        pattern: r"(?:glc_(?<secret>eyJ[A-Za-z0-9+/]{40,400}={0,2})|(?<key>eyJrIjoi[A-Za-z0-9+/]{60,200}={0,2}))",
        reach: 512,
        check: |found| {
            let text = found.group("key").or(found.group("secret")).unwrap_or_default();
            // Its members are a key, a name and an id; other JSON that starts with `k` has none.
            check::jwt::is_object(text)
                && base64::decode(text).is_some_and(|json| plausible::contains(&json, b"\"n\":"))
                && plausible::entropy(text) >= 4.0
        },
    },
    ContentRule {
        id: "newrelic-key",
        heading: "New Relic's keys",
        explain: "Reads an account (a user's key), or sends data to it (a licence key, an insert key).",
        source: "New Relic: API keys",
        anchors: &[b"NRAK-", b"NRII-", b"NRAL"],
        pattern: r"(?:NRAK-(?<a>[A-Z0-9]{27})|NRII-(?<b>[A-Za-z0-9_-]{32})|[0-9a-z]{6}(?<c>[0-9a-fF]{30})NRAL)",
        before: 36,
        reach: 40,
        check: |found| {
            let text = ["a", "b", "c"].iter().find_map(|name| found.group(name)).unwrap_or_default();
            plausible::random(text) && text.iter().any(u8::is_ascii_digit)
        },
        ..TOKEN
    },
    ContentRule {
        id: "datadog-key",
        heading: "Datadog's keys",
        explain: "Sends data to an account, or reads it: hexadecimal digits behind the name of the variable.",
        source: "Datadog: API and application keys",
        anchors: &[b"_KEY", b"_key"],
        before: 12,
        pattern: r#"(?:DD_|DATADOG_|datadog_)A?a?(?:PI|PP|pi|pp)_(?:KEY|key)["']?\s*[=:]\s*["']?(?<secret>(?:[0-9a-f]{40}|[0-9a-f]{32}))"#,
        check: |found| {
            plausible::random(found.secret()) && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "service-token",
        heading: "tokens of Linear, Postman and Sentry",
        explain: "A user's or an application's access to the service.",
        source: "Linear, Postman, Sentry: API tokens",
        anchors: &[b"lin_api_", b"PMAK-", b"sntry"],
        pattern: r"(?:lin_api_[A-Za-z0-9]{40}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|sntryu_[0-9a-f]{64}|sntrys_eyJ[A-Za-z0-9+/=_]{80,})",
        check: |found| plausible::token(found.secret()) && found.secret()[5..].iter().any(u8::is_ascii_digit),
        ..TOKEN
    },
    ContentRule {
        id: "onepassword-token",
        heading: "tokens of 1Password's service accounts",
        explain: "Opens vaults. It must decode to JSON.",
        source: "1Password: Service accounts",
        tier: Tier::Likely,
        anchors: &[b"eyJ"],
        before: 4,
        pattern: r"ops_eyJ[A-Za-z0-9_-]{200,}",
        reach: 2048,
        check: |found| plausible::entropy(found.secret()) >= 4.5,
    },
];
