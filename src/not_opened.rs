//! The answer where a file that the user named cannot be opened: a report like any other, for a program.

use std::io::ErrorKind;
use std::path::Path;

use remote::Location;
use verifier::check;
use verifier::policy::Policy;
use verifier::report::{Mode, Report};

use crate::input::Files;
use crate::output;

/// What keeps a command from its work.
pub(crate) struct NotOpened {
    pub(crate) error: anyhow::Error,
    /// The same as a report, with the files that could be opened.
    pub(crate) report: Report,
}

impl NotOpened {
    /// Says the error on stderr, which is all that a person hears, and returns the report for whoever else asks.
    pub(crate) fn said(mut self, policy: &Policy) -> Report {
        output::error(&self.error);
        self.report.set_policy(policy);
        self.report
    }
}

/// Opens all of these models, or says which cannot be.
pub(crate) fn open<const N: usize>(
    paths: [&Path; N],
    mode: Mode,
) -> Result<[Files; N], Box<NotOpened>> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        match Files::open(path) {
            Ok(opened) => files.push(opened),
            Err(error) => errors.push((path, error)),
        }
    }
    let files: Vec<Files> = match files.try_into() {
        Ok(all) => return Ok(all),
        Err(some) => some,
    };
    let inputs: Vec<_> = files.iter().map(Files::input).collect();
    let others: Vec<_> = errors
        .iter()
        .map(|(path, error)| in_words(path, error))
        .collect();
    let report = check::not_opened(mode, &inputs, &others);
    let (_, error) = errors.swap_remove(0);
    Err(Box::new(NotOpened { error, report }))
}

fn in_words(path: &Path, error: &anyhow::Error) -> check::NotOpened {
    let cause = error.chain().find_map(|cause| cause.downcast_ref());
    let is_address = Location::of(path).is_address();
    let hint = match cause.map(std::io::Error::kind) {
        Some(ErrorKind::NotFound) if is_address => "check the address",
        Some(ErrorKind::PermissionDenied) if is_address => {
            "give access to it: docs/remote.md has the variables"
        }
        None => "put all files of the split set into one folder",
        Some(ErrorKind::NotFound) => "check the path; `ls` shows what is there",
        Some(ErrorKind::PermissionDenied) => {
            "ask for the right to read it: `ls -l` shows who has it"
        }
        Some(ErrorKind::InvalidInput) => {
            "give the file of a model; `aprove check DIR` takes folders"
        }
        Some(_) => "give a file that can be read",
    };
    check::NotOpened {
        why: format!("{error:#}"),
        hint,
    }
}
