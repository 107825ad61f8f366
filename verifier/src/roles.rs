//! What each input is by its first bytes, and which side of a comparison it takes.

use std::io;

use crate::code::Code;
use crate::decode::container::{Format, Shard};
use crate::decode::sniff;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::input::Input;
use crate::report::{self, FileFormat, FileRow, Report, Scope, file_row};

/// A model as it was given, and what it is.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a, 'i> {
    pub(crate) input: &'a Input<'i>,
    pub(crate) format: Format,
    pub(crate) side: Side,
}

/// Finds out what each input is. A file that is no model ends here: nothing follows for the other one. A file of no kind
/// that is known takes the role that is left beside an APR file or a GGUF, since it may be a model that is damaged at its
/// start.
pub(crate) fn roles<'a, 'i>(
    a: &'a Input<'i>,
    b: &'a Input<'i>,
) -> Result<[Given<'a, 'i>; 2], Vec<Finding>> {
    let refuse = |text: &str| {
        Err(vec![Finding::new(
            Code::PairFormats,
            Effect::Undecided,
            text,
        )])
    };
    let [of_a, of_b] = [a, b].map(|input| {
        kind_of(input)
            .unwrap_or_else(|error| FileKind::NoModel(0, Box::new(unreadable(input, &error))))
    });
    let others = [(&of_a, &of_b, Side::A), (&of_b, &of_a, Side::B)].map(|(file, other, side)| {
        let FileKind::NoModel(shard, finding) = file else {
            return None;
        };
        let side = match other {
            FileKind::Model(Format::Apr) => Side::Gguf,
            FileKind::Model(Format::Gguf) => Side::Apr,
            FileKind::NoModel(..) | FileKind::Unknown => side,
        };
        Some(finding.clone().at(Place::new(side, *shard)))
    });
    let others: Vec<Finding> = others.into_iter().flatten().collect();
    if !others.is_empty() {
        return Err(others);
    }
    let by_format = |apr, gguf| {
        [
            (Side::Apr, Format::Apr, apr),
            (Side::Gguf, Format::Gguf, gguf),
        ]
    };
    let [first, second] = match (of_a, of_b) {
        (FileKind::Model(of_a), FileKind::Model(of_b)) if of_a == of_b => {
            [(Side::A, of_a, a), (Side::B, of_b, b)]
        }
        (FileKind::Model(Format::Apr), _) | (_, FileKind::Model(Format::Gguf)) => by_format(a, b),
        (_, FileKind::Model(Format::Apr)) | (FileKind::Model(Format::Gguf), _) => by_format(b, a),
        _ => return refuse("neither file is an APR file or a GGUF file"),
    }
    .map(|(side, format, input)| Given {
        input,
        format,
        side,
    });
    for given in [&first, &second] {
        let is_apr = given.format == Format::Apr;
        if given.input.shards.is_empty() || is_apr && given.input.shards.len() != 1 {
            return refuse("an APR model is one file");
        }
    }
    Ok([first, second])
}

/// What an input is by its first bytes.
enum FileKind {
    Model(Format),
    /// Which of its files is none, and what it is.
    NoModel(usize, Box<Finding>),
    Unknown,
}

fn kind_of(input: &Input<'_>) -> io::Result<FileKind> {
    let Some((name, source)) = input.shards.first() else {
        return Ok(FileKind::Unknown);
    };
    let start = sniff::start_of(*source)?;
    let stranger = sniff::stranger_in_set(&input.shards);
    Ok(match (Format::of(&start), stranger) {
        (_, Some((shard, finding))) => FileKind::NoModel(shard, Box::new(finding)),
        (Some(format), None) => FileKind::Model(format),
        (None, None) => match sniff::not_a_model(name, &start, source.length()) {
            Some(finding) => FileKind::NoModel(0, Box::new(finding)),
            None => FileKind::Unknown,
        },
    })
}

fn unreadable(input: &Input<'_>, error: &io::Error) -> Finding {
    let name = escape(input.name.as_bytes());
    Finding::new(
        Code::Io,
        Effect::Unreadable,
        format!("{name} cannot be read: {error}"),
    )
}

pub(crate) fn rows_of_unknown(inputs: &[&Input<'_>]) -> Vec<FileRow> {
    let formats = inputs.iter().map(|input| match kind_of(input) {
        Ok(FileKind::Model(format)) => format.into(),
        Ok(FileKind::NoModel(..) | FileKind::Unknown) | Err(_) => FileFormat::Unknown,
    });
    let formats: Vec<FileFormat> = formats.collect();
    // Where no format tells which file a finding is about.
    let are_unknown = formats == [FileFormat::Unknown; 2];
    let sides = [Side::A, Side::B].map(|side| Some(side).filter(|_| are_unknown));
    let sides = sides.into_iter().chain(std::iter::repeat(None));
    let models = inputs.iter().zip(formats).zip(sides);
    let shards = models.flat_map(|((input, format), side)| {
        let shards = input.shards.iter().enumerate();
        shards.map(move |(shard, file)| (format, side, shard, file))
    });
    shards
        .map(|(format, side, shard, (name, source))| {
            let parts = Shard {
                length: source.length(),
                regions: Vec::new(),
            };
            FileRow {
                covered: 0,
                side,
                origin: source.origin().cloned(),
                ..file_row(format, shard, name, &parts, Vec::new())
            }
        })
        .collect()
}

/// The report where nothing could be compared.
pub(crate) fn nothing_compared(inputs: &[&Input<'_>], findings: &[Finding]) -> Report {
    report::build(rows_of_unknown(inputs), &Scope::Nothing, findings)
}
