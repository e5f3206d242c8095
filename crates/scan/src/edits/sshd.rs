//! What sshd accepts: every line that says less than what is wanted gets the wanted value, in every file that the
//! configuration reaches, so that their order never matters; where no line speaks for everybody, one is added.
//!
//! Stricter values stay, as do comments, spelling, blanks and line ends. What sshd would not understand is not edited.

use super::{Context, EditId, Outcome, Rewrite, lines, names};
use crate::sshd::{Configuration, Directive, Part, Version, directive};

/// From here on sshd knows `prohibit-password`; before, `without-password`, which all know.
const PROHIBIT_PASSWORD: Version = (7, 0);
/// From here on ChallengeResponseAuthentication is another word for KbdInteractiveAuthentication. Before, it is the one
/// that decides.
const ONE_KEYWORD: Version = (8, 7);
/// Methods that ask for a password, as AuthenticationMethods names them.
const ASKING: [&str; 2] = ["password", "keyboard-interactive"];

/// What a keyword is to say.
struct Want {
    /// Names of the keyword, the one that is added first.
    keywords: &'static [&'static str],
    value: &'static str,
    /// Values that stay.
    stay: &'static [&'static str],
    /// Values that do not. There are no others.
    go: &'static [&'static str],
    /// Whether the other value in a `Match` takes something away, and so stays there.
    only_global: bool,
}

/// Those that edit sshd_config.
const ALL: [EditId; 4] =
    [EditId::SshdRootLogin, EditId::SshdPubkey, EditId::SshdNoPasswords, EditId::SshdNoDns];
const YES: &[&str] = &["yes"];
const NO: &[&str] = &["no"];
const KBD_INTERACTIVE: &str = "KbdInteractiveAuthentication";
const CHALLENGE_RESPONSE: &str = "ChallengeResponseAuthentication";

fn wants(edit: EditId, version: Option<Version>) -> Vec<Want> {
    let from = |since| version.is_some_and(|version| version >= since);
    let no = |keywords| Want { keywords, value: "no", stay: NO, go: YES, only_global: false };
    match edit {
        EditId::SshdRootLogin => vec![Want {
            keywords: &["PermitRootLogin"],
            value: if from(PROHIBIT_PASSWORD) { "prohibit-password" } else { "without-password" },
            stay: &["prohibit-password", "without-password", "forced-commands-only", "no"],
            go: YES,
            only_global: false,
        }],
        EditId::SshdPubkey => vec![Want {
            keywords: &["PubkeyAuthentication"],
            value: "yes",
            stay: YES,
            go: NO,
            only_global: true,
        }],
        EditId::SshdNoPasswords if from(ONE_KEYWORD) => vec![
            no(&["PasswordAuthentication"]),
            no(&[KBD_INTERACTIVE, CHALLENGE_RESPONSE, "SkeyAuthentication"]),
        ],
        EditId::SshdNoPasswords => vec![
            no(&["PasswordAuthentication"]),
            no(&[CHALLENGE_RESPONSE, "SkeyAuthentication"]),
            // Off if it is not set, and nothing an old version has to be told.
            no(&[KBD_INTERACTIVE]),
        ],
        EditId::SshdNoDns => vec![no(&["UseDNS"])],
        _ => Vec::new(),
    }
}

impl Want {
    fn is(&self, keyword: &str) -> bool {
        self.keywords.iter().any(|known| known.eq_ignore_ascii_case(keyword))
    }

    fn has(list: &[&str], value: &str) -> bool {
        list.iter().any(|known| known.eq_ignore_ascii_case(value))
    }

    /// Whether a line has to change.
    fn weak(&self, directive: &Directive) -> bool {
        self.is(&directive.keyword)
            && directive.words.first().is_some_and(|word| Self::has(self.go, &word.value))
    }

    /// Whether sshd understands what all files say of the keyword. The error is a sentence's end.
    fn check(&self, configuration: &Configuration) -> Result<(), String> {
        for (keyword, setting) in configuration.settings.iter().filter(|(keyword, _)| self.is(keyword)) {
            let known = |value: &String| Self::has(self.stay, value) || Self::has(self.go, value);
            if setting.values.len() != 1 || !setting.values.iter().all(known) {
                let (line, file) = (setting.line, &setting.file);
                return Err(format!("line {line} of {file} gives {keyword} a value that sshd does not know"));
            }
        }
        Ok(())
    }

    /// The keyword to add, if no line sets it for everybody.
    fn missing(&self, configuration: &Configuration) -> Option<&'static str> {
        let set = configuration
            .settings
            .iter()
            .any(|(keyword, setting)| self.is(keyword) && setting.matching.is_none());
        let silent = self.keywords == [KBD_INTERACTIVE];
        (!set && !silent).then_some(self.keywords[0])
    }
}

pub(super) fn harden(edit: EditId, content: &[u8], context: &Context<'_>) -> Result<Outcome, String> {
    let Some(Part { configuration, file, main }) = context.sshd else { return Ok(Outcome::default()) };
    let wants = wants(edit, configuration.version);
    let understood = understood(context.together, configuration);
    // One sentence is enough for all files.
    if let Err(problem) = understood {
        return if main { Err(problem) } else { Ok(Outcome::default()) };
    }
    let mut text = Text::new(content)?;
    let mut outcome = Outcome::default();
    let mut changes = Vec::new();
    for want in &wants {
        for line in &mut text.lines {
            let Some(directive) = line.directive.as_ref().filter(|directive| want.weak(directive)) else {
                continue;
            };
            let where_ = match &line.matching {
                Some(criteria) => format!("line {}, for Match {}", line.number, names(&[criteria])),
                None => format!("line {}", line.number),
            };
            let (spelled, word) = (&directive.spelled, &directive.words[0]);
            // A block for all is for everybody.
            let narrow =
                !file.globally || line.matching.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case("all"));
            if want.only_global && narrow {
                outcome.notes.push(format!("{where_} says {spelled} {}, and stays", word.value));
                continue;
            }
            changes.push(format!("{where_}: {spelled} {} becomes {}", word.value, want.value));
            line.text.splice(word.start..word.end, want.value.bytes());
            line.directive = None;
        }
        if let Some(keyword) = want.missing(configuration).filter(|_| main) {
            let number = text.add(keyword, want.value);
            changes.push(format!("line {number}: {keyword} {} is new", want.value));
        }
    }
    if !changes.is_empty() {
        if file.path.0.starts_with(b"/usr/") {
            outcome
                .notes
                .push("it belongs to a package, whose next version brings the old values back".to_owned());
        }
        outcome.rewrite = Some(Rewrite { content: text.content(), changes });
    }
    Ok(outcome)
}

/// Whether the whole configuration can be edited. The error is the end of a sentence on its main file.
fn understood(together: &[EditId], configuration: &Configuration) -> Result<(), String> {
    if let Some(problem) = &configuration.problem {
        return Err(problem.clone());
    }
    // Of what any of the rules would edit: a file is edited by all of them, or by none.
    let every = ALL.into_iter().flat_map(|edit| wants(edit, configuration.version));
    for want in every {
        want.check(configuration)?;
    }
    // Then no edit is made: not even one that this line would not mind.
    if !together.contains(&EditId::SshdNoPasswords) {
        return Ok(());
    }
    let methods = configuration.settings.iter().filter(|(keyword, _)| keyword == "authenticationmethods");
    for (_, setting) in methods {
        // Several lists, of which one is to be met; a method may have a device behind a colon.
        let asks = |list: &String| {
            list.split(',').any(|method| ASKING.contains(&method.split(':').next().unwrap_or_default()))
        };
        if setting.values.iter().all(asks) {
            let (line, file) = (setting.line, &setting.file);
            return Err(format!(
                "line {line} of {file} (AuthenticationMethods) lets nobody in without a password"
            ));
        }
    }
    Ok(())
}

/// A file, line by line.
struct Text {
    lines: Vec<Line>,
}

struct Line {
    /// In the file as it was; 0 if it is new.
    number: usize,
    text: Vec<u8>,
    end: Vec<u8>,
    /// `None` for comments, and once it is changed.
    directive: Option<Directive>,
    /// The criteria of the `Match` of this file that it is in; for the line `Match` itself, too.
    matching: Option<String>,
}

impl Text {
    fn new(content: &[u8]) -> Result<Self, String> {
        let (mut all, mut matching) = (Vec::new(), None);
        for (number, line) in (1..).zip(lines::lines(content)) {
            let directive = directive(line.text).map_err(|reason| format!("line {number} {reason}"))?;
            if let Some(found) = directive.as_ref().filter(|found| found.keyword == "match") {
                let values: Vec<&str> = found.words.iter().map(|word| word.value.as_str()).collect();
                matching = Some(values.join(" "));
            }
            let (text, end) = (line.text.to_vec(), line.end.to_vec());
            all.push(Line { number, text, end, directive, matching: matching.clone() });
        }
        Ok(Self { lines: all })
    }

    fn content(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| [line.text.as_slice(), &line.end].concat()).collect()
    }

    /// Adds a line that is for everybody: in the place of its commented default, or else in front of the first `Match`.
    /// Returns its number.
    fn add(&mut self, keyword: &str, value: &str) -> usize {
        let global = self.lines.iter().position(|line| line.matching.is_some()).unwrap_or(self.lines.len());
        let new = format!("{keyword} {value}").into_bytes();
        if let Some(at) = self.lines[..global].iter().position(|line| is_default(&line.text, keyword)) {
            self.lines[at].text = new;
            return at + 1;
        }
        let end = self
            .lines
            .first()
            .filter(|line| !line.end.is_empty())
            .map_or(b"\n".to_vec(), |line| line.end.clone());
        if let Some(last) = self.lines[..global].last_mut().filter(|line| line.end.is_empty()) {
            last.end.clone_from(&end);
        }
        self.lines.insert(global, Line { number: 0, text: new, end, directive: None, matching: None });
        global + 1
    }
}

/// Whether a comment is the default of a keyword, as packages ship it: `#PermitRootLogin yes`, and no prose.
fn is_default(text: &[u8], keyword: &str) -> bool {
    let Some(text) = text.strip_prefix(b"#").filter(|text| text.starts_with(&keyword.as_bytes()[..1])) else {
        return false;
    };
    matches!(directive(text), Ok(Some(found)) if found.spelled == keyword && found.words.len() == 1)
}
