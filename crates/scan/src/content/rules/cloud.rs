//! Keys and tokens of clouds and of what runs on them.

use super::{MIXED, TOKEN};
use crate::content::{
    ContentRule, Tier,
    check::{base64, plausible, secret},
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "aws-access-key-id",
        heading: "ids of AWS' access keys",
        explain: "The public half of an access key, long-lived or of a session; the secret half is seldom far. The \
                  documents' examples do not count.",
        source: "AWS IAM: Unique identifiers; AWS STS: GetAccessKeyInfo",
        anchors: &[b"AKIA", b"ASIA"],
        pattern: r"A[KS]IA[A-Z2-7]{16}",
        reach: 20,
        check: |found| {
            let digits = found.secret().iter().skip(4);
            secret::aws_id(found.secret())
                // 16 letters without a digit: once in 28 keys, and any word in capitals.
                && digits.clone().any(u8::is_ascii_digit)
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "aws-secret-access-key",
        heading: "secret access keys of AWS and of stores with its API",
        explain: "40 characters of base 64 behind the name that the command line, the SDKs, s3cmd or rclone give them.",
        source: "AWS CLI: Configuration and credential file settings",
        anchors: &[b"_key", b"_KEY", b"AccessKey"],
        before: 14,
        pattern: r#"(?:secret_access_key|SECRET_ACCESS_KEY|ecretAccessKey|secret_key|SECRET_KEY)[^A-Za-z0-9+/\n]{1,16}(?:\\[nrt])?(?<secret>[A-Za-z0-9+/]{40})"#,
        reach: 96,
        check: |found| {
            secret::secret_40(found.secret())
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"+/=".contains(&byte))
        },
        ..TOKEN
    },
    ContentRule {
        id: "aws-session-token",
        heading: "session tokens of AWS",
        explain: "The third part of temporary credentials, of a role or of an instance's profile: by how it starts.",
        source: "AWS STS: GetSessionToken, AssumeRole",
        // `...er/aws` and `...origin_` in base 64.
        anchors: &[b"FwoGZXIvYXdz", b"IQoJb3JpZ2lu"],
        pattern: r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9+/=%]{100,}",
        reach: 2048,
        check: |found| {
            plausible::entropy(found.secret()) >= 4.5 && !plausible::contains(found.secret(), b"example")
        },
        ..TOKEN
    },
    ContentRule {
        id: "aws-bedrock-key",
        heading: "API keys of Amazon Bedrock",
        explain: "Pays for models. It decodes to a name that starts with BedrockAPIKey.",
        source: "Amazon Bedrock: API keys",
        anchors: &[b"ABSKQmVkcm9ja0FQSUtleS"],
        pattern: r"ABSKQmVkcm9ja0FQSUtleS[A-Za-z0-9+/]{80,}={0,2}",
        ..MIXED
    },
    ContentRule {
        id: "aws-mws-token",
        heading: "tokens of Amazon MWS",
        explain: "A seller's access to the marketplace.",
        source: "Amazon MWS: Developer guide",
        anchors: &[b"amzn.mws."],
        pattern: r"amzn\.mws\.(?<secret>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "outscale-secret-key",
        heading: "secret keys of OUTSCALE",
        explain: "40 capitals and digits behind the name that osc-cli's config.json, the SDKs or Terraform give them.",
        source: "OUTSCALE: Creating an Access Key; osc-cli: config.json",
        anchors: &[b"_key", b"_KEY", b"SECRETKEY", b"ecretKey"],
        before: 7,
        pattern: r#"(?:secret_key|SECRET_KEY|SECRETKEY|ecretKey)(?:_?[iI][dD])?[^A-Za-z0-9\n]{1,16}(?<secret>[A-Z0-9]{40})"#,
        reach: 96,
        check: |found| {
            secret::outscale_40(found.secret())
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "outscale-access-key",
        heading: "ids of OUTSCALE's access keys",
        explain: "20 capitals and digits behind the name that osc-cli's config.json, the SDKs or Terraform give them.",
        source: "OUTSCALE: Creating an Access Key; osc-cli: config.json",
        tier: Tier::Context,
        anchors: &[b"_key", b"_KEY", b"ACCESSKEY", b"AccessKey", b"accessKey"],
        before: 7,
        pattern: r#"(?:access_key|ACCESS_KEY|ACCESSKEY|[aA]ccessKey)(?:_?[iI][dD])?[^A-Za-z0-9\n]{1,16}(?<secret>[A-Z0-9]{20})"#,
        reach: 64,
        check: |found| {
            plausible::random(found.secret())
                && found.secret().iter().any(u8::is_ascii_digit)
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
    },
    ContentRule {
        id: "google-api-key",
        heading: "Google API keys",
        explain: "Pays for maps, models and other services; may open data.",
        source: "Google Cloud: Manage API keys",
        anchors: &[b"AIza"],
        pattern: r"AIza(?<secret>[A-Za-z0-9_-]{35})",
        check: |found| {
            plausible::random(found.secret())
                && found.secret().iter().any(u8::is_ascii_digit)
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "google-oauth-secret",
        heading: "client secrets of Google's OAuth",
        explain: "Lets a program speak as an application.",
        source: "Google Identity: Using OAuth 2.0",
        anchors: &[b"GOCSPX-"],
        pattern: r"GOCSPX-(?<secret>[A-Za-z0-9_-]{28})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "google-access-token",
        heading: "access tokens of Google's OAuth",
        explain: "Opens what a user or a service account granted, for an hour.",
        source: "Google Identity: Using OAuth 2.0",
        anchors: &[b"ya29."],
        pattern: r"ya29\.(?:[a-z]\.)?(?<secret>[A-Za-z0-9_-]{40,})",
        reach: 2048,
        check: |found| {
            plausible::entropy(found.secret()) >= 4.0 && !plausible::contains(found.secret(), b"example")
        },
        ..TOKEN
    },
    ContentRule {
        id: "google-refresh-token",
        heading: "refresh tokens of Google's OAuth",
        explain: "Gets new access tokens until somebody revokes it: application default credentials, rclone.",
        source: "Google Identity: Using OAuth 2.0",
        anchors: &[b"1//0"],
        pattern: r"1//0(?<secret>[A-Za-z0-9_-]{40,})",
        ..MIXED
    },
    ContentRule {
        id: "google-hmac-key",
        heading: "HMAC keys of Google Cloud Storage",
        explain: "The id of a service account's key for the S3 API of Cloud Storage.",
        source: "Cloud Storage: HMAC keys",
        anchors: &[b"GOOG1E"],
        pattern: r"GOOG1E(?<secret>[A-Z0-9]{55})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "azure-account-key",
        heading: "account keys of Azure Storage and Cosmos DB",
        explain: "Opens all of an account. It must decode to 64 bytes.",
        source: "Azure Storage: Configure connection strings",
        tier: Tier::Proven,
        anchors: &[b"AccountKey="],
        pattern: r"AccountKey=(?<secret>[A-Za-z0-9+/]{86}==)",
        // The key of the storage emulator is the same on all machines, and starts so.
        check: |found| base64::decodes_to(found.secret(), 64) && !found.secret().starts_with(b"Eby8vdM02xNO"),
        ..TOKEN
    },
    ContentRule {
        id: "azure-shared-access-key",
        heading: "shared access keys of Azure",
        explain: "Sends to and reads from Service Bus, Event Hubs or IoT Hub. It must decode to 32 bytes.",
        source: "Azure Service Bus: Shared access signatures",
        tier: Tier::Proven,
        anchors: &[b"AccessKey"],
        before: 6,
        pattern: r"SharedAccessKey=(?<secret>[A-Za-z0-9+/]{43}=)",
        check: |found| base64::decodes_to(found.secret(), 32),
        ..TOKEN
    },
    ContentRule {
        id: "azure-sas",
        heading: "shared access signatures of Azure Storage",
        explain: "An address that opens a store to whom has it: its signature must decode to 32 bytes.",
        source: "Azure Storage: Create a service SAS",
        tier: Tier::Proven,
        anchors: &[b"sig="],
        before: 1,
        pattern: r"[&?;]sig=(?<secret>(?:[A-Za-z0-9]|%2[BbFf]){43,75}(?:%3[Dd]|=))",
        check: |found| {
            let mut digits = Vec::new();
            let mut rest = found.secret();
            while let Some((&byte, tail)) = rest.split_first() {
                let escape = byte == b'%' && tail.len() >= 2;
                digits.push(match (escape, escape.then(|| tail[1].to_ascii_lowercase())) {
                    (true, Some(b'b')) => b'+',
                    (true, Some(b'f')) => b'/',
                    (true, _) => b'=',
                    _ => byte,
                });
                rest = if escape { &tail[2..] } else { tail };
            }
            base64::decodes_to(&digits, 32)
        },
        ..TOKEN
    },
    ContentRule {
        id: "azure-client-secret",
        heading: "client secrets of Microsoft Entra",
        explain: "Lets a program speak as an application of a tenant: 40 characters, of which the fourth to the sixth \
                  are fixed.",
        source: "Microsoft Purview: Azure AD client secret",
        anchors: &[b"8Q~", b"7Q~"],
        pattern: r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}",
        before: 3,
        reach: 40,
        check: |found| plausible::random(found.secret()) && plausible::mixed(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "azure-identifiable-key",
        heading: "identifiable keys of Azure",
        explain: "A key that carries its service's signature at a fixed place: Storage, Cosmos DB, Cache, Search, \
                  DevOps and others.",
        source: "Microsoft: Identifiable secrets (Common Annotated Security Keys)",
        anchors: &[b"+ASt", b"ACDb", b"AzCa", b"AzSe", b"JQQJ9"],
        pattern: r"(?:[A-Za-z0-9+/]{76}(?:\+ASt|ACDb)[A-Za-z0-9+/]{5}[AQgw]==|[A-Za-z0-9]{33}AzCa[A-Za-z0-9]{6}=|[A-Za-z0-9]{42}AzSe[A-D][A-Za-z0-9]{5}|[A-Za-z0-9]{52}JQQJ9[9D][A-Za-z0-9]{26,30})",
        before: 76,
        reach: 48,
        ..MIXED
    },
    ContentRule {
        id: "digitalocean-token",
        heading: "DigitalOcean's tokens",
        explain: "A user's or an application's access to droplets and all else.",
        source: "DigitalOcean: API tokens",
        anchors: &[b"_v1_"],
        before: 3,
        pattern: r"do[opr]_v1_(?<secret>[0-9a-f]{64})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "alibaba-access-key",
        heading: "ids of Alibaba Cloud's access keys",
        explain: "The public half of an access key.",
        source: "Alibaba Cloud: AccessKey pair",
        anchors: &[b"LTAI"],
        pattern: r"LTAI[A-Za-z0-9]{16,20}",
        reach: 25,
        check: |found| {
            plausible::random(&found.secret()[4..])
                && plausible::mixed(&found.secret()[4..])
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(&byte))
        },
        ..TOKEN
    },
    ContentRule {
        id: "vault-token",
        heading: "tokens of Vault",
        explain: "A service or batch token of HashiCorp Vault.",
        source: "Vault: Tokens",
        anchors: &[b"hvs.", b"hvb."],
        pattern: r"hv[sb]\.(?<secret>[A-Za-z0-9_-]{24,300})",
        reach: 310,
        // Batch tokens all begin with the version of their key: a run of A.
        check: |found| {
            let text = found.secret().strip_prefix(b"AAAAAQ").unwrap_or(found.secret());
            plausible::random(text) && plausible::mixed(text)
        },
        ..TOKEN
    },
    ContentRule {
        id: "terraform-token",
        heading: "tokens of Terraform Cloud",
        explain: "Reads states, with all secrets in them, and changes what they describe.",
        source: "HCP Terraform: API tokens",
        anchors: &[b".atlasv1."],
        pattern: r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}",
        before: 14,
        reach: 80,
        ..MIXED
    },
    ContentRule {
        id: "pulumi-token",
        heading: "tokens of Pulumi",
        explain: "Reads states, with all secrets in them, and changes what they describe.",
        source: "Pulumi Cloud: Access tokens",
        anchors: &[b"pul-"],
        pattern: r"pul-(?<secret>[0-9a-f]{40})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "doppler-token",
        heading: "tokens of Doppler",
        explain: "Reads all secrets that Doppler keeps for a project or a person.",
        source: "Doppler: Auth token formats",
        anchors: &[b"dp.pt.", b"dp.st."],
        pattern: r"dp\.(?:pt|st(?:\.[a-z0-9_-]{2,35})?)\.(?<secret>[A-Za-z0-9]{40,44})",
        ..MIXED
    },
    ContentRule {
        id: "tailscale-key",
        heading: "keys of Tailscale",
        explain: "Adds machines to a private network, or administers it.",
        source: "Tailscale: Key prefixes",
        anchors: &[b"tskey-"],
        pattern: r"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{6,20}(?:CNTRL)?-(?<secret>[A-Za-z0-9]{20,40})",
        ..MIXED
    },
    ContentRule {
        id: "hosting-token",
        heading: "tokens of Heroku and PlanetScale",
        explain: "Administers applications or databases.",
        source: "Heroku: OAuth token formats; PlanetScale: Service tokens",
        anchors: &[b"HRKU-", b"pscale_"],
        pattern: r"(?:HRKU-[A-Za-z0-9_-]{36,64}|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,64})",
        check: |found| {
            plausible::random(&found.secret()[4..]) && found.secret().iter().any(u8::is_ascii_digit)
        },
        ..TOKEN
    },
    ContentRule {
        id: "databricks-token",
        heading: "tokens of Databricks",
        explain: "A user's access to a workspace.",
        source: "Databricks: Personal access tokens",
        anchors: &[b"dapi"],
        pattern: r"dapi(?<secret>[0-9a-f]{32})(?:-[0-9])?",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
];
