//! Tensors, compared.

use super::{
    CONVERT, DIFFERENT, Explanation, FETCH, NOTE, UNDECIDED, UNDECIDED_OR_WARNING, WARNING, explain,
};
use crate::code::Code;

pub(super) fn of(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::TensorBytes => explain(
            "the bytes of a tensor are not the same in both files",
            "Both have the tensor in one type and size, and some bytes differ. The report says which blocks, which part of them, and how the decoded values differ.",
            "A memory or disk fault, a tensor of another model or quantisation, or a conversion that changed values; see the likely cause in the report.",
            "If the first line says which file is damaged, replace that one; otherwise convert again: aprove convert MODEL.gguf.",
            DIFFERENT,
        ),
        Code::TensorExtra => explain(
            "the APR file has a tensor that the GGUF does not have",
            "Nothing in the GGUF confirms its values. It can also be a second tensor for one of the GGUF.",
            "Files of two models, or a GGUF that lost a tensor.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorMissing => explain(
            "a tensor is missing in one of the files",
            "The model cannot be the same without it. Where the artifact records its source, the report says whether the GGUF has lost the tensor.",
            "Files of two models, or a conversion that left a tensor out.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorLayers => explain(
            "a layer lacks tensors that other layers have",
            "One file on its own shows no tensor that is gone but by the layers beside it. Where all layers of the architecture have the same tensors, that leaves the check undecided; of another architecture it is a warning, since one may leave out what this version does not know.",
            "A tool that dropped or renamed a tensor: loaders of APR leave the step out without a word.",
            "Compare with the file that it was made from: aprove verify FILE MODEL.gguf.",
            UNDECIDED_OR_WARNING,
        ),
        Code::TensorLayout => explain(
            "a tensor of our own artifact is not where a conversion lays it",
            "The bytes of an artifact follow from its sources and options: the tensors stand behind each other, in the order of the index.",
            "A tool that wrote the artifact again.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorLoader => explain(
            "loaders refuse a tensor of the APR file, or take it for another one",
            "Loaders find the embedding by a part of its name, so that a second tensor with that part may be taken for it; and they take norms and biases as F32, F16 or BF16 only.",
            "A tensor that a tool added, or a quantisation that left nothing out.",
            "Make the GGUF again without it, and convert that.",
            DIFFERENT,
        ),
        Code::TensorNaming => explain(
            "the tensors of an APR file have names of two namings",
            "Every producer that is known names all tensors of a file in one way. The loader of apr 0.72.3 looks for each tensor under its name of Hugging Face and then under that of the GGUF; one that knows a single naming does not find the others, and what is not found is left out, biases without a word.",
            "An edit, or a producer that renames some tensors.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorNotCompared => explain(
            "a tensor could not be compared",
            "One of the two cannot be interpreted or read.",
            "A type that is not known, or a part of a file that could not be read; another finding says which.",
            "Follow the finding about the file or the type.",
            UNDECIDED,
        ),
        Code::TensorScaleNotFinite => explain(
            "scales of blocks are NaN or infinite",
            "Every value of such a block is NaN or infinite, in the file or files that are named. Models do not have that, so it is a difference even where both files agree.",
            "A damaged block, or a quantisation that failed.",
            FETCH,
            DIFFERENT,
        ),
        Code::TensorShape => explain(
            "a tensor has another shape in the two files",
            "The bytes may be the same; a loader cuts them into other rows.",
            "A conversion that swaps the dimensions, or files of two models.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorSize => explain(
            "a tensor has another size in the two files",
            "Type and name agree, the number of bytes does not.",
            "Files of two models, or a damaged size.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorSwapped => explain(
            "a tensor holds the data of another one",
            "Its bytes are exactly those of another tensor of the GGUF.",
            "A conversion that mixed up two names, or wrote one tensor twice.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorRenamed => explain(
            "a tensor has another name in the other file",
            "Two files of one format hold the same bytes under two names.",
            "A tool that renames tensors, or names of another producer.",
            "Look at which names your engine reads; the bytes are the same.",
            DIFFERENT,
        ),
        Code::TensorTiedDuplicate => explain(
            "the APR file has a copy of the embedding as its output",
            "The GGUF ties its output to the embedding and has no matrix for it; the copy has the same bytes.",
            "`aprove convert --tie duplicate`, or a converter that always writes the output.",
            "Nothing.",
            NOTE,
        ),
        Code::TensorType => explain(
            "a tensor has another type in the two files",
            "The values are stored in another precision. Whether they are the same when they are decoded is said apart: tensor.values, or tensor.not-compared where a type is not decoded here.",
            "A conversion that quantised again, or files of two quantisations of one model.",
            "Compare with the GGUF of the same quantisation, or convert again: aprove convert MODEL.gguf.",
            DIFFERENT,
        ),
        Code::TensorValueNotFinite => explain(
            "values of a tensor are NaN or infinite",
            "Models do not have that, so it is a difference even where both files agree.",
            "A damaged element, or a training or conversion that overflowed.",
            FETCH,
            DIFFERENT,
        ),
        Code::TensorValues => explain(
            "stored in two types, a tensor has other values in each file",
            "Decoded from both types and compared bit for bit, some values are not the same: those of an APR file that holds the tensor as F32, or those of two files in two types.",
            "A conversion that decodes with other rounding, another quantisation, or a damaged tensor.",
            CONVERT,
            DIFFERENT,
        ),
        Code::TensorValuesEqual => explain(
            "tensors are stored as F32 with exactly the decoded values",
            "Nothing is lost, but the bytes are not those of the GGUF and take more room. All of them are compared bit for bit as values.",
            "`aprove convert --unsupported decode-f32`, or a converter that decodes types that APR lacks.",
            "Nothing, if you accept the size.",
            WARNING,
        ),
        Code::TensorZeroTail => explain(
            "the tensor data are zero from some byte to their end",
            "That alone proves nothing, and real models do not end like that.",
            "A download that reserved the whole file and stopped.",
            FETCH,
            WARNING,
        ),
        _ => return None,
    };
    Some(explanation)
}
