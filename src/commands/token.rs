//! `aprove token`: who may use a service.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use service::store::tokens::{NewToken, Scope};

use crate::commands::serve::Settings;
use crate::exit::Outcome;
use crate::{clock, output};

/// Makes, lists and revokes the tokens of a service.
///
/// A token is printed once. The database has a hash of its secret only.
///
/// Exit code: 0 done, 2 not.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove token new --name ci --scope submit --scope read --days 90\n  aprove token list\n  aprove token revoke 5f0c..."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a token and prints it
    New(New),
    /// Lists tokens, without their secrets
    List,
    /// Revokes a token, at once and for good
    Revoke {
        /// The part of the token between its underscores
        id: String,
    },
}

#[derive(Args)]
struct New {
    /// Whose it is
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,
    /// What it may do. Repeatable
    #[arg(long, value_enum, required = true)]
    scope: Vec<ScopeFlag>,
    /// How many days it lasts [default: until it is revoked]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    days: Option<u16>,
    /// How many of its jobs may wait or run at once [default: `max_jobs_of_token`]
    #[arg(long, value_name = "N")]
    jobs: Option<u32>,
    /// How many bytes it may upload in 24 hours [default: any number]
    #[arg(long, value_name = "N")]
    bytes: Option<u64>,
    /// How many requests it may make in a minute [default: `max_rate_of_token`]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScopeFlag {
    /// See its own jobs and reports
    Read,
    /// Upload, submit and cancel; to see what became of it, `read` as well
    Submit,
    /// Everything, of everybody
    Admin,
}

impl From<ScopeFlag> for Scope {
    fn from(flag: ScopeFlag) -> Self {
        match flag {
            ScopeFlag::Read => Self::Read,
            ScopeFlag::Submit => Self::Submit,
            ScopeFlag::Admin => Self::Admin,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let new = arguments.settings.new_data()?;
    let service = arguments.settings.open()?;
    if let Some(data) = new {
        output::note(&format!(
            "note: {} is new: a service takes this token only if it has the same `data` (--config, --data)",
            data.display()
        ));
    }
    match &arguments.action {
        Action::New(new) => {
            let token = service.new_token(&NewToken {
                name: new.name.clone(),
                scopes: new.scope.iter().map(|&scope| scope.into()).collect(),
                days: new.days.map(i64::from),
                jobs: new.jobs.map(i64::from),
                bytes: new.bytes.map(i64::try_from).transpose()?,
                rate: new.rate.map(i64::from),
            })?;
            output::print(&format!("{token}\n"))?;
        }
        Action::List => {
            for token in service.tokens()? {
                let scopes = token.scopes.replace(' ', ",");
                let mut line = format!("{}  {scopes}  {}", token.id, token.name);
                if let Some(expires) = token.expires {
                    let day = u64::try_from(expires / 1000).ok().and_then(clock::day);
                    let day = day.context("a token expires outside the calendar")?;
                    line += &format!("  expires {day}");
                }
                for (what, limit) in [
                    ("jobs", token.jobs),
                    ("bytes", token.bytes),
                    ("rate", token.rate),
                ] {
                    if let Some(limit) = limit {
                        line += &format!("  {what} {limit}");
                    }
                }
                output::print(&format!("{line}\n"))?;
            }
        }
        Action::Revoke { id } => {
            if !service.revoke_token(id)? {
                bail!("there is no token {id}: `aprove token list` shows all");
            }
        }
    }
    Ok(Outcome::Done)
}
