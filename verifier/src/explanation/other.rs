//! Files as a whole, manifests, behaviour.

use super::{BOTH, DIFFERENT, Explanation, FETCH, NOTE, UNDECIDED, UNREADABLE, WARNING, explain};
use crate::code::Code;
use crate::finding::Effect;

pub(super) fn of(code: Code) -> Option<Explanation> {
    files(code)
        .or_else(|| manifests(code))
        .or_else(|| behaviour(code))
}

fn files(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::FormatUnknown => explain(
            "the file is neither an APR file nor a GGUF",
            "Its first bytes are those of no format that is known here.",
            "Another kind of file, or a damaged first block.",
            "Give a GGUF or an APR v2 file.",
            UNREADABLE_OR_UNDECIDED,
        ),
        Code::InputChanged => explain(
            "a file changed while it was read",
            "Its length, time or identity is not what it was when it was opened, or other bytes were run than were compared. Whatever was seen decides nothing.",
            "A download, sync or conversion that still writes to the file.",
            "Run again when nothing writes to the file.",
            UNREADABLE,
        ),
        Code::InputName => explain(
            "the file is not what its name says",
            "The name is sha256- and a digest, as Ollama names what it keeps, and the SHA-256 of the bytes is another one.",
            "A blob that was damaged, cut or edited after the download.",
            "Fetch the model again: ollama pull MODEL",
            DIFFERENT,
        ),
        Code::InputNotAModel => explain(
            "the file is another kind of file",
            "It is empty, an archive, a document, or a model of another format; the report says which.",
            "A wrong path, a file that was not unpacked, or a model that was not converted to GGUF.",
            "Unpack it, or convert it to GGUF with the tools of llama.cpp.",
            UNREADABLE,
        ),
        Code::InputPointer => explain(
            "the file is a Git LFS pointer",
            "It is a few lines that stand for the model, not the model.",
            "A repository that was cloned without Git LFS.",
            "git lfs pull",
            UNREADABLE,
        ),
        Code::InputPublished => explain(
            "the file is not the one that its publisher gives",
            "The host of the file says which SHA-256 it has, and the bytes that were read have another one.",
            "A fault of a cache or a proxy on the way, or of the host.",
            "Run again; if it stays, tell the publisher.",
            BOTH,
        ),
        Code::InputWebPage => explain(
            "the file is a web page or an error message of a server",
            "It was saved under the name of the model.",
            "A download without login, from a wrong address, or of a moved file.",
            "Open the address in a browser, then download the file again.",
            UNREADABLE,
        ),
        Code::Io => explain(
            "bytes of a file could not be read",
            "The operating system reported an error, which the finding repeats. What was not read was not compared.",
            "A disk fault, a network folder that is gone, or a file that shrank.",
            "Copy the file to a local disk and run again; look at the log of the system for disk errors.",
            UNREADABLE_OR_UNDECIDED,
        ),
        Code::NotCovered => explain(
            "bytes of a file belong to no known part",
            "Every byte must lie in a part that was decoded or at least named. These were not, so they were not compared.",
            "A malformed file; another finding says what is wrong.",
            "See all parts: aprove inspect FILE --regions",
            UNDECIDED,
        ),
        Code::NothingCompared => explain(
            "nothing was compared",
            "No tensor had a counterpart that could be read, no row of the manifest is about this file, or the command ended before it compared anything; the finding says why.",
            "Files of two models, or a manifest of another file.",
            "Check that the two belong together.",
            UNDECIDED,
        ),
        Code::PairFormats => explain(
            "the two files are no pair that can be compared",
            "A file is neither an APR file nor a GGUF, or several files were given where a model is one.",
            "Two arguments that are not the ones you meant.",
            "Give two models: aprove verify MODEL.apr MODEL.gguf",
            UNDECIDED,
        ),
        Code::PairIdentical => explain(
            "both files are the same, byte for byte",
            "Two files of one format have the same BLAKE3.",
            "One is a copy of the other, or both were made from the same source in the same way.",
            "Nothing. If you meant to compare two models, look at the paths that you gave.",
            NOTE,
        ),
        Code::PairUnmatched => explain(
            "a model has no other that it could be compared with",
            "Of two folders, or of a list, it is the one that is left over.",
            "A file that is missing or has another name.",
            "Name the pairs: verify --pairs FILE, two paths in a line.",
            UNDECIDED,
        ),
        Code::PairRewritten => explain(
            "one file is the model of the other, written in another way",
            "All tensors and keys are the same; their order, the version of the format or the split is not.",
            "A tool that read the model and wrote it again: one that merges, splits or edits files.",
            "Nothing, where only the model matters. The digests of the two files cannot be the same.",
            WARNING,
        ),
        Code::PairUnexplained => explain(
            "the files differ, and nothing that was compared says why",
            "Their BLAKE3 differ, although all tensors and keys that were compared agree.",
            "Bytes that neither a tensor nor a key covers, such as padding.",
            "Compare the bytes themselves, such as with cmp, and please report the pair.",
            UNDECIDED,
        ),
        Code::PairManifest => explain(
            "one of the two files is a manifest",
            "A manifest is never taken for a model.",
            "A manifest in the place of the second model.",
            "aprove verify MODEL --manifest FILE",
            UNDECIDED,
        ),
        Code::PolicyExpired => explain(
            "an entry of the policy has expired",
            "Its last day is over, so it allows nothing any more; what it allowed counts again.",
            "A policy file with `expires`.",
            "Repair what was allowed, or decide again and give the entry a new date.",
            WARNING,
        ),
        Code::SourceChanged => explain(
            "the GGUF is not byte for byte the one that the artifact was made from",
            "The artifact records the size and the BLAKE3 of its source, and this file has others.",
            "A GGUF that was damaged, cut or edited after the conversion.",
            FETCH,
            DIFFERENT,
        ),
        Code::SourceOther => explain(
            "the files are two models",
            "What the APR file says that it was made from is not what this GGUF says it is, and most tensors differ.",
            "A GGUF of another size, version or family.",
            "Give the GGUF that the first line names.",
            DIFFERENT,
        ),
        Code::SourceRewritten => explain(
            "the GGUF is the source of the artifact, written in another way",
            "The tensors are those of the recorded source; the head of the GGUF is not, and the report lists the changes.",
            "A tool that edited metadata or wrote the GGUF again.",
            "Use the original GGUF, which `aprove restore MODEL.apr` can give back, or convert this one.",
            DIFFERENT,
        ),
        Code::SourceSplit => explain(
            "the artifact was made from another number of files",
            "The model was split or merged after the conversion, so the recorded digests of the files cannot be held against these.",
            "A split set that was merged, or the other way round.",
            "Nothing, if you split or merged it yourself.",
            WARNING,
        ),
        _ => return None,
    };
    Some(explanation)
}

fn manifests(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::ManifestBound => explain(
            "what the manifest proves",
            "The note lists what was bound by a digest that nobody can forge.",
            "Every check with a manifest of which a row agrees.",
            "Nothing.",
            NOTE,
        ),
        Code::ManifestCoverage => explain(
            "the manifest leaves a part of the file open",
            "Its rows bind the tensors and not the header, the metadata and the padding. With --allow-unbound-metadata this is a warning.",
            "Rows of gguf-hash, or a manifest of some tensors only.",
            "Check against a digest of the whole file, or add --allow-unbound-metadata.",
            &[Effect::Undecided, Effect::Warning],
        ),
        Code::ManifestDuplicate => explain(
            "the manifest has two rows for one thing, with two digests",
            "Two rows that say the same are one; with two digests it is not clear which one its author meant.",
            "Manifests that were joined.",
            "Write it again: aprove manifest MODEL",
            DIFFERENT,
        ),
        Code::ManifestExtra => explain(
            "the manifest names something that is not there",
            "The model lacks a file or a tensor of the manifest.",
            "A manifest of another model, or a model that lost something.",
            FETCH,
            DIFFERENT,
        ),
        Code::ManifestMismatch => explain(
            "something is not what the manifest says",
            "A digest, a size, a type or a shape differs; the finding has both.",
            "A damaged or edited file, or a manifest of another version.",
            FETCH,
            DIFFERENT,
        ),
        Code::ManifestMissing => explain(
            "the manifest has no row for something",
            "A tensor or a file of the model is not bound by any row.",
            "A manifest of an older or smaller model.",
            "Write it again, if you trust the model: aprove manifest MODEL",
            BOTH,
        ),
        Code::ManifestName => explain(
            "the manifest calls the file by another name",
            "Names bind nothing; the digests were compared.",
            "A file that was renamed.",
            "Nothing.",
            NOTE,
        ),
        Code::ManifestNotCompared => explain(
            "rows of the manifest were not compared",
            "What they are about could not be decoded, or its bytes are not all in the file. A note: they are about the source of the artifact.",
            "A model that is cut or malformed.",
            FETCH,
            &[Effect::Undecided, Effect::Note],
        ),
        Code::ManifestNotVerified => explain(
            "the manifest does not say that the artifact was verified",
            "The digests may agree; nobody compared the artifact with its source when it was made.",
            "`aprove convert --no-verify`.",
            "aprove verify MODEL.apr MODEL.gguf",
            UNDECIDED,
        ),
        Code::ManifestOtherFiles => explain(
            "rows of the manifest are for other files",
            "They were not used. Where no row is left, nothing is compared and it is undecided; so it is where rows of this name are in several folders, none of them is that of the model, and none holds.",
            "A list of digests of a whole folder, or a file that was renamed.",
            "If the file was renamed, give its digest itself: aprove verify FILE --digest sha256:HEX",
            &[Effect::Undecided, Effect::Note],
        ),
        Code::ManifestRole => explain(
            "the model was compared with what a manifest says of its sources",
            "The manifest is that of an artifact, and the file given is a GGUF.",
            "Checking the source of an artifact.",
            "Nothing.",
            NOTE,
        ),
        Code::ManifestSyntax => explain(
            "a row of the manifest cannot be read",
            "It was not compared, so the manifest was not checked completely.",
            "A manifest that was cut or edited.",
            "Get the manifest again, or write it again: aprove manifest MODEL",
            UNDECIDED,
        ),
        Code::ManifestUnknown => explain(
            "the file is no manifest that can be used",
            "It is a model, or has no form that is known here.",
            "Two models with --manifest between them, or a list of another tool.",
            "To compare two models leave out --manifest; the forms that are read are in docs/verify.md.",
            UNDECIDED,
        ),
        Code::ManifestWeak => explain(
            "tensors are bound by weak digests only",
            "xxh64, xxh3, sha1 and uuid show accidents, and not what somebody changed on purpose.",
            "Rows of gguf-hash without sha256.",
            "Ask for SHA-256 of the whole file.",
            WARNING,
        ),
        _ => return None,
    };
    Some(explanation)
}

fn behaviour(code: Code) -> Option<Explanation> {
    let explanation = match code {
        Code::BehaviourAssumed => explain(
            "the file does not say something that a run needs",
            "The run assumed what the message says. An engine that assumes something else computes something else.",
            "Keys that the format leaves out when they have their usual value.",
            "Nothing, if the assumption is right for the model.",
            WARNING,
        ),
        Code::BehaviourFingerprint => explain(
            "the model does not behave as its manifest records",
            "The digest of all stages of a prompt is another one than was recorded when the artifact was made.",
            "A changed tensor or key, or a manifest of another artifact.",
            "Find the stage: aprove bisect MODEL.apr MODEL.gguf",
            DIFFERENT,
        ),
        Code::BehaviourNotChecked => explain(
            "the manifest records a behaviour, which was not checked",
            "The run was switched off.",
            "`--forward off`.",
            "Leave out --forward off to check it.",
            NOTE,
        ),
        Code::BehaviourNotCovered => explain(
            "the behaviour was not compared",
            "The files could not be run, for the reason in the message. Bytes and metadata were compared all the same.",
            "An architecture that the forward does not know, a key that it would have to leave out, or a device that cannot be used.",
            "To leave the behaviour out: aprove verify A B --forward off",
            UNDECIDED,
        ),
        Code::BehaviourStage => explain(
            "the files compute different values",
            "Both were run on the same tokens, each from its own names and metadata. The stage that is named is the first whose bits differ.",
            "A tensor or a key that differs; another finding often names it.",
            "Find the cause: aprove bisect MODEL.apr MODEL.gguf",
            DIFFERENT,
        ),
        Code::BehaviourTokens => explain(
            "the tokenizers of the files differ",
            "The text of --prompt becomes other token ids in one file than in the other.",
            "A vocabulary, merges or scores that differ, or a tokenizer type that is not the same.",
            "Look at the findings under meta.tokenizer, and convert again: aprove convert MODEL.gguf",
            DIFFERENT,
        ),
        Code::CheckRecorded => explain(
            "what the model was held against",
            "A model on its own is held against its checksums, the digests that it records of itself, and its sidecar.",
            "`aprove check` says in every answer what it rests on.",
            "Nothing. To compare the model with its source: aprove verify MODEL.apr MODEL.gguf",
            NOTE,
        ),
        Code::CheckSidecar => explain(
            "whether a sidecar was used",
            "A manifest NAME.manifest.json beside the model is used unless --no-sidecar is given.",
            "`aprove check` says in every answer whether there was one.",
            "Where there should be one, write it with aprove manifest, or convert again.",
            NOTE,
        ),
        Code::CheckUnrecorded => explain(
            "nothing is recorded that the bytes could be held against",
            "Neither the file nor a sidecar has a digest of its bytes: only the format was checked, and that all values are finite.",
            "A GGUF has no checksum of its own, nor has an APR file of another producer.",
            "Hold it against the digest that its publisher gives: verify FILE --digest sha256:...",
            NOTE,
        ),
        Code::BehaviourUnused => explain(
            "tensors or keys have no part in the run",
            "They were compared like all others, but no step of the forward reads them: no engine reads such a tensor, and llama.cpp no such key for the architecture.",
            "Old tables of rotary angles, which engines compute themselves, tensors that a tool added for itself, or a key that converters write for other architectures, such as attention.scale in a llama.",
            "Nothing, unless an engine of yours reads them: then its behaviour is not covered.",
            NOTE,
        ),
        _ => return None,
    };
    Some(explanation)
}

const UNREADABLE_OR_UNDECIDED: &[Effect] = &[Effect::Unreadable, Effect::Undecided];
