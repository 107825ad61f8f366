//! The metadata of two files of one format: nothing is derived from anything, so every key must simply be the same.

mod json;
mod keys;

use super::{Compared, KeyResult, Status};
use crate::code::Code;
use crate::compare::inputs::{Inputs, Metadata, Model};
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place};

/// Compares every key of both files, and the header of APR files.
pub(crate) fn compare(inputs: &Inputs<'_>) -> Compared {
    let mut found = Found {
        inputs,
        keys: Vec::new(),
        findings: Findings::default(),
    };
    match (inputs.first.metadata, inputs.second.metadata) {
        (Metadata::Gguf(a), Metadata::Gguf(b)) => keys::compare(a, b, &mut found),
        (Metadata::Apr(a), Metadata::Apr(b)) => json::compare(a, b, &mut found),
        _ => unreachable!("two files of one format have the same kind of metadata"),
    }
    Compared {
        keys: found.keys,
        findings: found.findings.into_list(),
        records: Vec::new(),
    }
}

/// A value in one file: where it stands, and what it is in a few words.
struct Shown {
    place: Place,
    text: String,
}

/// What comes of the comparison.
struct Found<'a> {
    inputs: &'a Inputs<'a>,
    keys: Vec<KeyResult>,
    findings: Findings,
}

impl Found<'_> {
    fn equal(&mut self, key: &[u8], text: String) {
        self.note(key, Status::Equal, [Some(text.clone()), Some(text)]);
    }

    /// Both files have the key, unlike in its type, its value or both: a policy may let one of the two pass, and not the
    /// other with it.
    fn changed(
        &mut self,
        key: &[u8],
        name: &str,
        [is_type, is_value]: [bool; 2],
        shown: [Shown; 2],
    ) {
        let [a, b] = shown;
        let values = [&a, &b].map(|shown| Some(shown.text.clone()));
        self.note(key, Status::Changed, values);
        let kinds = [
            (is_type, Code::MetaType, "type"),
            (is_value, Code::MetaChanged, "value"),
        ];
        for (_, code, what) in kinds.into_iter().filter(|(is_unlike, ..)| *is_unlike) {
            let at = a.place.detail.as_deref().map(|path| format!(" at {path}"));
            let message = format!("{name} has another {what}{}", at.unwrap_or_default());
            self.findings.push(
                Finding::new(code, Effect::Different, message)
                    .at(a.place.clone())
                    .at(b.place.clone())
                    .expected_found(b.text.clone(), a.text.clone()),
            );
        }
    }

    /// Only one file has the key.
    fn only_in(&mut self, model: &Model<'_>, key: &[u8], name: &str, shown: Shown) {
        let text = Some(shown.text.clone());
        let (status, values) = if model.side.is_first() {
            (Status::OnlyA, [text, None])
        } else {
            (Status::OnlyB, [None, text])
        };
        self.note(key, status, values);
        let message = format!("{name} is only in {}: {}", model.called, shown.text);
        self.findings
            .push(Finding::new(Code::MetaMissing, Effect::Different, message).at(shown.place));
    }

    fn note(&mut self, key: &[u8], status: Status, values: [Option<String>; 2]) {
        self.keys.push(KeyResult {
            key: key.to_vec(),
            status,
            values,
        });
    }
}
