//! Colour in text for people: the verdict, the file at fault, and codes. It is added to text that is plain already, so that
//! no name of a file or tensor can bring escapes of its own.

use std::borrow::Cow;
use std::ffi::OsString;

use anstream::AutoStream;
use anstream::stream::RawStream;
use anstyle::{AnsiColor, Style};
use clap::builder::EnumValueParser;
use clap::{Arg, ColorChoice, ValueEnum as _};
use verifier::code::{CauseCode, Code};

/// The flag, which every command takes.
pub(crate) fn flag() -> Arg {
    Arg::new(NAME)
        .long(NAME)
        .global(true)
        .value_name("WHEN")
        .value_parser(EnumValueParser::<ColorChoice>::new())
        .default_value("auto")
        .hide_possible_values(true)
        // After what the command does.
        .display_order(900)
        .help("When to use colours: auto, always or never; auto obeys NO_COLOR and CLICOLOR_FORCE")
}

/// Follows the flag from here on. Help and usage errors have to know it before the command line is parsed.
pub(crate) fn choose(arguments: &[OsString]) {
    let mut values = arguments.iter().map(|argument| argument.to_string_lossy());
    let mut choice = None;
    while let Some(argument) = values.next().filter(|argument| argument != "--") {
        let value = match argument.strip_prefix("--color") {
            Some("") => values.next(),
            Some(value) => value.strip_prefix('=').map(|value| value.to_owned().into()),
            None => continue,
        };
        choice = value.and_then(|value| ColorChoice::from_str(&value, false).ok());
    }
    match choice.unwrap_or_default() {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Adds colours to plain text where the stream is to have them.
pub(crate) fn painted<'a>(plain: &'a str, stream: &impl RawStream) -> Cow<'a, str> {
    match AutoStream::choice(stream) {
        anstream::ColorChoice::Never => plain.into(),
        _ => paint(plain).into(),
    }
}

fn paint(plain: &str) -> String {
    let mut lines = plain.split_inclusive('\n');
    // The sentence of a verdict says which file is at fault.
    let first = lines.next().map(|line| {
        let (head, rest) = head_of(line).unwrap_or(("", line));
        match rest.strip_prefix(": ") {
            Some(rest) if !head.is_empty() && !head.ends_with("verified") => {
                let (sentence, end) = rest.split_at(rest.trim_end().len());
                format!(
                    "{}: {}{end}",
                    head_in_colour(head),
                    in_style(BOLD, sentence)
                )
            }
            _ => line_in_colour(line),
        }
    });
    first.into_iter().chain(lines.map(line_in_colour)).collect()
}

fn line_in_colour(line: &str) -> String {
    let (head, rest) = head_of(line).unwrap_or(("", line));
    let code = rest
        .trim_end()
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['));
    let rest = match code {
        Some((before, code)) if is_code(code) => {
            let after = rest.get(before.len() + code.len() + 2..);
            let after = after.unwrap_or_default();
            format!("{before}[{}]{after}", in_style(BOLD, code))
        }
        _ => rest.to_owned(),
    };
    format!("{}{rest}", head_in_colour(head))
}

/// The word of a verdict or of an effect that a line begins with, and the rest.
fn head_of(line: &str) -> Option<(&str, &str)> {
    let word = line
        .strip_prefix("PASS ")
        .or_else(|| line.strip_prefix("FAIL "));
    let word = word.unwrap_or(line);
    let length = word.find(|end: char| !end.is_ascii_lowercase())?;
    style_of(word.get(..length)?)?;
    let head = line.len().checked_sub(word.len())?.checked_add(length)?;
    line.split_at_checked(head)
}

fn head_in_colour(head: &str) -> String {
    let word = head.rsplit(' ').next().unwrap_or(head);
    style_of(word).map_or_else(|| head.to_owned(), |style| in_style(style, head))
}

fn style_of(word: &str) -> Option<Style> {
    let color = match word {
        "verified" => AnsiColor::Green,
        "different" | "error" => AnsiColor::Red,
        "undecided" | "warning" => AnsiColor::Yellow,
        _ => return None,
    };
    Some(color.on_default().bold())
}

fn is_code(text: &str) -> bool {
    let mut codes = Code::ALL.iter().map(|code| code.as_str());
    let mut causes = CauseCode::ALL.iter().map(|code| code.as_str());
    codes.any(|code| code == text) || causes.any(|code| code == text)
}

fn in_style(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

const BOLD: Style = Style::new().bold();
const NAME: &str = "color";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_and_codes_have_colours_and_nothing_else_is_changed() {
        for (plain, expected) in [
            ("verified: all\n", "\x1b[1m\x1b[32mverified\x1b[0m: all\n"),
            (
                "PASS verified: m\n",
                "\x1b[1m\x1b[32mPASS verified\x1b[0m: m\n",
            ),
            (
                "FAIL different: x\n",
                "\x1b[1m\x1b[31mFAIL different\x1b[0m: \x1b[1mx\x1b[0m\n",
            ),
            ("undecided  x: y", "\x1b[1m\x1b[33mundecided\x1b[0m  x: y"),
            (
                "x: y\nerror: z [io]\n",
                "x: y\n\x1b[1m\x1b[31merror\x1b[0m: z [\x1b[1mio\x1b[0m]\n",
            ),
            ("m [tensor.bytes]", "m [\x1b[1mtensor.bytes\x1b[0m]"),
            ("differently: x [y]\n", "differently: x [y]\n"),
            ("", ""),
        ] {
            assert_eq!(paint(plain), expected);
            assert_eq!(
                anstream::adapter::strip_str(&paint(plain)).to_string(),
                plain
            );
        }
    }
}
