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
        Some(_) if is_address => "docs/remote.md has the forms of addresses",
        None => "put all files of the split set into one folder",
        Some(ErrorKind::NotFound) if path.to_string_lossy().contains("://") => {
            "addresses begin with https://, http://, hf://, s3://, gs://, az:// or ollama://: docs/remote.md"
        }
        Some(ErrorKind::NotFound) if path.is_symlink() => {
            "it is a link, and what it leads to is not there: `ls -l` shows where it leads"
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_says_what_to_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.gguf");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let [absent, here] = [folder.path().join("absent"), folder.path().to_path_buf()];
        for (path, expected) in [
            (link.as_path(), "it is a link"),
            (&absent, "check the path"),
            (&here, "takes folders"),
            (Path::new("ftp://x/y"), "addresses begin with"),
            (Path::new("hf://x"), "docs/remote.md has the forms"),
        ] {
            let error = Files::open(path).err().unwrap();
            let said = in_words(path, &error);
            assert!(said.hint.contains(expected), "{path:?}: {}", said.hint);
        }
        let why = in_words(&here, &Files::open(&here).err().unwrap()).why;
        assert!(why.ends_with("it is a folder"), "{why}");
    }
}
