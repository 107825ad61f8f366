//! The container of a GGUF.

use super::{
    DIFFERENT, DIFFERENT_OR_UNREADABLE, Explanation, FETCH, MAKE_AGAIN, NOTE, UNDECIDED,
    UNREADABLE, WARNING, explain,
};
use crate::code::Code;

pub(super) fn of(code: Code) -> Option<Explanation> {
    header(code)
        .or_else(|| metadata(code))
        .or_else(|| tensors(code))
}

fn header(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::GgufCountKv => explain(
            "the header counts more keys than the file has room for",
            "Each key takes at least 13 bytes, and the bytes left are fewer.",
            "A damaged header, or a file that is cut.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufCountTensors => explain(
            "the header counts more tensors than the file has room for",
            "Each tensor info takes at least 24 bytes, and the bytes left are fewer.",
            "A damaged header, or a file that is cut.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufDamaged => explain(
            "the GGUF is not what the artifact recorded of its source",
            "The artifact keeps the head of the GGUF that it was made from, and its own checksum holds. The first byte that is not the same is named; where the file ends inside its head, it is cut and the pair is undecided.",
            "A memory or disk fault in the GGUF, or a download that ended early.",
            FETCH,
            DIFFERENT_OR_UNREADABLE,
        ),
        Code::GgufEndian => explain(
            "the GGUF is big-endian",
            "Its numbers are stored the other way round, which this program does not read.",
            "A file made for or on a big-endian machine.",
            "Use the little-endian file of the same model, or convert it with gguf-py (gguf_convert_endian).",
            UNREADABLE,
        ),
        Code::GgufMagic => explain(
            "the file does not begin with GGUF",
            "The first four bytes of a GGUF are its name.",
            "A damaged first block, or another kind of file.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufShort => explain(
            "the GGUF ends inside its head",
            "The header, a key or a tensor info is not complete.",
            "A download or copy that ended early, or a damaged length before that place.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufSplitCount => explain(
            "the number of files of the split set is not right",
            "The files disagree about how many they are, or not all of them are here.",
            "A missing file, or files of two sets.",
            "Put all files NAME-00001-of-0000N.gguf into one folder and give any of them.",
            UNREADABLE,
        ),
        Code::GgufSplitDuplicate => explain(
            "a tensor stands in two files of the split set",
            "Which of the two counts depends on the loader.",
            "Files of two sets, or a file that was copied under a second name.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufSplitKey => explain(
            "a file of the split set says something else of the model than the first one",
            "Loaders read the keys of the first file alone, so that the other value has no effect, or is the right one and \
             is not used.",
            "A tool that changed the keys of one file, or files of two sets.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufSplitNo => explain(
            "a file has another number than its place in the split set",
            "Each file of a set says which one it is, from 0; this one says another number or none.",
            "A file that was renamed, or a file of another set.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufSplitTensors => explain(
            "the split set has more or fewer tensors than it states",
            "The first file says how many tensors all files hold together.",
            "A file of another set in the place of the right one.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufVersionUnknown => explain(
            "the version of the GGUF is not known",
            "Versions 2 and 3 are read. Another one may mean something else by the same bytes.",
            "A newer format, or a damaged header.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufVersionV1 => explain(
            "the GGUF has version 1",
            "Version 1 has other widths and is read by no current tool.",
            "A file of August 2023.",
            "Get the model again in a current version of the format.",
            UNREADABLE,
        ),
        _ => return None,
    };
    Some(explanation)
}

fn metadata(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::GgufAlignmentLimit => explain(
            "general.alignment is larger than 1 MiB",
            "Such an alignment would make padding larger than models.",
            "A damaged value, or a file made to waste memory.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufAlignmentType => explain(
            "general.alignment is not a u32",
            "Readers that expect a u32 refuse it or use 32, and then find every tensor elsewhere.",
            "A tool that wrote the key with another type.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufAlignmentValue => explain(
            "general.alignment is not a power of two",
            "Offsets cannot be rounded up to it in the way of the format.",
            "A damaged value, or an edit by hand.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufArrayCount => explain(
            "an array has more items than the file has room for",
            "The stated number of items does not fit into the bytes left.",
            "A damaged length, or a file that is cut.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufArrayDepth => explain(
            "arrays lie in one another more than 64 deep",
            "No model needs that; readers that follow them may run out of stack.",
            "A file made to harm readers.",
            "Do not load it. Get the model from its publisher.",
            UNREADABLE,
        ),
        Code::GgufArrayNested => explain(
            "a value is an array of arrays",
            "The format allows it, and llama.cpp does not load it.",
            "A tool of its own.",
            "Nothing for the comparison; write the key in another form if llama.cpp is to load the file.",
            NOTE,
        ),
        Code::GgufKeyBytes => explain(
            "a key has bytes that are not ASCII, or NUL",
            "Readers in C end the key at the NUL; others read all of it, so two readers see two keys.",
            "A damaged key, or a file made to mislead.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufKeyDuplicate => explain(
            "a key stands twice",
            "Readers disagree about which of the two counts.",
            "A tool that added a key without removing the old one.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufKeyEmpty => explain(
            "a key is empty",
            "A value without a name cannot be looked up and cannot be compared.",
            "A damaged length.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufKeyLength => explain(
            "a key is longer than 65,535 bytes",
            "The format does not allow it.",
            "A damaged length.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufKeyStyle => explain(
            "a key is not in lower snake case",
            "The format text asks for it; llama.cpp does not mind.",
            "A tool of its own.",
            "Nothing.",
            NOTE,
        ),
        Code::GgufLimitMetadata => explain(
            "the metadata are larger than this program reads",
            "They are held in memory, which has a limit. No known model comes near it.",
            "A damaged length, or a file made to exhaust memory.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufMetaArchitecture => explain(
            "general.architecture is missing or no string",
            "No loader knows what to do with the tensors without it.",
            "A file that was not made as a model, or a damaged key.",
            MAKE_AGAIN,
            WARNING,
        ),
        Code::GgufMetaLength => explain(
            "scores or token types are not as many as tokens",
            "Loaders give the missing ones a default or refuse the file.",
            "A tool that added tokens and left the other arrays as they were.",
            MAKE_AGAIN,
            WARNING,
        ),
        Code::GgufMetaTokenId => explain(
            "a special token is no id of the vocabulary",
            "The number is not smaller than the number of tokens.",
            "A vocabulary that was cut, or ids of another model.",
            MAKE_AGAIN,
            WARNING,
        ),
        Code::GgufMetaType => explain(
            "a key of the tokenizer has another type than loaders read",
            "They ignore it or refuse the file.",
            "A tool of its own.",
            MAKE_AGAIN,
            WARNING,
        ),
        Code::GgufStringLength => explain(
            "a string is longer than the rest of the file",
            "Its length does not fit into the bytes left, so nothing after it could be read.",
            "A damaged length, or a file that is cut.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufValueBool => explain(
            "a bool is neither 0 nor 1",
            "Some readers take it for true, others refuse it.",
            "A changed byte.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufValueType => explain(
            "a value has a type that the format does not know",
            "Types are numbered 0 to 12. The length of such a value is unknown, so nothing after it could be read.",
            "A damaged key or length before that place, or a newer format.",
            FETCH,
            UNREADABLE,
        ),
        _ => return None,
    };
    Some(explanation)
}

fn tensors(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::GgufNameBytes => explain(
            "the name of a tensor is empty or has control bytes",
            "Readers do not agree on such a name.",
            "A damaged tensor info.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufNameCDuplicate => explain(
            "two tensor names are the same up to a NUL",
            "Readers in C see one name for two tensors, others see two.",
            "A file made to mislead.",
            "Do not load it. Get the model from its publisher.",
            UNREADABLE,
        ),
        Code::GgufNameDuplicate => explain(
            "two tensors have the same name",
            "Readers disagree about which of the two counts.",
            "Two models merged into one file, or a damaged tensor info.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufNameLength => explain(
            "the name of a tensor is longer than 64 bytes",
            "The format does not allow it.",
            "A damaged length, or a tool that writes long names.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufNameLong => explain(
            "the name of a tensor has exactly 64 bytes",
            "The format allows it, and llama.cpp does not load it.",
            "A tool that writes long names.",
            "Nothing for the comparison; shorten the name if llama.cpp is to load the file.",
            WARNING,
        ),
        Code::GgufOffsetAlign => explain(
            "the offset of a tensor is not aligned",
            "It must be a multiple of general.alignment, or of 32.",
            "A damaged offset, or a tool that changed the alignment and not the offsets.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufOffsetOrder => explain(
            "the offset of a tensor is not where the one before it ends",
            "There is a gap or an overlap, or the data are in another order than the tensor infos. llama.cpp refuses such a file.",
            "A damaged offset or dimension, or a tool that reordered the infos only.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufOffsetOverlap => explain(
            "the data of two tensors overlap",
            "At least one of the two has bytes that are not its own.",
            "A damaged offset or dimension.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufOffsetRange => explain(
            "the offset of a tensor lies outside any file",
            "It is larger than a file can be.",
            "A damaged offset.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufOffsetWrap => explain(
            "the sizes of the tensors add up to more than any file",
            "A reader that adds them without care would wrap around and read other bytes.",
            "A damaged dimension, or a file made to harm readers.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufPadding => explain(
            "the padding after a tensor is not zero",
            "The bytes up to the alignment must be zero. Loaders do not read them; that they are not zero shows that something wrote there.",
            "A memory or disk fault, or data hidden in the file.",
            FETCH,
            DIFFERENT,
        ),
        Code::GgufPaddingMissing => explain(
            "the last tensor is not padded",
            "The file ends with the data of its last tensor. llama.cpp loads it.",
            "Tools that leave the last padding away, or a cut of a few bytes.",
            "Compare the file with the digest of its publisher if you expected padding.",
            WARNING,
        ),
        Code::GgufTensorBytes => explain(
            "a tensor has more bytes than 2^64",
            "Elements times bytes of a block wrap around; a reader that multiplies first would see a few bytes.",
            "A damaged dimension, or a file made to harm readers.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufTensorDim => explain(
            "a dimension of a tensor is larger than 2^63",
            "Readers take it for a negative number.",
            "A damaged dimension.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufTensorElements => explain(
            "the dimensions of a tensor multiply to more than 2^63",
            "No file can hold it.",
            "A damaged dimension.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufTensorEmpty => explain(
            "a tensor has a dimension of 0",
            "It has no data, so there was nothing to compare.",
            "A tool that writes placeholders.",
            "Nothing, if the model is meant to have it.",
            WARNING,
        ),
        Code::GgufTensorRank => explain(
            "a tensor has more than four dimensions",
            "The format allows four.",
            "A damaged tensor info.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufTensorRow => explain(
            "the rows of a tensor are no whole blocks of its type",
            "A quantised row is cut into blocks of 32 or 256 elements; this row does not divide.",
            "A damaged dimension or type, or a tensor that was quantised in a type that does not fit it.",
            MAKE_AGAIN,
            UNREADABLE,
        ),
        Code::GgufTensorScalar => explain(
            "a tensor has no dimensions",
            "It is one value.",
            "A tool that writes scalars.",
            "Nothing.",
            WARNING,
        ),
        Code::GgufTrailing => explain(
            "bytes follow the last tensor",
            "Nothing describes them, and nothing was there to compare them with.",
            "A download joined twice, a tool that appended something, or data hidden in the file.",
            FETCH,
            DIFFERENT,
        ),
        Code::GgufTruncated => explain(
            "the GGUF is cut",
            "Data of a tensor begin or end after the end of the file. What is left decides nothing.",
            "A download or copy that ended early, or a full disk.",
            FETCH,
            UNREADABLE,
        ),
        Code::GgufTypeRemoved => explain(
            "a tensor has a type that ggml has removed",
            "No current tool knows what its blocks mean, so it was not compared.",
            "A file of an old version of ggml.",
            "Quantise the model again with a current llama.cpp.",
            UNDECIDED,
        ),
        Code::GgufTypeUnknown => explain(
            "a tensor has a type that is not known",
            "The size of its data is unknown, so it was not compared.",
            "A newer ggml than this program knows, or a damaged type.",
            "Get a newer aprove, or quantise the model in another type.",
            UNDECIDED,
        ),
        _ => return None,
    };
    Some(explanation)
}
