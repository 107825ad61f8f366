//! What may pass: flags, and a policy file that is never looked for, only named.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use toml::value::Datetime;
use verifier::policy::{Allow, Date, FailOn, Policy};

use crate::clock;
use crate::input::read_text;
use crate::reports::Reports;

/// Which findings may pass. They stay in the report and are counted.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// What fails: what differs or is undecided [default], or warnings as well
    #[arg(long, value_enum, value_name = "EFFECT", hide_possible_values = true)]
    fail_on: Option<FailOnFlag>,
    /// Let findings with this code pass, or only those about tensors or keys that PATTERN matches (* any text, ? one
    /// character). They stay in the report and are counted. Repeatable
    #[arg(long, value_name = "CODE[@PATTERN]", value_parser = Allow::parse)]
    allow: Vec<Allow>,
    /// Read such rules, with reasons and expiry dates, from this file (docs/policy.md)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FailOnFlag {
    /// What differs or is undecided
    Different,
    /// Warnings as well
    Warning,
}

impl Arguments {
    /// The file that is named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.policy.as_deref()
    }

    /// The policy of the flags and of the file that they name, which reports may name as well; a flag goes before the file.
    pub(crate) fn read(&self, reports: &mut Reports) -> anyhow::Result<Policy> {
        let file = match &self.policy {
            Some(path) => read_file(path, reports)?,
            None => PolicyFile::default(),
        };
        let mut allow = self.allow.clone();
        for entry in file.allow {
            let pattern = entry.pattern.as_deref();
            let mut rule = Allow::new(&entry.code.0, pattern).map_err(anyhow::Error::msg)?;
            rule.reason = Some(entry.reason.0);
            rule.expires = entry.expires.map(|day| day.0);
            allow.push(rule);
        }
        Ok(Policy {
            fail_on: match self.fail_on.or(file.fail_on) {
                None | Some(FailOnFlag::Different) => FailOn::Different,
                Some(FailOnFlag::Warning) => FailOn::Warning,
            },
            allow,
            today: clock::today(),
        })
    }
}

/// What `convert --record-only` lets pass.
///
/// # Errors
/// Fails for no code of the verifier.
pub(crate) fn of_record_only() -> anyhow::Result<Policy> {
    let mut allow = Allow::new("meta.record-only", None).map_err(anyhow::Error::msg)?;
    allow.reason = Some("--record-only".to_owned());
    Ok(Policy {
        allow: vec![allow],
        ..Policy::default()
    })
}

fn read_file(path: &Path, reports: &mut Reports) -> anyhow::Result<PolicyFile> {
    let text = read_text(path)?;
    reports.set_policy(path, &text);
    toml::from_str(&text).with_context(|| format!("{} is no policy", path.display()))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PolicyFile {
    fail_on: Option<FailOnFlag>,
    #[serde(default)]
    allow: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: Code,
    pattern: Option<String>,
    reason: Reason,
    expires: Option<Day>,
}

/// A code that can be allowed; tested where it stands, so that an error has its line.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Code(String);

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Allow::new(&text, None)?;
        Ok(Self(text))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().is_empty() {
            return Err("the reason is empty");
        }
        Ok(Self(text))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "Datetime")]
struct Day(Date);

impl TryFrom<Datetime> for Day {
    type Error = &'static str;

    fn try_from(found: Datetime) -> Result<Self, Self::Error> {
        let only = found.time.is_none() && found.offset.is_none();
        let day = found
            .date
            .filter(|_| only)
            .and_then(|date| Date::new(date.year, date.month, date.day));
        day.map(Self)
            .ok_or("expected a day without quotation marks, such as 2027-01-31")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_file_says_where_it_is_wrong() {
        let entry = "[[allow]]\ncode = \"tensor.bytes\"\nreason = \"known\"\n";
        let good = format!("fail-on = \"warning\"\n{entry}expires = 2027-01-31\n");
        assert!(toml::from_str::<PolicyFile>(&good).is_ok());
        for (text, line, word) in [
            (format!("fail_on = \"warning\"\n{entry}"), 1, "fail_on"),
            (format!("{entry}because = \"x\"\n"), 4, "because"),
            (format!("{entry}expires = \"2027-01-31\"\n"), 4, "datetime"),
            (entry.replace("known", " "), 3, "empty"),
            (entry.replace("reason = \"known\"\n", ""), 1, "reason"),
            (entry.replace("tensor.bytes", "tensor.byte"), 2, "no code"),
            (entry.replace("tensor.bytes", "input-changed"), 2, "never"),
        ] {
            let error = toml::from_str::<PolicyFile>(&text).err().unwrap();
            let said = error.to_string();
            assert!(said.contains(&format!("line {line}")), "{said}");
            assert!(said.contains(word), "{said}");
        }
    }
}
