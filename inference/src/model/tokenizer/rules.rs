//! Pre-tokenizers: what the name that a file gives selects. These are facts of llama.cpp (`llama-vocab.cpp`).

/// The rule that the name of a pre-tokenizer selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) patterns: &'static [&'static str],
    pub(super) symbols: Symbols,
    pub(super) whole: Whole,
    /// The token that begins a text.
    pub(super) begin: Added,
}

/// What the tokens are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbols {
    /// One printable character for each byte.
    Bytes,
    /// The characters themselves, U+2581 for a space; a byte of what is no token is `<0x0A>`.
    Characters,
}

/// Which words are taken as they are if they are tokens, without a look at the merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    None,
    Newlines,
    All,
}

/// Whether a token is added to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    IfToldTo,
    UnlessToldNotTo,
    /// Whatever the file says.
    Always,
}

/// The rule of a pre-tokenizer by the name that files give it.
pub(super) fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "default" => Rule::cut(&[PUNCTUATION, GPT_2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "gigachat" | "a.x-4.0" | "mellum"
        | "exaone4" | "trillion" | "granite-docling" => Rule::cut(&[GPT_2]),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
        | "lfm2" => Rule::cut(&[LLAMA_3]).with_whole_words().with_begin(),
        "glm4" | "glm5" => Rule::cut(&[LLAMA_3]).with_whole_words(),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" => Rule::cut(&[LLAMA_3]),
        "minicpm5" => Rule::cut(&[r"\p{N}{1,3}", MINICPM_5]).with_whole_words(),
        "jais-2" => Rule::cut(&[JAIS_2]),
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "stablelm2" | "hunyuan"
        | "grok-2" | "solar-open" => Rule::cut(&[QWEN_2]),
        "laguna" => Rule::cut(&[LINES, QWEN_2]),
        "ufakzeka" => Rule::cut(&[UFAKZEKA]),
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
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
            Rule::cut(&[r"\p{N}{1,3}", DEEPSEEK_3_EASTERN, DEEPSEEK_3])
        }
        "spark2_5" => Rule::cut(&[r"\p{N}{1,3}", DEEPSEEK_3_EASTERN, SPARK, r"\p{N}"]),
        "youtu" => Rule::cut(&[YOUTU_EASTERN, YOUTU]).with_whole_words(),
        "afmoe" => Rule::cut(&[NUMBERS, AFMOE_EASTERN, DEEPSEEK_3]),
        "kimi-k2" => Rule::cut(&[KIMI_K2]),
        "falcon" => Rule::cut(&[FALCON_PUNCTUATION, GPT_2, "[0-9][0-9][0-9]"]),
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => Rule::cut(&[r"\p{N}", GPT_2]),
        "tekken" => Rule::cut(&[TEKKEN]).with_whole_words().with_begin(),
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => Rule::cut(&[GPT_4O]),
        "granite-embed-multi-97m" => Rule::cut(&[GRANITE_MULTI]).with_whole_words(),
        "tiny_aya" | "cohere2moe" => Rule::cut(&[NUMBERS, AYA]),
        "bloom" | "poro-chat" | "gpt3-finnish" => Rule::cut(&[BLOOM]),
        "viking" => Rule::cut(&[BLOOM, r"\p{N}"]),
        "superbpe" => Rule::cut(&[r"\p{N}+", "(?=(?:[0-9]{3})+(?![0-9]))"]),
        "bailingmoe" | "bailingmoe2" | "llada-moe" => Rule::cut(&[BAILING]),
        "seed-coder" => Rule::cut(&[SEED_CODER]),
        "exaone-moe" => Rule::cut(&[EXAONE_MOE]),
        "chameleon" => Rule::cut(&[
            "<sentinel:[0-9]+>",
            "IMGIMG[A-I]{1,4}Z",
            r"[\t\n]|    |  ",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            GPT_2,
        ])
        .with_begin(),
        "gemma4" | "granite-embed-multi-311m" => Rule {
            whole: Whole::Newlines,
            begin: Added::Always,
            ..Rule::cut(&[LINES]).of_characters()
        },
        "sarvam-moe" => Rule::cut(&[LINES]).of_characters(),
        _ => return None,
    })
}

impl Rule {
    const fn cut(patterns: &'static [&'static str]) -> Self {
        Self {
            patterns,
            symbols: Symbols::Bytes,
            whole: Whole::None,
            begin: Added::IfToldTo,
        }
    }

    const fn with_whole_words(mut self) -> Self {
        self.whole = Whole::All;
        self
    }

    const fn with_begin(mut self) -> Self {
        self.begin = Added::UnlessToldNotTo;
        self
    }

    const fn of_characters(mut self) -> Self {
        self.symbols = Symbols::Characters;
        self
    }
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
const MINICPM_5: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const JAIS_2: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s";
const UFAKZEKA: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const SPARK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##;
const KIMI_K2: &str = r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2EBEF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2EBEF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const YOUTU: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const AYA: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GRANITE_MULTI: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^a-z]]*[\p{L}\p{M}&&[^A-Z]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^a-z]]+[\p{L}\p{M}&&[^A-Z]]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const EXAONE_MOE: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+";
const LINES: &str = r"[^\n]+|\n+";
const YOUTU_EASTERN: &str = r"[\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+";
const AFMOE_EASTERN: &str = r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{E40}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+";
/// From the right, three digits each; what is in front of a number stays with its first digits.
const NUMBERS: &str = r"\P{N}*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_what_is_covered() {
        let page = include_str!("../../../../docs/tokenizers.md");
        let (_, names) = page.split_once("## Pre-tokenizers").unwrap();
        let (covered, rest) = names.split_once("Not covered:").unwrap();
        let (other, _) = rest.split_once("##").unwrap();
        let in_code = |text: &'static str| text.split('`').skip(1).step_by(2);
        let rows = covered.lines().filter_map(|row| row.split('|').nth(1));
        let listed: Vec<&str> = rows.skip(2).flat_map(in_code).collect();
        assert!(listed.len() > 80, "{listed:?}");
        for name in listed {
            assert!(rule(name).is_some(), "{name}");
        }
        for name in in_code(other) {
            assert_eq!(rule(name), None, "{name}");
        }
    }
}
