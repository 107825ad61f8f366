//! A tokenizer from what a file says, and from what llama.cpp takes where it does not say.

use super::{
    Tokenizer, Words,
    byte_pairs::BytePairs,
    charsmap::Charsmap,
    facts::Facts,
    kinds::Kind,
    normalizer::Normalizer,
    prefixes::Prefixes,
    rules::{self, Added},
    sentence_pieces::SentencePieces,
    special::Specials,
    unigram::Unigram,
    vocabulary::Vocabulary,
    word_pieces::{Cleaning, WordPieces},
};
use crate::{
    error::Error,
    model::{Assumption, Format},
};

/// The tokens before and after every text: whether they are added, and which where the file does not say.
struct Around {
    first: (Added, Option<u64>),
    last: (Added, Option<u64>),
}

/// What was taken where the file does not say.
#[derive(Default)]
struct Assumed(Vec<Assumption>);

pub(super) fn assemble(format: Format, mut facts: Facts) -> Result<Tokenizer, Error> {
    let names = facts.names;
    let vocabulary = Vocabulary::new(names.tokens, std::mem::take(&mut facts.tokens))?;
    let length = vocabulary.length;
    if let Some(mask) = facts
        .stripping_mask()
        .filter(|mask| vocabulary.id(mask).is_some())
    {
        return Err(Error::not_covered(format_args!(
            "tokenizer that drops white space in front of {mask}"
        )));
    }
    let mut assumed = Assumed::default();
    if facts.types.is_none() {
        assumed.assume(names.types, "normal for every token");
    }
    let kinds = Kind::all(names.types, facts.types.as_deref(), length)?;
    let specials = Specials::new(&vocabulary, &kinds, facts.is_phi_3());
    let (words, around) = match facts.model.as_str() {
        "gpt2" => byte_pairs(vocabulary, &facts, &mut assumed)?,
        "gemma4" => {
            facts.pre = Some("gemma4".to_owned());
            byte_pairs(vocabulary, &facts, &mut assumed)?
        }
        "llama" => sentence_pieces(vocabulary, &facts, &mut assumed)?,
        "t5" => unigram(&vocabulary, &kinds, &facts, &mut assumed)?,
        "bert" => word_pieces(&vocabulary, &facts, &mut assumed)?,
        other => {
            let other = other.escape_debug();
            return Err(Error::not_covered(format_args!("tokenizer model {other}")));
        }
    };
    // BERT ends a text with what separates two.
    let (last, last_name) = match words {
        Words::WordPieces(_) => (facts.separator, names.separator),
        _ => (facts.eos, names.eos),
    };
    let (added, usual) = around.first;
    let first = assumed
        .added(added, names.add_bos, facts.add_bos)
        .then(|| assumed.id(names.bos, facts.bos, usual, length))
        .transpose()?;
    let (added, usual) = around.last;
    let last = assumed
        .added(added, names.add_eos, facts.add_eos)
        .then(|| assumed.id(last_name, last, usual, length))
        .transpose()?;
    Ok(Tokenizer {
        format,
        assumptions: assumed.0,
        specials,
        words,
        first,
        last,
    })
}

fn byte_pairs(
    vocabulary: Vocabulary,
    facts: &Facts,
    assumed: &mut Assumed,
) -> Result<(Words, Around), Error> {
    let names = facts.names;
    let pre = facts.pre.as_deref();
    let pre = pre.unwrap_or_else(|| assumed.assume(names.pre, "default"));
    let rule = rules::rule(pre)
        .ok_or_else(|| Error::not_covered(format_args!("pre-tokenizer {}", pre.escape_debug())))?;
    let merges = facts
        .merges
        .as_ref()
        .ok_or_else(|| Error::model(names.merges, "a value", "none"))?;
    let pairs = BytePairs::new(vocabulary, names.merges, merges, &rule)?;
    let around = Around {
        first: (rule.begin, None),
        last: (Added::IfToldTo, None),
    };
    Ok((Words::BytePairs(pairs), around))
}

fn sentence_pieces(
    vocabulary: Vocabulary,
    facts: &Facts,
    assumed: &mut Assumed,
) -> Result<(Words, Around), Error> {
    let names = facts.names;
    let scores = assumed.scores(facts, vocabulary.length)?;
    let prefix = assumed.flag(names.add_space_prefix, facts.add_space_prefix, true);
    let around = Around {
        first: (Added::UnlessToldNotTo, Some(1)),
        last: (Added::IfToldTo, Some(2)),
    };
    let pieces = SentencePieces::new(vocabulary, &scores, prefix);
    Ok((Words::SentencePieces(pieces), around))
}

fn unigram(
    vocabulary: &Vocabulary,
    kinds: &[Kind],
    facts: &Facts,
    assumed: &mut Assumed,
) -> Result<(Words, Around), Error> {
    let names = facts.names;
    let scores = assumed.scores(facts, vocabulary.length)?;
    let unknown = assumed.id(names.unknown, facts.unknown, Some(2), vocabulary.length)?;
    let charsmap = facts.charsmap.as_deref();
    let user_defined = vocabulary.of_kinds(kinds, |kind| kind == Kind::UserDefined);
    let normalizer = Normalizer {
        kept: Prefixes::new(user_defined),
        charsmap: charsmap
            .map(|bytes| Charsmap::new(names.charsmap, bytes))
            .transpose()?,
        space_prefix: assumed.flag(names.add_space_prefix, facts.add_space_prefix, false),
        merges_spaces: assumed.flag(names.merge_spaces, facts.merge_spaces, false),
    };
    let around = Around {
        first: (Added::IfToldTo, None),
        last: (Added::UnlessToldNotTo, Some(1)),
    };
    let pieces = Unigram::new(vocabulary, kinds, &scores, unknown, normalizer);
    Ok((Words::Unigram(pieces), around))
}

fn word_pieces(
    vocabulary: &Vocabulary,
    facts: &Facts,
    assumed: &mut Assumed,
) -> Result<(Words, Around), Error> {
    let names = facts.names;
    let unknown = assumed.id(names.unknown, facts.unknown, Some(100), vocabulary.length)?;
    let lowercase = assumed.flag(names.lowercase, facts.lowercase, true);
    let cleaning = Cleaning {
        lowercase,
        strip_accents: assumed.flag(names.strip_accents, facts.strip_accents, lowercase),
    };
    let around = Around {
        first: (Added::Always, Some(101)),
        last: (Added::Always, Some(102)),
    };
    let pieces = WordPieces::new(vocabulary, unknown, cleaning);
    Ok((Words::WordPieces(pieces), around))
}

impl Assumed {
    fn assume<'v>(&mut self, what: &str, value: &'v str) -> &'v str {
        self.0.push(Assumption {
            what: what.to_owned(),
            value: value.to_owned(),
            why: "as llama.cpp does",
        });
        value
    }

    fn flag(&mut self, name: &str, stated: Option<bool>, usual: bool) -> bool {
        stated.unwrap_or_else(|| {
            self.assume(name, &usual.to_string());
            usual
        })
    }

    fn added(&mut self, added: Added, name: &str, stated: Option<bool>) -> bool {
        match added {
            Added::IfToldTo => self.flag(name, stated, false),
            Added::UnlessToldNotTo => self.flag(name, stated, true),
            Added::Always => true,
        }
    }

    /// The id of a token that is needed.
    fn id(
        &mut self,
        field: &str,
        stated: Option<u64>,
        usual: Option<u64>,
        length: usize,
    ) -> Result<u32, Error> {
        let id = match (stated, usual) {
            (Some(id), _) => id,
            (None, Some(id)) => {
                self.assume(field, &id.to_string());
                id
            }
            (None, None) => {
                return Err(Error::model(
                    field,
                    "an id, since the token is added",
                    "none",
                ));
            }
        };
        u32::try_from(id)
            .ok()
            .filter(|_| usize::try_from(id).is_ok_and(|id| id < length))
            .ok_or_else(|| Error::model(field, format_args!("an id below {length}"), id))
    }

    /// One number for each token.
    fn scores(&mut self, facts: &Facts, length: usize) -> Result<Vec<f32>, Error> {
        let field = facts.names.scores;
        let Some(scores) = &facts.scores else {
            self.assume(field, "0 for every token");
            return Ok(vec![0.0; length]);
        };
        if scores.len() != length {
            let expected = format_args!("{length} items, one for each token");
            return Err(Error::model(field, expected, scores.len()));
        }
        match scores.iter().position(|score| score.is_nan()) {
            None => Ok(scores.clone()),
            Some(id) => Err(Error::model(
                format_args!("{field}[{id}]"),
                "a number",
                "NaN",
            )),
        }
    }
}
