//! Metadata, compared.

use super::{BOTH, CONVERT, DIFFERENT, DIFFERENT_OR_WARNING, Explanation, UNDECIDED, explain};
use crate::code::Code;

/// A key of the APR file with a key of the GGUF that it comes from.
macro_rules! value {
    ($apr:literal, $gguf:literal, $what:literal, $effects:expr) => {
        explain(
            concat!($apr, " is not what the GGUF says"),
            concat!(
                "The key ",
                $apr,
                " of the APR file is to have the value of ",
                $gguf,
                " of the GGUF. ",
                $what
            ),
            "A conversion that guessed the value or took it from elsewhere, an edit, or two files of two models.",
            CONVERT,
            $effects,
        )
    };
}

pub(super) fn of(code: Code) -> Option<Explanation> {
    values(code).or_else(|| whole(code))
}

/// Keys with a counterpart.
fn values(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::MetaArchitecture => value!(
            "architecture",
            "general.architecture",
            "By it a loader decides what to compute with the tensors; `model_type`, `hf_model_type` and `hf_architecture` name no other one.",
            DIFFERENT
        ),
        Code::MetaAttentionScale => value!(
            "attention_scale",
            "A.attention.scale (A is the architecture)",
            "Every attention score is multiplied by it.",
            DIFFERENT
        ),
        Code::MetaAuthor => value!(
            "author",
            "general.author",
            "It describes the model and changes nothing that is computed; in files of other producers than `aprove convert` it is a warning.",
            DIFFERENT_OR_WARNING
        ),
        Code::MetaChatTemplate => value!(
            "chat_template",
            "tokenizer.chat_template",
            "A chat with another template sends another prompt to the model. The key has a copy, tokenizer.chat_template, which must agree.",
            DIFFERENT
        ),
        Code::MetaDescription => value!(
            "description",
            "general.description",
            "It describes the model and changes nothing that is computed; in files of other producers than `aprove convert` it is a warning.",
            DIFFERENT_OR_WARNING
        ),
        Code::MetaHeadDim => value!(
            "head_dim",
            "A.attention.key_length (A is the architecture)",
            "It is the width of one attention head.",
            DIFFERENT
        ),
        Code::MetaHiddenSize => value!(
            "hidden_size",
            "A.embedding_length (A is the architecture)",
            "It is the width of the model.",
            DIFFERENT
        ),
        Code::MetaIntermediateSize => value!(
            "intermediate_size",
            "A.feed_forward_length (A is the architecture)",
            "It is the width of the feed-forward part.",
            DIFFERENT
        ),
        Code::MetaLicense => value!(
            "license",
            "general.license",
            "It describes the model and changes nothing that is computed; in files of other producers than `aprove convert` it is a warning.",
            DIFFERENT_OR_WARNING
        ),
        Code::MetaMaxPositionEmbeddings => value!(
            "max_position_embeddings",
            "A.context_length (A is the architecture)",
            "It is the longest context for which the model was trained.",
            DIFFERENT
        ),
        Code::MetaMoeIntermediateSize => value!(
            "moe_intermediate_size",
            "A.expert_feed_forward_length (A is the architecture)",
            "It is the width of one expert.",
            DIFFERENT
        ),
        Code::MetaName => value!(
            "name",
            "general.name",
            "It describes the model and changes nothing that is computed; in files of other producers than `aprove convert` it is a warning.",
            DIFFERENT_OR_WARNING
        ),
        Code::MetaNumExperts => value!(
            "num_experts",
            "A.expert_count (A is the architecture)",
            "It is the number of experts of a layer.",
            DIFFERENT
        ),
        Code::MetaNumExpertsPerTok => value!(
            "num_experts_per_tok",
            "A.expert_used_count (A is the architecture)",
            "It is the number of experts that each token uses.",
            DIFFERENT
        ),
        Code::MetaNumHeads => value!(
            "num_heads",
            "A.attention.head_count (A is the architecture)",
            "It is the number of attention heads.",
            DIFFERENT
        ),
        Code::MetaNumKvHeads => value!(
            "num_kv_heads",
            "A.attention.head_count_kv (A is the architecture)",
            "It is the number of key and value heads.",
            DIFFERENT
        ),
        Code::MetaNumLayers => value!(
            "num_layers",
            "A.block_count (A is the architecture)",
            "It is the number of layers.",
            DIFFERENT
        ),
        Code::MetaRmsNormEps => value!(
            "rms_norm_eps",
            "A.attention.layer_norm_rms_epsilon (A is the architecture)",
            "It is added in every normalisation.",
            DIFFERENT
        ),
        Code::MetaRopeDimensionCount => value!(
            "rope_dimension_count",
            "A.rope.dimension_count (A is the architecture)",
            "It is the number of elements of a head that are rotated by position.",
            DIFFERENT
        ),
        Code::MetaRopeTheta => value!(
            "rope_theta",
            "A.rope.freq_base (A is the architecture)",
            "It is the base of the rotation by position.",
            DIFFERENT
        ),
        Code::MetaSlidingWindow => value!(
            "sliding_window",
            "A.attention.sliding_window (A is the architecture)",
            "It is how far back attention looks.",
            DIFFERENT
        ),
        Code::MetaTokenizerMerges => value!(
            "tokenizer.merges",
            "tokenizer.ggml.merges",
            "By the merges a text becomes tokens.",
            DIFFERENT
        ),
        Code::MetaTokenizerModel => value!(
            "tokenizer.model",
            "tokenizer.ggml.model",
            "It is the kind of the tokenizer.",
            DIFFERENT
        ),
        Code::MetaTokenizerPreType => value!(
            "tokenizer.pre_type",
            "tokenizer.ggml.pre",
            "It says how a text is cut before it becomes tokens.",
            DIFFERENT
        ),
        Code::MetaTokenizerScores => value!(
            "tokenizer.scores",
            "tokenizer.ggml.scores",
            "By the scores a text becomes tokens.",
            DIFFERENT
        ),
        Code::MetaTokenizerToken => value!(
            "a special token",
            "the key of this token under tokenizer.ggml",
            "Such keys begin, end or pad a text.",
            DIFFERENT
        ),
        Code::MetaTokenizerTokenType => value!(
            "tokenizer.token_type",
            "tokenizer.ggml.token_type",
            "It says which tokens are special.",
            DIFFERENT
        ),
        Code::MetaTokenizerVocabulary => value!(
            "tokenizer.vocabulary",
            "tokenizer.ggml.tokens",
            "It says which text a token stands for.",
            DIFFERENT
        ),
        Code::MetaValueLength => value!(
            "value_length",
            "A.attention.value_length (A is the architecture)",
            "It is the width of the values of one head.",
            DIFFERENT
        ),
        Code::MetaVersion => value!(
            "version",
            "general.version",
            "It describes the model and changes nothing that is computed; in files of other producers than `aprove convert` it is a warning.",
            DIFFERENT_OR_WARNING
        ),
        Code::MetaVocabSize => value!(
            "vocab_size",
            "A.vocab_size (A is the architecture)",
            "It is the number of tokens.",
            DIFFERENT
        ),
        _ => return None,
    };
    Some(explanation)
}

/// What follows from the GGUF as a whole, and the record.
fn whole(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::MetaChanged => explain(
            "a key has another value in the other file",
            "The key has no code of its own. The report names both keys and both values.",
            "A conversion that guessed the value, an edit, or two files of two models.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaFlags => explain(
            "the flags of the header do not describe the file",
            "A file of `aprove convert` says in its header whether it has quantised tensors and a vocabulary; one of another producer may leave that out, and does not say what it has not. A file with the one flag that `apr import --preserve-q4k` writes into every file gets a warning.",
            "A tool that edited the file after it was made, or a producer that copies flags.",
            CONVERT,
            DIFFERENT_OR_WARNING,
        ),
        Code::MetaForm => explain(
            "the metadata are not in the form that a conversion writes",
            "A file of `aprove convert` has compact JSON with sorted keys, and each number in one form. The values may be right; the bytes are not those that were written.",
            "A tool that read the metadata and wrote them again.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaGiven => explain(
            "a key was given by hand when the file was converted",
            "The GGUF lacks it. An engine that runs the GGUF takes its own default, which may be another value.",
            "`aprove convert --set KEY=VALUE`.",
            "Check that the value is the one of the model's publisher.",
            DIFFERENT_OR_WARNING,
        ),
        Code::MetaInvented => explain(
            "a key that loaders read comes from no key of the GGUF",
            "The APR file sets a value of which the GGUF says nothing, so nothing confirms it. Where such a key only describes the model, it is a warning.",
            "A conversion that writes defaults or guesses.",
            CONVERT,
            DIFFERENT_OR_WARNING,
        ),
        Code::MetaMissing => explain(
            "one of two files of one format lacks a key of the other",
            "Nothing is derived between two files of one format: every key of one must be in the other.",
            "A tool that added or removed a key, such as a new chat template.",
            "Decide which of the files is the one you want.",
            DIFFERENT,
        ),
        Code::MetaLost => explain(
            "a key of the GGUF is not in the APR file",
            "If the key changes what the model computes, or is needed by loaders, it is a difference. If it describes the model or its value is the default, it is a warning, and for keys of the layout of the GGUF a note.",
            "A conversion that does not carry the key.",
            "Convert again: aprove convert MODEL.gguf. Where a warning is expected, accept it.",
            &[
                crate::finding::Effect::Different,
                crate::finding::Effect::Warning,
                crate::finding::Effect::Note,
            ],
        ),
        Code::MetaRecordOnly => explain(
            "a key that changes the model stands in the record alone",
            "The bytes of the tensors and every key are proven, and loaders of APR do not read the record: none of them runs this model as the GGUF says. It is not run by the comparison either.",
            "convert --record-only, which keeps a model that APR has no words for.",
            "Run the GGUF, which aprove restore gives back. To let it pass in a gate: --allow meta.record-only",
            UNDECIDED,
        ),
        Code::MetaNotCarried => explain(
            "a key changes what the model computes, and APR has no key for it",
            "No loader of APR files would see the value, so the model computes something else than the GGUF.",
            "Features that APR does not describe, such as soft caps or other scales.",
            "Run the GGUF itself: as an APR file this model computes something else.",
            DIFFERENT,
        ),
        Code::MetaNotRead => explain(
            "a key changes how a text becomes tokens, and no loader of APR reads it",
            "The artifact may carry it, but a text can become other tokens than with the GGUF.",
            "Tokenizers with rules that APR loaders do not have.",
            "Compare the tokens of a text of yours: aprove verify A B --prompt TEXT.",
            DIFFERENT_OR_WARNING,
        ),
        Code::MetaParamCount => explain(
            "param_count is not the number of elements",
            "The elements of all tensors add up to another number. Loaders do not compute with it.",
            "A producer that takes the number from the name of the model.",
            "Nothing for the behaviour; convert again for a right number.",
            DIFFERENT,
        ),
        Code::MetaRecord => explain(
            "the record of the source is wrong",
            "An artifact of `aprove convert` records what it was made from and how. A part of the record is broken or is not what these files give.",
            "An edit of the artifact after it was converted.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaRecordDigest => explain(
            "a tensor does not have the digest that the artifact records for it",
            "The data of the tensor changed after the artifact was written, or the record did.",
            "A memory or disk fault, or an edit of the artifact.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaRecordUnchecked => explain(
            "the recorded digest of the source was not checked",
            "The digest of the GGUF could not be computed, so it was not held against the record.",
            "A part of the GGUF that could not be read.",
            "Look at the other findings, and run again when the file can be read.",
            UNDECIDED,
        ),
        Code::MetaRecordVersion => explain(
            "the record of the artifact is of an older aprove",
            "It lacks what this version checks, so the artifact cannot be held against it.",
            "An artifact of an older `aprove convert`.",
            CONVERT,
            UNDECIDED,
        ),
        Code::MetaRopeType => explain(
            "rope_type is wrong, or the right one is not known",
            "It says which pairs of elements of a head are rotated; with the wrong one every layer computes something else. For an architecture that is not known here it is undecided.",
            "Converters that leave it out or write 0 for every architecture, such as `apr import` of Qwen3.",
            CONVERT,
            BOTH,
        ),
        Code::MetaQuantization => explain(
            "quantization does not describe the type that it names",
            "Bits and block size follow from the type, as ggml has it.",
            "An edit, or a producer that writes the numbers of another type.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaSharding => explain(
            "sharding says that the file is one of several, or not the first",
            "A loader of sharded files looks for the others, and the file holds every tensor of the GGUF.",
            "An edit, or a producer that merges the files of a set and keeps what it copied from one of them.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaSpecialTokens => explain(
            "special_tokens names another token than the GGUF",
            "The key repeats tokens of the vocabulary, which the GGUF names by their ids; a chat that begins or ends with another token is another prompt.",
            "An edit, or a producer that takes the tokens from another model.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaTensorShapes => explain(
            "tensor_shapes does not repeat the shapes of the index",
            "The metadata lists the shape of each tensor a second time, and a shape is not the same, or is that of a tensor which the file does not have.",
            "An edit, or a producer that writes the shapes in another order.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaTiedEmbeddings => explain(
            "tied_embeddings does not say what the GGUF does",
            "A wrong value is a difference. Where the output is the embedding and the key is missing, it is a warning: a loader may look for an output matrix.",
            "A conversion that does not look whether output.weight is there.",
            CONVERT,
            DIFFERENT_OR_WARNING,
        ),
        Code::MetaType => explain(
            "a value has a type that loaders do not take, or not that of the other file",
            "Loaders drop all metadata of an APR file then and run with guesses. Of two files of one format another value is said apart (meta.changed).",
            "A producer that writes a number as a string, or the like.",
            CONVERT,
            DIFFERENT,
        ),
        Code::MetaUnexplained => explain(
            "a key of the APR file is explained by nothing",
            "In an artifact of `aprove convert` every key follows from the source and the options, so this one is a difference. In files of other producers it is a warning, and so is a key that describes the model where the GGUF says nothing of it.",
            "A tool that added a key, or a producer with its own keys.",
            CONVERT,
            DIFFERENT_OR_WARNING,
        ),
        _ => return None,
    };
    Some(explanation)
}
