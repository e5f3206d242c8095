//! The table: every bullet of a guideline, its state, and the evidence.

use std::{collections::BTreeMap, fmt};

use scan::{Note, Rule, RuleId, Selection, built_in_policies, rules};
use serde::Serialize;
use verify::Finding;

use crate::{
    Bullet, Check, Evidence, Guideline, Observation, Question, Severity, bullets, checks,
    evidence::{
        files, general, is_asked, of_check, of_residue, of_rule, of_secrets, of_unreadable, of_user_keys,
        path_of, secrets, unknown,
    },
    judgement::judged,
};

/// What becomes of what a rule would take.
const CLEAN: &str =
    "`diskscrub clean` with this policy does it, unless the evidence says that a file is left as it is.";

/// How a bullet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing speaks against it.
    Met,
    /// It was failed by the original, and is met now.
    Changed,
    /// Something speaks against it.
    Failed,
    /// The image alone does not decide it.
    Undecided,
    /// diskscrub does not look yet.
    NotYet,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Changed => "changed",
            Self::Failed => "FAILED",
            Self::Undecided => "not decidable offline",
            Self::NotYet => "not yet",
        })
    }
}

/// One bullet, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `A4`, `O12`; `policy` for what a policy asks beyond the guideline.
    pub id: &'static str,
    /// What is asked.
    pub asks: &'static str,
    /// How it stands.
    pub status: Status,
    /// Why, the worst first.
    pub evidence: Vec<Evidence>,
    /// What to do about it: advice of the checks that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<&'static str>,
}

/// A guideline, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Which.
    pub guideline: Guideline,
    /// In the order of the document; the last says what else the policy asks.
    pub rows: Vec<Row>,
}

/// All that is known about an image.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// The rules by path that were asked.
    pub selection: &'a Selection,
    /// What they would take or change.
    pub files: &'a [scan::Finding],
    /// What they could not.
    pub notes: &'a [Note],
    /// Residue, secrets by content, disagreements; `None`: nobody looked.
    pub findings: Option<&'a [Finding]>,
    /// What the checks saw.
    pub observations: &'a [Observation],
    /// What was not read of the image, each as a sentence without a full stop: then nothing is known to be absent.
    pub unread: &'a [String],
}

impl Table {
    /// How many bullets stand so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.rows.iter().filter(|row| row.status == status).count()
    }

    /// The same table, with what the original failed and this one meets as changed.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        for (row, was) in self.rows.iter_mut().zip(&before.rows) {
            if row.status == Status::Met && was.status == Status::Failed {
                row.status = Status::Changed;
            }
            if was.status == Status::Failed && row.status != Status::Failed {
                let failed = was.evidence.iter().filter(|evidence| evidence.severity == Severity::Fail);
                row.evidence.extend(failed.map(|evidence| Evidence {
                    severity: Severity::Info,
                    what: format!("before: {}", evidence.what),
                    ..evidence.clone()
                }));
            }
        }
        self
    }
}

/// Answers every bullet of a guideline.
#[must_use]
pub fn table(guideline: Guideline, answers: &Answers<'_>) -> Table {
    let mut rows: Vec<Row> =
        bullets(guideline).iter().map(|bullet| answer(guideline, bullet, answers)).collect();
    rows.push(beyond(guideline, answers));
    Table { guideline, rows }
}

/// Whether a bullet is among the sources of a rule.
pub(crate) fn names(rule: &Rule, bullet: &str) -> bool {
    rule.sources.iter().any(|source| source.bullet() == Some(bullet))
}

/// Whether the guideline's own policy has a rule, or the user's policy defines it.
fn wants(guideline: Guideline, rule: &Rule) -> bool {
    is_own(rule)
        || built_in_policies().iter().any(|policy| policy.name == guideline.policy() && policy.applies(rule))
}

/// Whether a policy defines the rule.
fn is_own(rule: &Rule) -> bool {
    rules::get(rule.id).is_none()
}

fn answer(guideline: Guideline, bullet: &Bullet, answers: &Answers<'_>) -> Row {
    let mut evidence = Vec::new();
    let mut advice = Vec::new();
    let mut not_yet = false;
    let looks = |question: &Question| !matches!(question, Question::Undecidable(_) | Question::NotYet);
    if bullet.questions.iter().any(looks) {
        evidence.extend(answers.unread.iter().map(|what| unknown(what)));
    }
    for question in bullet.questions {
        match question {
            Question::Rules => {
                let asked = rules::all().filter(|rule| names(rule, bullet.id) && wants(guideline, rule));
                let before = evidence.len();
                for rule in asked {
                    evidence.extend(of_rule(rule, answers));
                }
                let failed = |evidence: &Evidence| evidence.severity == Severity::Fail;
                advice.extend(evidence[before..].iter().any(failed).then_some(CLEAN));
            }
            Question::Secrets(known) => evidence.extend(of_secrets(known, answers)),
            Question::UserKeys => evidence.extend(of_user_keys(answers)),
            Question::Readable(id, paths) => evidence.extend(of_unreadable(id, paths, answers)),
            Question::Residue => evidence.extend(of_residue(answers)),
            Question::Check(id) => {
                let before = evidence.len();
                evidence.extend(of_check(id, answers));
                let failed = evidence[before..].iter().any(|evidence| evidence.severity == Severity::Fail);
                advice.extend(checks::get(id).filter(|_| failed).map(|check| check.advice));
            }
            Question::Undecidable(why) => evidence.push(unknown(why)),
            Question::NotYet => not_yet = true,
        }
    }
    // A policy's own rules answer every bullet that they name.
    for rule in answers.selection.rules().filter(|rule| is_own(rule) && names(rule, bullet.id)) {
        evidence.extend(of_rule(rule, answers));
    }
    if not_yet {
        // What is asked of Windows neither holds nor fails by what a Linux has.
        let failed = evidence.iter_mut().filter(|evidence| evidence.severity == Severity::Fail);
        failed.for_each(|evidence| evidence.severity = Severity::Warn);
        advice.clear();
    }
    evidence.sort_by_key(|evidence| evidence.severity);
    let status = match evidence.first().map(|worst| worst.severity) {
        _ if not_yet => Status::NotYet,
        Some(Severity::Fail) => Status::Failed,
        Some(Severity::Unknown) => Status::Undecided,
        _ => Status::Met,
    };
    Row { id: bullet.id, asks: bullet.asks, status, evidence, advice }
}

/// What a policy asks beyond the guideline: rules and secrets that no bullet names, patterns and accounts of the user's,
/// pieces of removed files, what other readers say, and what checks see that the guideline does not ask for.
fn beyond(guideline: Guideline, answers: &Answers<'_>) -> Row {
    let bullets = bullets(guideline);
    let asks_rules =
        |bullet: &&Bullet, rule: &Rule| bullet.questions.contains(&Question::Rules) && names(rule, bullet.id);
    let named = |rule: &Rule| {
        wants(guideline, rule) && bullets.iter().any(|bullet| asks_rules(&bullet, rule))
            || is_own(rule) && bullets.iter().any(|bullet| names(rule, bullet.id))
    };
    let mut evidence = Vec::new();
    for rule in answers.selection.rules().filter(|rule| !named(rule)) {
        evidence.extend(of_rule(rule, answers));
    }
    let mut own: BTreeMap<&RuleId, Vec<String>> = BTreeMap::new();
    for finding in answers.files.iter().filter(|finding| !matches!(finding.rule, RuleId::BuiltIn(_))) {
        own.entry(&finding.rule).or_default().push(path_of(finding));
    }
    for (rule, paths) in own {
        evidence.extend(files(&rule.to_string(), "the user wants it gone", &paths));
    }
    // An account that was to go, and a file that could not be edited for it.
    for note in answers.notes {
        if let Note::NotEdited {
            path,
            rule: rule @ (RuleId::Remove(_) | RuleId::RemoveUser(_)),
            reason,
            ..
        } = note
        {
            evidence.push(Evidence {
                severity: Severity::Fail,
                by: Some(rule.to_string()),
                path: Some(path.to_string()),
                line: None,
                what: format!("is left as it is: {reason}"),
            });
        }
    }
    let asked = |rule: &str| {
        let mut questions = bullets.iter().flat_map(|bullet| bullet.questions);
        questions.any(|question| matches!(question, Question::Secrets(known) if is_asked(rule, known)))
    };
    evidence.extend(secrets(answers.findings.unwrap_or_default(), answers, |rule, _| !asked(rule)));
    let others = answers.findings.unwrap_or_default().iter();
    let odd = |finding: &&Finding| {
        matches!(finding, Finding::NotRetained { .. } | Finding::Disagreement { .. } | Finding::Damage { .. })
    };
    evidence.extend(others.clone().filter(odd).map(general));
    let remnant = |finding: &Finding| match finding {
        Finding::Remnant { digest, .. } => Some(judged(answers.selection, general(finding), Some(digest))),
        _ => None,
    };
    evidence.extend(others.filter_map(remnant));
    // What only the other guideline asks is told, and fails nothing here.
    let asks =
        |check: &&Check| bullets.iter().any(|bullet| bullet.questions.contains(&Question::Check(check.id)));
    for check in checks::all().filter(|check| !asks(check)) {
        evidence.extend(of_check(check.id, answers).into_iter().filter_map(|seen| match seen.severity {
            Severity::Fail | Severity::Warn => Some(Evidence { severity: Severity::Warn, ..seen }),
            Severity::Unknown | Severity::Info => None,
        }));
    }
    evidence.sort_by_key(|evidence| evidence.severity);
    let status = match evidence.first().map(|worst| worst.severity) {
        Some(Severity::Fail) => Status::Failed,
        Some(Severity::Unknown) => Status::Undecided,
        _ => Status::Met,
    };
    Row {
        id: "policy",
        asks: "What the policy asks beyond the guideline.",
        status,
        evidence,
        advice: Vec::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ::tests::sketch::Tree;
    use scan::{Around, Guest, Overrides, Policy, VolumeSource, content::rules as content};
    use verify::{Place as Spot, Region, Tier};

    use super::*;
    use crate::{System, observe};

    /// The table of a tree by the text of a policy.
    pub(crate) fn asked(tree: &str, policy: &str, findings: Option<&[Finding]>) -> Table {
        let tree = Tree::new(&format!("/etc/os-release = ID=debian\n{tree}"));
        let source = VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() };
        let guest = Guest::open(vec![source]).unwrap();
        let (checks, bullets) = (checks::ids(), crate::sources());
        let around = Around { checks: &checks, bullets: &bullets, ..Around::NOTHING };
        let policy = Policy::from_file("policy.toml".as_ref(), policy, &around).unwrap();
        let selection = Selection::new(&policy, &Overrides::default()).unwrap();
        let scan = scan::scan(&guest, &selection).unwrap();
        let observations = observe(&System::new(&guest)).unwrap();
        let answers = Answers {
            selection: &selection,
            files: &scan.findings,
            notes: &scan.notes,
            findings,
            observations: &observations,
            unread: &[],
        };
        table(Guideline::of_policy(policy.base()).unwrap(), &answers)
    }

    pub(crate) fn row<'t>(table: &'t Table, id: &str) -> &'t Row {
        table.rows.iter().find(|row| row.id == id).unwrap()
    }

    pub(crate) fn evidence(row: &Row) -> Vec<(Severity, &str, Option<&str>, &str)> {
        row.evidence
            .iter()
            .map(|seen| {
                let by = seen.by.as_deref().unwrap_or_default();
                (seen.severity, by, seen.path.as_deref(), seen.what.as_str())
            })
            .collect()
    }

    pub(crate) fn secret(rule: &'static str) -> Finding {
        let place = Spot {
            volume: Some(1),
            region: Region::File,
            offset: 4096,
            length: 40,
            inode: Some(12),
            path: Some("/opt/x".to_owned()),
            file_offset: Some(0),
            inside: Vec::new(),
            was: None,
        };
        Finding::Secret { rule, tier: Tier::Likely, place, digest: String::new() }
    }

    #[test]
    fn a_file_that_a_rule_would_take_fails_the_bullets_that_ask_for_the_rule() {
        let table = asked("/root/.bash_history", "extends = 'aws'", Some(&[]));
        let failed = evidence(row(&table, "A11"));
        let heading = "Histories of shells";
        assert_eq!(failed, [(Severity::Fail, "shell-histories", Some("/root/.bash_history"), heading)]);
        assert_eq!(row(&table, "A11").status, Status::Failed);
        assert_eq!(row(&table, "A7").status, Status::Met);
        assert_eq!(asked("", "extends = 'aws'", Some(&[])).rows[10].status, Status::Met);
    }

    #[test]
    fn a_rule_that_the_policy_leaves_out_decides_nothing() {
        let table = asked("/root/.bash_history", "extends = 'aws'\nskip = ['shell-histories']", Some(&[]));
        assert_eq!(row(&table, "A11").status, Status::Undecided);
    }

    #[test]
    fn what_cannot_be_edited_fails_its_bullet() {
        let table = asked("/etc/shadow = root", "extends = 'outscale'", Some(&[]));
        let [(Severity::Fail, "password-hashes", Some("/etc/shadow"), why), ..] =
            evidence(row(&table, "O9"))[..]
        else {
            panic!("{:?}", row(&table, "O9"))
        };
        assert!(why.starts_with("is left as it is: "), "{why}");
    }

    #[test]
    fn contents_answer_only_if_somebody_looked() {
        let state = |findings, id| row(&asked("", "extends = 'outscale'", findings), id).status;
        assert_eq!(state(None, "O3"), Status::Undecided);
        assert_eq!(state(Some(&[]), "O3"), Status::Met);
        let key = [secret("outscale-secret-key")];
        assert_eq!(state(Some(&key), "O3"), Status::Failed);
        assert_eq!(state(Some(&key), "O4"), Status::Failed, "a cloud's, too");
        assert_eq!(state(Some(&key), "O9"), Status::Met);
        // No bullet asks for what only its context tells.
        let other = content::FAMILIES.iter().find(|family| family.heading == "By context").unwrap();
        assert_eq!(state(Some(&[secret(other.rules[0].id)]), "policy"), Status::Failed);
    }

    #[test]
    fn residue_is_one_piece_of_evidence() {
        let left = |region, bytes| Finding::Residue { volume: Some(1), region, first: 512, bytes };
        let findings = [left(Region::Journal, 7), left(Region::Free, 9), left(Region::Journal, 5)];
        let table = asked("", "extends = 'aws'", Some(&findings));
        let what = "bytes that nothing live claims are not zero: 12 in journal, 9 in free";
        assert_eq!(evidence(row(&table, "A5")), [(Severity::Fail, "residue", None, what)]);
    }

    #[test]
    fn a_kept_account_s_hash_is_a_fact() {
        let hash = "$6$fakesalt$0123456789abcdef";
        let tree = |root: &str| format!("/etc/shadow = root:{root}:1::::::\\nal:{hash}:1::::::");
        let found = |path: &str| {
            let Finding::Secret { rule, tier, mut place, digest } = secret("crypt-sha512") else {
                unreachable!()
            };
            place.path = Some(path.to_owned());
            [Finding::Secret { rule, tier, place, digest }]
        };
        let status = |root: &str, path: &str, policy: &str| {
            let table = asked(&tree(root), &format!("extends = 'outscale'\n{policy}"), Some(&found(path)));
            row(&table, "O9").status
        };
        let keep = "keep_users = ['al']";
        assert_eq!(status("*", "/etc/shadow", keep), Status::Met);
        assert_eq!(status("*", "/etc/shadow", ""), Status::Failed);
        assert_eq!(status(hash, "/etc/shadow", keep), Status::Failed, "root's is still there");
        assert_eq!(status("*", "/root/backup", keep), Status::Failed, "only where it belongs");
        let table = asked(&tree("*"), &format!("extends = 'outscale'\n{keep}"), Some(&found("/etc/shadow")));
        let [(Severity::Info, "crypt-sha512", Some("/etc/shadow"), what)] = evidence(row(&table, "O9"))[..]
        else {
            panic!("{:?}", row(&table, "O9"))
        };
        assert!(what.starts_with("accepted: the policy keeps the password of al ("), "{what}");
    }

    #[test]
    fn an_account_that_cannot_go_is_what_the_policy_asks_in_vain() {
        let tree = "/etc/passwd = root:x:0:0::/root:/bin/sh\\npacker:x:1000:1000::/home/packer:/bin/sh\\n\n\
                    /etc/group = packer:x:1000:\\n<<<\\n\n/etc/shadow = packer:!:1::::::\\n";
        let table = asked(tree, "extends = 'outscale'\nremove_users = ['packer']", Some(&[]));
        let seen = evidence(row(&table, "policy"));
        let by = |path: &str, what: &str| {
            let mut all = seen.iter();
            all.any(|(severity, by, at, said)| {
                (*severity, *by, *at) == (Severity::Fail, "remove-user packer", Some(path))
                    && said.starts_with(what)
            })
        };
        assert!(
            by("/etc/group", "is left as it is: ") && by("/etc/passwd", "the user wants it gone"),
            "{seen:?}"
        );
        let gone = asked(
            "/etc/passwd = root:x:0:0::/root:/bin/sh",
            "extends = 'outscale'\nremove_users = ['packer']",
            Some(&[]),
        );
        assert_eq!(row(&gone, "policy").status, Status::Met);
    }

    #[test]
    fn windows_is_never_met() {
        let table = asked("", "extends = 'outscale'", Some(&[]));
        for row in table.rows.iter().filter(|row| row.asks.starts_with("Windows")) {
            assert!(row.status == Status::NotYet, "{}: {}", row.id, row.status);
        }
        assert_eq!(table.rows.iter().filter(|row| row.asks.starts_with("Windows")).count(), 11);
    }

    #[test]
    fn under_windows_nothing_fails() {
        // O20 and O22 look at a Linux, O23 asks for what O5 and O10 ask for.
        let tree = "/home/al/.ssh/authorized_keys\n/var/lib/cloud/seed/nocloud/user-data\n/opt/x [4777]";
        let table = asked(tree, "extends = 'outscale'\nseverity.permissions = 'fail'", Some(&[]));
        for id in ["O20", "O22", "O23"] {
            let row = row(&table, id);
            assert_eq!((row.status, row.advice.len()), (Status::NotYet, 0), "{row:?}");
            assert!(row.evidence.iter().all(|evidence| evidence.severity != Severity::Fail), "{row:?}");
        }
        assert_eq!(row(&table, "O10").status, Status::Failed);
        let seed = evidence(row(&table, "policy"));
        assert!(seed.iter().any(|(_, by, ..)| *by == "cloud-init-seed"), "no other bullet asks: {seed:?}");
    }

    #[test]
    fn root_s_password_is_about_root() {
        let shadow = |root: &str, al: &str| {
            let tree = format!(
                "/etc/passwd = root:x:0:0::/root:/bin/sh\\nal:x:1000:1000::/home/al:/bin/sh\n\
                 /etc/shadow = root:{root}:1::::::\\nal:{al}:1::::::"
            );
            let table = asked(&tree, "extends = 'aws'", Some(&[]));
            (row(&table, "A3").status, row(&table, "policy").status)
        };
        let hash = "$6$fakesalt$0123456789abcdef";
        assert_eq!(shadow("*", "*"), (Status::Met, Status::Met));
        assert_eq!(
            shadow("!", hash),
            (Status::Met, Status::Failed),
            "the policy locks all, A3 asks for root"
        );
        assert_eq!(shadow(hash, "*").0, Status::Failed);
        // What cannot be read is not met.
        let table =
            asked("/etc/passwd = root:x:0:0::/root:/bin/sh\n/etc/shadow = <<<", "extends = 'aws'", Some(&[]));
        assert_eq!(row(&table, "A3").status, Status::Failed, "{:?}", row(&table, "A3"));
    }

    #[test]
    fn a_key_of_a_server_is_no_user_s() {
        let at = |rule: &'static str, region, path: Option<&str>| {
            let Finding::Secret { tier, mut place, digest, .. } = secret(rule) else { unreachable!() };
            (place.region, place.path) = (region, path.map(str::to_owned));
            let found = [Finding::Secret { rule, tier, place, digest }];
            let of = |policy: &str, ids: [&str; 2]| {
                let table = asked("", &format!("extends = '{policy}'"), Some(&found));
                ids.map(|id| row(&table, id).status == Status::Failed)
            };
            [of("aws", ["A10", "A14"]), of("outscale", ["O10", "O5"])]
        };
        let (user, server) = ([[true, true]; 2], [[false, true]; 2]);
        let pem = "pem-private-key";
        assert_eq!(at(pem, Region::File, Some("/etc/ssl/private/server.key")), server);
        assert_eq!(at(pem, Region::File, Some("/usr/share/doc/x/test.pem")), server);
        assert_eq!(at(pem, Region::File, Some("/home/al/id_rsa")), user);
        assert_eq!(at(pem, Region::File, Some("/opt/deploy")), user);
        assert_eq!(at(pem, Region::File, Some("/etc/skel/.ssh/id_rsa")), user);
        assert_eq!(at(pem, Region::Free, None), user, "nothing tells whose it was");
        assert_eq!(at("openssh-key-body", Region::File, Some("/etc/backup.conf")), user);
        assert_eq!(at("jwk-private-key", Region::File, Some("/home/al/x.json")), server);
    }

    #[test]
    fn an_edit_is_told_by_what_it_would_do() {
        let table = asked("/etc/shadow = root:$6$x$y:1::::::", "extends = 'outscale'", Some(&[]));
        let what = "to be edited: locks root";
        assert_eq!(
            evidence(row(&table, "O9"))[0],
            (Severity::Fail, "password-hashes", Some("/etc/shadow"), what)
        );
        assert_eq!(row(&table, "O9").advice, [CLEAN]);
    }

    #[test]
    fn what_was_not_read_leaves_nothing_met() {
        let policy = Policy::from_toml("extends = 'aws'").unwrap();
        let selection = Selection::new(&policy, &Overrides::default()).unwrap();
        let unread = ["volume 2 is not read: XFS".to_owned()];
        let answers = Answers {
            selection: &selection,
            files: &[],
            notes: &[],
            findings: Some(&[]),
            observations: &[],
            unread: &unread,
        };
        let table = table(Guideline::Aws, &answers);
        assert!(
            table.rows.iter().all(|row| row.id == "policy" || row.status == Status::Undecided),
            "{table:#?}"
        );
        assert_eq!(evidence(row(&table, "A4"))[0].3, unread[0]);
    }

    #[test]
    fn what_only_the_other_guideline_asks_is_told_and_fails_nothing() {
        let twin = "/etc/passwd = root:x:0:0::/root:/bin/sh\\ntwin:x:0:0::/root:/bin/sh";
        let table = asked(twin, "extends = 'aws'", Some(&[]));
        let told = evidence(row(&table, "policy"));
        assert!(
            told.iter().any(|(severity, by, ..)| (*severity, *by) == (Severity::Warn, "uid-zero")),
            "{told:?}"
        );
        assert_eq!(row(&table, "policy").status, Status::Met);
        assert_eq!(row(&asked(twin, "extends = 'outscale'", Some(&[])), "O6").status, Status::Failed);
    }

    #[test]
    fn what_the_original_failed_is_changed() {
        let policy = "extends = 'aws'";
        let before = asked("/root/.bash_history\n/root/.ssh/authorized_keys", policy, Some(&[]));
        let table = asked("/root/.ssh/authorized_keys", policy, Some(&[])).since(&before);
        assert_eq!(row(&table, "A11").status, Status::Changed);
        assert_eq!(evidence(row(&table, "A11"))[0].3, "before: Histories of shells");
        assert_eq!(row(&table, "A7").status, Status::Failed);
        assert_eq!(row(&table, "A14").status, Status::Met);
    }
}
