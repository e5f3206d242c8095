//! Tokens of source code hosts, registries of packages and continuous integration.

use super::{MIXED, TOKEN};
use crate::content::{
    ContentRule, Tier,
    check::{self, plausible, secret},
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "github-token",
        heading: "GitHub tokens",
        explain: "A personal, OAuth, user-to-server, server-to-server or refresh token of GitHub: reads and writes \
                  repositories. Its last six characters are a checksum of those before; that must be right.",
        source: "GitHub: Behind GitHub's new authentication token formats, 2021",
        tier: Tier::Proven,
        anchors: &[b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"],
        pattern: r"gh[pousr]_[A-Za-z0-9]{36}",
        before: 0,
        reach: 40,
        check: check::github::token,
    },
    ContentRule {
        id: "github-fine-grained-token",
        heading: "GitHub's fine-grained tokens",
        explain: "A personal token for chosen repositories.",
        source: "GitHub: Introducing fine-grained personal access tokens, 2022",
        anchors: &[b"github_pat_"],
        pattern: r"github_pat_(?<secret>[0-9A-Z]{22}_[A-Za-z0-9]{59}|[A-Za-z0-9]{22}_[A-Za-z0-9]{59})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "gitlab-routable-token",
        heading: "GitLab's routable tokens",
        explain: "A token of GitLab that says where it leads. Its length and its checksum must be right.",
        source: "GitLab: Cells: Routable Tokens",
        tier: Tier::Proven,
        anchors: &[b"glpat-", b"gldt-", b"glrt", b"glcbt-", b"glptt-", b"glagent-"],
        pattern: r"gl(?:pat|dt|rtr?|cbt|ptt|agent)-(?:t[0-9]_)?[A-Za-z0-9_-]{20,300}\.(?:[0-9a-z]{2}\.)?[0-9a-z]{9}",
        reach: 340,
        check: |found| check::checksum::gitlab(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "gitlab-token",
        heading: "GitLab tokens",
        explain: "A personal, project, deploy, runner, job, trigger, agent, SCIM or OAuth token \
                  of GitLab, without a checksum.",
        source: "GitLab: Token overview, Token prefixes",
        anchors: &[
            b"glpat-",
            b"gldt-",
            b"glrt",
            b"glcbt-",
            b"glptt-",
            b"glagent-",
            b"glsoat-",
            b"gloas-",
            b"GR1348941",
        ],
        pattern: r"(?:gl(?:pat|dt|rtr?|cbt|ptt|agent|soat|oas)-|GR1348941)(?<secret>[A-Za-z0-9_-]{20,64})",
        check: |found| plausible::random(found.secret()) && found.secret().iter().any(u8::is_ascii_digit),
        ..TOKEN
    },
    ContentRule {
        id: "bitbucket-token",
        heading: "Bitbucket's app passwords and access tokens",
        explain: "A user's or a repository's access to Bitbucket.",
        source: "Atlassian: App passwords; Access tokens",
        anchors: &[b"ATBB", b"TT3xFfG"],
        before: 3,
        pattern: r"(?:ATBB(?<secret>[A-Za-z0-9]{32})|ATCTT3xFfG[A-Za-z0-9+/=_-]{100,})",
        // Four letters of base 64 are in any blob: the token must end where its length says.
        check: |found| {
            let text = found.secret();
            plausible::mixed_token(text)
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(&byte))
        },
        ..TOKEN
    },
    ContentRule {
        id: "atlassian-token",
        heading: "Atlassian's API tokens",
        explain: "A user's access to Jira, Confluence and the rest of the cloud's products.",
        source: "Atlassian: Manage API tokens for your account",
        anchors: &[b"TT3xFfG"],
        before: 3,
        pattern: r"ATATT3xFfG[A-Za-z0-9+/=_-]{150,}",
        reach: 400,
        ..MIXED
    },
    ContentRule {
        id: "npm-token",
        heading: "npm tokens",
        explain: "Publishes packages. Its last six characters are a checksum of those before; that must be right.",
        source: "GitHub changelog: npm has a new access token format, 2021",
        tier: Tier::Proven,
        anchors: &[b"npm_"],
        pattern: r"npm_[A-Za-z0-9]{36}",
        // The format is GitHub's, with another prefix of the same length.
        check: check::github::token,
        ..TOKEN
    },
    ContentRule {
        id: "npmrc-token",
        heading: "registry credentials of npm",
        explain: "The older token of a registry, or user and password, in .npmrc.",
        source: "npm: npmrc, auth related configuration",
        tier: Tier::Likely,
        anchors: &[b"_auth"],
        before: 1,
        pattern: r#"[^A-Za-z0-9_]_auth(?:Token)?\s*=\s*"?(?<secret>[A-Za-z0-9+/_-]{16,120}={0,2})"#,
        check: |found| plausible::random(found.secret()) && found.secret().iter().any(u8::is_ascii_digit),
        ..TOKEN
    },
    ContentRule {
        id: "pypi-token",
        heading: "PyPI tokens",
        explain: "Publishes packages. It must decode to a macaroon for pypi.org or test.pypi.org.",
        source: "PyPI: API tokens; libmacaroons: format",
        tier: Tier::Proven,
        anchors: &[b"pypi-AgE"],
        pattern: r"pypi-AgE[A-Za-z0-9_-]{80,}",
        check: |found| secret::pypi(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "rubygems-key",
        heading: "RubyGems' keys",
        explain: "Publishes gems.",
        source: "RubyGems.org API: API key",
        anchors: &[b"rubygems_"],
        pattern: r"rubygems_(?<secret>[0-9a-f]{48})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "crates-io-token",
        heading: "crates.io tokens",
        explain: "Publishes crates.",
        source: "crates.io: src/util/token.rs",
        anchors: &[b"cio"],
        pattern: r"cio[A-Za-z0-9]{32}",
        reach: 35,
        check: |found| {
            plausible::random(&found.secret()[3..])
                && plausible::mixed(&found.secret()[3..])
                && plausible::entropy(&found.secret()[3..]) >= 4.0
                && found
                    .next()
                    .is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'/' && byte != b'+')
        },
        ..TOKEN
    },
    ContentRule {
        id: "nuget-key",
        heading: "NuGet keys",
        explain: "Publishes packages of .NET.",
        source: "NuGet.org: API keys",
        anchors: &[b"oy2"],
        pattern: r"oy2[a-p][a-z0-9]{42}",
        check: |found| {
            plausible::random(found.secret())
                && plausible::entropy(found.secret()) >= 4.0
                && found.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())
        },
        ..TOKEN
    },
    ContentRule {
        id: "docker-token",
        heading: "Docker Hub's tokens",
        explain: "A user's or an organisation's access to images.",
        source: "Docker: Personal access tokens; Organization access tokens",
        anchors: &[b"dckr_"],
        pattern: r"dckr_[po]at_(?<secret>[A-Za-z0-9_-]{27,32})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "docker-swarm-secret",
        heading: "join tokens and unlock keys of Docker Swarm",
        explain: "Makes any machine a member of the cluster, or unlocks a manager.",
        source: "Docker: docker swarm join-token, unlock-key",
        anchors: &[b"SWMTKN-1-", b"SWMKEY-1-"],
        pattern: r"SWM(?:TKN-1-(?<secret>[0-9a-z]{50}-[0-9a-z]{25})|KEY-1-(?<key>[A-Za-z0-9+/]{43}))",
        check: |found| {
            let text = found.group("key").or(found.group("secret")).unwrap_or_default();
            plausible::random(text)
                && !plausible::contains(text, b"sampling")
                && !plausible::contains(text, b"token")
        },
        ..TOKEN
    },
    ContentRule {
        id: "docker-auth",
        heading: "registry credentials of Docker",
        explain: "User and password of a registry of images, in config.json or a pull secret. What it decodes to must \
                  be such a pair.",
        source: "Docker: docker login; Kubernetes: .dockerconfigjson",
        anchors: &[b"\"auth\""],
        pattern: r#""auth"\s*:\s*"(?<secret>[A-Za-z0-9+/]{8,2000}={0,2})""#,
        reach: 2048,
        check: |found| secret::basic(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "jfrog-key",
        heading: "JFrog's API keys",
        explain: "A user's access to Artifactory.",
        source: "JFrog: API key",
        anchors: &[b"AKCp"],
        pattern: r"AKCp[A-Za-z0-9]{60,80}",
        ..MIXED
    },
    ContentRule {
        id: "circleci-token",
        heading: "tokens of CircleCI",
        explain: "Starts and reads builds, and often what they deploy with.",
        source: "CircleCI: Managing API tokens",
        anchors: &[b"CCIPAT_"],
        pattern: r"CCIPAT_[A-Za-z0-9]{22}_(?<secret>[0-9a-f]{40})",
        check: |found| plausible::random(found.secret()),
        ..TOKEN
    },
];
