"""Vocabularies of kinds of which no real one is at hand, made out of that of a llama with scores."""

import io
import math
import random
import tempfile

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def first(vocabulary):
    """A part that is small enough to be recorded: special tokens, bytes, the first pieces, and some single characters."""
    tokens, types, scores = vocabulary.tokens, vocabulary.types, vocabulary["tokenizer.ggml.scores"][1][1]
    kept = [id for id, token in enumerate(tokens) if id < 420 or (len(token) == 1 and id % 9 == 0)]
    return vocabulary.with_keys(
        tokens=[tokens[id] for id in kept], token_type=[types[id] for id in kept], scores=[scores[id] for id in kept]
    )


def with_tokens(vocabulary, more):
    """Further tokens, each with its type; scores follow the order."""
    scores = vocabulary["tokenizer.ggml.scores"][1][1]
    return vocabulary.with_keys(tokens=vocabulary.tokens + list(more), token_type=vocabulary.types + list(more.values()),
                                scores=scores + [min(scores) - 1.0 - at for at in range(len(more))])


def of_characters(vocabulary, **keys):
    """Byte pairs of characters, as gemma4 has them: a merge for every cut of a piece into two."""
    lines = {"\n" * count: NORMAL for count in range(1, 6)}
    special = {"<|tool_response>": USER_DEFINED, "<start_of_turn>": CONTROL, "<turn|>": CONTROL}
    vocabulary = with_tokens(vocabulary, lines | special)
    known = {token for token, kind in zip(vocabulary.tokens, vocabulary.types) if kind == NORMAL}
    cuts = ((token[:at], token[at:]) for token in vocabulary.tokens if token in known for at in range(1, len(token)))
    merges = [f"{left} {right}" for left, right in cuts if left in known and right in known]
    return vocabulary.with_keys(pre=None, scores=None, merges=merges, **keys)


def charsmap(**rules):
    """A table of normalisation as SentencePiece compiles it."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b"] * 9), model_writer=model, vocab_size=7, hard_vocab_limit=False, minloglevel=2, **rules
    )
    return proto.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap


def whole_charsmap():
    """The one that most unigram vocabularies hold."""
    return charsmap(normalization_rule_name="nmt_nfkc_cf")


def small_charsmap():
    """One that is small enough to be recorded."""
    rules = {"A": "a", "C": "c", "\u00e9": "e", "e\u0301": "e", "\u3000": " ", "\u00bd": "1/2", "\u200b": "", "\uff12": "2", "\r\n": "\n"}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for source, target in rules.items():
            file.write("\t".join(" ".join(f"{ord(character):X}" for character in text) for text in (source, target)) + "\n")
        file.flush()
        return charsmap(normalization_rule_tsv=file.name)


def unigram(vocabulary, **keys):
    """Scores as logarithms of frequencies; some tokens user-defined, unused or of bytes."""
    extra = {"<extra_id_0>": USER_DEFINED, "\u00e9\u2581x": USER_DEFINED, "=>": USER_DEFINED, "\u2581spare": UNUSED, "\u2581\u2581": NORMAL}
    extra = {token: kind for token, kind in extra.items() if token not in vocabulary.tokens}
    vocabulary = with_tokens(vocabulary, extra)
    pick = random.Random("scores")
    scores = [-math.log(id + 2) - pick.random() for id in range(len(vocabulary.tokens))]
    keys = {"add_bos_token": None, "add_eos_token": None, "unknown_token_id": 0, **keys}
    return vocabulary.with_keys(model="t5", pre=None, scores=scores, **keys)


def word_pieces(vocabulary, **keys):
    """Pieces in small letters; those of the middle of a word have no mark in front, as files of BERT have it."""
    special = {"[PAD]": CONTROL, "[UNK]": UNKNOWN, "[CLS]": CONTROL, "[SEP]": CONTROL, "[MASK]": CONTROL}
    pieces = dict.fromkeys(token.lower() for token, kind in zip(vocabulary.tokens, vocabulary.types) if kind == NORMAL)
    tokens = list(special) + list(pieces) + [f"\u2581{piece}" for piece in pieces if len(piece) == 1 and f"\u2581{piece}" not in pieces]
    keys = {"bos_token_id": 2, "seperator_token_id": 3, "unknown_token_id": 1, "eos_token_id": None, **keys}
    types = list(special.values()) + [NORMAL] * (len(tokens) - len(special))
    keys = {"tokens": tokens, "token_type": types, "scores": None, "add_bos_token": None, "add_eos_token": None, **keys}
    return vocabulary.with_keys(model="bert", pre=None, **keys)


def kinds(spm, charsmap):
    """Each kind with the vocabulary of a llama, whole or a part."""
    yield "llama without scores", spm.with_keys(scores=None)
    yield "llama without prefix", spm.with_keys(add_space_prefix=False)
    yield "gemma4", of_characters(spm, model="gemma4")
    yield "gpt2/granite-embed-multi-311m", of_characters(spm, model="gpt2").with_keys(pre="granite-embed-multi-311m")
    yield "gpt2/sarvam-moe", of_characters(spm, model="gpt2").with_keys(pre="sarvam-moe")
    yield "t5", unigram(spm, add_space_prefix=True, remove_extra_whitespaces=True, precompiled_charsmap=charsmap)
    yield "t5 without keys", unigram(spm)
    yield "t5 with spaces kept", unigram(spm, add_space_prefix=True, remove_extra_whitespaces=False, precompiled_charsmap=charsmap)
    yield "bert", word_pieces(spm)
    yield "bert with accents", word_pieces(spm, normalizer__strip_accents=False)
    yield "bert with capitals", word_pieces(spm, normalizer__lowercase=False)
