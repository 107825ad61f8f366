//! Pre-tokenizers: the patterns that cut a text into words before merges join their bytes.
//!
//! Which patterns a name selects, and what else it implies, is a fact of llama.cpp (`llama-vocab.cpp`). They are
//! applied one after the other, each to the pieces that the ones before left; what no pattern matches is a piece, too.

use fancy_regex::Regex;

use crate::error::Error;

/// The rule that the name of a pre-tokenizer selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) patterns: &'static [&'static str],
    /// Whether a word that is a token is taken as it is, without a look at the merges.
    pub(super) whole_words: bool,
    /// Whether the token that begins a text is added when the file does not say.
    pub(super) adds_bos: bool,
}

/// Compiled patterns.
#[derive(Debug)]
pub(super) struct Patterns(Vec<Regex>);

/// The rule of a pre-tokenizer by the name that files give it.
pub(super) fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "default" => Rule::cut(&[PUNCTUATION, GPT_2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "gigachat" | "a.x-4.0" | "mellum"
        | "exaone4" | "trillion" | "granite-docling" => Rule::cut(&[GPT_2]),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
        | "lfm2" => Rule::cut(&[LLAMA_3]).and_take_whole_words(),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" => Rule::cut(&[LLAMA_3]),
        "qwen2" | "deepseek-r1-qwen" | "megrez" | "stablelm2" | "hunyuan" | "grok-2" => {
            Rule::cut(&[QWEN_2])
        }
        "qwen35" => Rule::cut(&[QWEN_35]),
        "deepseek-llm" => Rule::cut(&[
            r"[\r\n]",
            DEEPSEEK_LETTERS,
            DEEPSEEK_PUNCTUATION,
            r"\s+$",
            DEEPSEEK_EASTERN,
            r"\p{N}+",
        ]),
        "deepseek-coder" => Rule::cut(&[
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            DEEPSEEK_EASTERN,
            r"\p{N}",
        ]),
        "deepseek-v3" | "hunyuan-dense" => {
            Rule::cut(&[r"\p{N}{1,3}", DEEPSEEK_3_EASTERN, DEEPSEEK_3])
        }
        "falcon" => Rule::cut(&[FALCON_PUNCTUATION, GPT_2, "[0-9][0-9][0-9]"]),
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b" => {
            Rule::cut(&[r"\p{N}", GPT_2])
        }
        "tekken" => Rule::cut(&[TEKKEN]).and_take_whole_words(),
        "gpt-4o" | "llama4" => Rule::cut(&[GPT_4O]),
        "bloom" | "poro-chat" | "gpt3-finnish" => Rule::cut(&[BLOOM]),
        "viking" => Rule::cut(&[BLOOM, r"\p{N}"]),
        "bailingmoe" => Rule::cut(&[BAILING]),
        "seed-coder" => Rule::cut(&[SEED_CODER]),
        _ => return None,
    })
}

impl Rule {
    const fn cut(patterns: &'static [&'static str]) -> Self {
        Self {
            patterns,
            whole_words: false,
            adds_bos: false,
        }
    }

    /// The two habits of the tokenizers that came after Llama 3.
    const fn and_take_whole_words(mut self) -> Self {
        self.whole_words = true;
        self.adds_bos = true;
        self
    }
}

impl Patterns {
    pub(super) fn new(rule: &Rule) -> Result<Self, Error> {
        let compiled = rule.patterns.iter().map(|pattern| {
            Regex::new(pattern).map_err(|error| {
                Error::not_covered(format_args!("pre-tokenizer pattern {pattern}: {error}"))
            })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Cuts a text; the pieces joined are the text.
    pub(super) fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, Error> {
        let mut pieces = vec![text];
        for pattern in &self.0 {
            let mut finer = Vec::with_capacity(pieces.len());
            for piece in pieces {
                cut(pattern, piece, &mut finer)?;
            }
            pieces = finer;
        }
        Ok(pieces)
    }
}

fn cut<'t>(pattern: &Regex, text: &'t str, pieces: &mut Vec<&'t str>) -> Result<(), Error> {
    let mut end = 0;
    for found in pattern.find_iter(text) {
        let found = found.map_err(|error| Error::Prompt {
            expected: "a text that the pre-tokenizer can cut".to_owned(),
            found: format!("{error} after {end} of {} bytes", text.len()),
        })?;
        pieces.extend(text.get(end..found.start()));
        pieces.push(found.as_str());
        end = found.end();
    }
    pieces.extend(text.get(end..));
    pieces.retain(|piece| !piece.is_empty());
    Ok(())
}

const PUNCTUATION: &str = r"[\p{P}$+<=>^~|]+";
const FALCON_PUNCTUATION: &str = r"[\p{P}$+<=>^~|`]+";
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA_3: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_35: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK_3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const BLOOM: &str = " ?[^(\\s|.,!?\u{2026}\u{3002}\u{FF0C}\u{3001}\u{964}\u{6D4}\u{60C})]+";
const BAILING: &str = r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const SEED_CODER: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Without white space, which llama.cpp hides from patterns that name no category.
const DEEPSEEK_EASTERN: &str = "[\u{800}-\u{9FA5}\u{AC00}-\u{D7FF}&&\\S]+";
const DEEPSEEK_3_EASTERN: &str = "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
const DEEPSEEK_PUNCTUATION: &str =
    "\\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3001}-\u{3002}]+";
const DEEPSEEK_LETTERS: &str = "\\s?[A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}\
     \u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\
     \u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\
     \u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\
     \u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\
     \u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\
     \u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\
     \u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\
     \u{2126}\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\
     \u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\
     \u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\
     \u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\
     \u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\
     \u{1E900}-\u{1E943}]+";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_kept_and_in_order() {
        for name in [
            "default",
            "gpt-2",
            "llama-bpe",
            "qwen2",
            "deepseek-llm",
            "tekken",
            "viking",
        ] {
            let patterns = Patterns::new(&rule(name).unwrap()).unwrap();
            for text in [
                "",
                " ",
                "a\r\n\r\n b  c",
                "\u{0}\u{85}\u{3000}é12345 ~~|",
                "'S 's",
            ] {
                let pieces = patterns.split(text).unwrap();
                assert_eq!(pieces.concat(), text);
                assert!(pieces.iter().all(|piece| !piece.is_empty()), "{pieces:?}");
            }
        }
    }

    #[test]
    fn a_pattern_sees_only_its_own_piece() {
        // The digits are cut out first, so the space in front of them has nothing behind it.
        let patterns = Patterns::new(&rule("starcoder").unwrap()).unwrap();
        let pieces = patterns.split("a  1b").unwrap();
        assert_eq!(pieces, ["a", "  ", "1", "b"]);
        let patterns = Patterns::new(&rule("gpt-2").unwrap()).unwrap();
        assert_eq!(patterns.split("a  1b").unwrap(), ["a", " ", " 1", "b"]);
    }

    #[test]
    fn a_text_that_a_pattern_gives_up_on_is_an_error() {
        let patterns = Patterns::new(&rule("llama-bpe").unwrap()).unwrap();
        let spaces = " ".repeat(2_000_000);
        assert!(matches!(patterns.split(&spaces), Err(Error::Prompt { .. })));
    }
}
