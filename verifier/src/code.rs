//! The codes of all findings and causes: each stands here once, and nowhere else as a name of its own.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the text of a code says what it stands for")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the stable text of reports.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        /// A plain string: a list of all codes would make each new one a change of the schema.
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                String::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}

codes! {
    /// What a finding is about: a stable code, such as `apr.footer.crc` or `tensor.bytes`.
    Code {
        AprCount = "apr.count",
        AprDamaged = "apr.damaged",
        AprDataAlign = "apr.data.align",
        AprDataBounds = "apr.data.bounds",
        AprDataHole = "apr.data.hole",
        AprDataOverlap = "apr.data.overlap",
        AprDataPadding = "apr.data.padding",
        AprFlags = "apr.flags",
        AprFlagsSigned = "apr.flags.signed",
        AprFooterAbsent = "apr.footer.absent",
        AprFooterCrc = "apr.footer.crc",
        AprFooterMissing = "apr.footer.missing",
        AprHeaderCrc = "apr.header.crc",
        AprHeaderOffsets = "apr.header.offsets",
        AprHeaderReserved = "apr.header.reserved",
        AprIndexDuplicate = "apr.index.duplicate",
        AprIndexName = "apr.index.name",
        AprIndexOrder = "apr.index.order",
        AprIndexPadding = "apr.index.padding",
        AprIndexRank = "apr.index.rank",
        AprIndexShort = "apr.index.short",
        AprMagic = "apr.magic",
        AprMetaAlias = "apr.meta.alias",
        AprMetaCopiesDisagree = "apr.meta.copies-disagree",
        AprMetaDuplicate = "apr.meta.duplicate",
        AprMetaJson = "apr.meta.json",
        AprMetaLimit = "apr.meta.limit",
        AprMetaPadding = "apr.meta.padding",
        AprMetaUtf8 = "apr.meta.utf8",
        AprMetaVocabulary = "apr.meta.vocabulary",
        AprShort = "apr.short",
        AprTensorDtype = "apr.tensor.dtype",
        AprTensorDtypeAmbiguous = "apr.tensor.dtype-ambiguous",
        AprTensorElements = "apr.tensor.elements",
        AprTensorSize = "apr.tensor.size",
        AprTrailing = "apr.trailing",
        AprTruncated = "apr.truncated",
        AprVersion = "apr.version",
        BehaviourAssumed = "behaviour.assumed",
        BehaviourFingerprint = "behaviour.fingerprint",
        BehaviourNotChecked = "behaviour.not-checked",
        BehaviourNotCovered = "behaviour.not-covered",
        BehaviourStage = "behaviour.stage",
        BehaviourTokens = "behaviour.tokens",
        BehaviourUnused = "behaviour.unused",
        CheckRecorded = "check.recorded",
        CheckSidecar = "check.sidecar",
        CheckUnrecorded = "check.unrecorded",
        FormatUnknown = "format.unknown",
        GgufAlignmentLimit = "gguf.alignment.limit",
        GgufAlignmentType = "gguf.alignment.type",
        GgufAlignmentValue = "gguf.alignment.value",
        GgufArrayCount = "gguf.array.count",
        GgufArrayDepth = "gguf.array.depth",
        GgufArrayNested = "gguf.array.nested",
        GgufCountKv = "gguf.count.kv",
        GgufCountTensors = "gguf.count.tensors",
        GgufDamaged = "gguf.damaged",
        GgufEndian = "gguf.endian",
        GgufKeyBytes = "gguf.key.bytes",
        GgufKeyDuplicate = "gguf.key.duplicate",
        GgufKeyEmpty = "gguf.key.empty",
        GgufKeyLength = "gguf.key.length",
        GgufKeyStyle = "gguf.key.style",
        GgufLimitMetadata = "gguf.limit.metadata",
        GgufMagic = "gguf.magic",
        GgufMetaArchitecture = "gguf.meta.architecture",
        GgufMetaLength = "gguf.meta.length",
        GgufMetaTokenId = "gguf.meta.token-id",
        GgufMetaType = "gguf.meta.type",
        GgufNameBytes = "gguf.name.bytes",
        GgufNameCDuplicate = "gguf.name.c-duplicate",
        GgufNameDuplicate = "gguf.name.duplicate",
        GgufNameLength = "gguf.name.length",
        GgufNameLong = "gguf.name.long",
        GgufOffsetAlign = "gguf.offset.align",
        GgufOffsetOrder = "gguf.offset.order",
        GgufOffsetOverlap = "gguf.offset.overlap",
        GgufOffsetRange = "gguf.offset.range",
        GgufOffsetWrap = "gguf.offset.wrap",
        GgufPadding = "gguf.padding",
        GgufPaddingMissing = "gguf.padding.missing",
        GgufShort = "gguf.short",
        GgufSplitCount = "gguf.split.count",
        GgufSplitDuplicate = "gguf.split.duplicate",
        GgufSplitKey = "gguf.split.key",
        GgufSplitNo = "gguf.split.no",
        GgufSplitTensors = "gguf.split.tensors",
        GgufStringLength = "gguf.string.length",
        GgufTensorBytes = "gguf.tensor.bytes",
        GgufTensorDim = "gguf.tensor.dim",
        GgufTensorElements = "gguf.tensor.elements",
        GgufTensorEmpty = "gguf.tensor.empty",
        GgufTensorRank = "gguf.tensor.rank",
        GgufTensorRow = "gguf.tensor.row",
        GgufTensorScalar = "gguf.tensor.scalar",
        GgufTrailing = "gguf.trailing",
        GgufTruncated = "gguf.truncated",
        GgufTypeRemoved = "gguf.type.removed",
        GgufTypeUnknown = "gguf.type.unknown",
        GgufValueBool = "gguf.value.bool",
        GgufValueType = "gguf.value.type",
        GgufVersionUnknown = "gguf.version.unknown",
        GgufVersionV1 = "gguf.version.v1",
        InputChanged = "input-changed",
        InputName = "input.name",
        InputNotAModel = "input.not-a-model",
        InputPointer = "input.pointer",
        InputPublished = "input.published",
        InputWebPage = "input.web-page",
        Io = "io",
        ManifestBound = "manifest.bound",
        ManifestCoverage = "manifest.coverage",
        ManifestDuplicate = "manifest.duplicate",
        ManifestExtra = "manifest.extra",
        ManifestMismatch = "manifest.mismatch",
        ManifestMissing = "manifest.missing",
        ManifestName = "manifest.name",
        ManifestNotCompared = "manifest.not-compared",
        ManifestNotVerified = "manifest.not-verified",
        ManifestOtherFiles = "manifest.other-files",
        ManifestRole = "manifest.role",
        ManifestSyntax = "manifest.syntax",
        ManifestUnknown = "manifest.unknown",
        ManifestWeak = "manifest.weak",
        MetaArchitecture = "meta.architecture",
        MetaAttentionScale = "meta.attention_scale",
        MetaAuthor = "meta.author",
        MetaChanged = "meta.changed",
        MetaChatTemplate = "meta.chat_template",
        MetaDescription = "meta.description",
        MetaFlags = "meta.flags",
        MetaForm = "meta.form",
        MetaGiven = "meta.given",
        MetaHeadDim = "meta.head_dim",
        MetaHiddenSize = "meta.hidden_size",
        MetaIntermediateSize = "meta.intermediate_size",
        MetaInvented = "meta.invented",
        MetaLicense = "meta.license",
        MetaLost = "meta.lost",
        MetaMaxPositionEmbeddings = "meta.max_position_embeddings",
        MetaMissing = "meta.missing",
        MetaMoeIntermediateSize = "meta.moe_intermediate_size",
        MetaName = "meta.name",
        MetaNotCarried = "meta.not-carried",
        MetaNotRead = "meta.not-read",
        MetaNumExperts = "meta.num_experts",
        MetaNumExpertsPerTok = "meta.num_experts_per_tok",
        MetaNumHeads = "meta.num_heads",
        MetaNumKvHeads = "meta.num_kv_heads",
        MetaNumLayers = "meta.num_layers",
        MetaParamCount = "meta.param_count",
        MetaQuantization = "meta.quantization",
        MetaRecord = "meta.record",
        MetaRecordDigest = "meta.record-digest",
        MetaRecordOnly = "meta.record-only",
        MetaRecordUnchecked = "meta.record-unchecked",
        MetaRecordVersion = "meta.record-version",
        MetaRmsNormEps = "meta.rms_norm_eps",
        MetaRopeDimensionCount = "meta.rope_dimension_count",
        MetaRopeTheta = "meta.rope_theta",
        MetaRopeType = "meta.rope_type",
        MetaSharding = "meta.sharding",
        MetaSlidingWindow = "meta.sliding_window",
        MetaSpecialTokens = "meta.special_tokens",
        MetaTensorShapes = "meta.tensor_shapes",
        MetaTiedEmbeddings = "meta.tied_embeddings",
        MetaTokenizerMerges = "meta.tokenizer.merges",
        MetaTokenizerModel = "meta.tokenizer.model",
        MetaTokenizerPreType = "meta.tokenizer.pre_type",
        MetaTokenizerScores = "meta.tokenizer.scores",
        MetaTokenizerToken = "meta.tokenizer.token",
        MetaTokenizerTokenType = "meta.tokenizer.token_type",
        MetaTokenizerVocabulary = "meta.tokenizer.vocabulary",
        MetaType = "meta.type",
        MetaUnexplained = "meta.unexplained",
        MetaValueLength = "meta.value_length",
        MetaVersion = "meta.version",
        MetaVocabSize = "meta.vocab_size",
        NotCovered = "not-covered",
        NothingCompared = "nothing-compared",
        PairFormats = "pair.formats",
        PairIdentical = "pair.identical",
        PairManifest = "pair.manifest",
        PairRewritten = "pair.rewritten",
        PairUnexplained = "pair.unexplained",
        PolicyExpired = "policy.expired",
        PairUnmatched = "pair.unmatched",
        SourceChanged = "source.changed",
        SourceOther = "source.other",
        SourceRewritten = "source.rewritten",
        SourceSplit = "source.split",
        TensorBytes = "tensor.bytes",
        TensorExtra = "tensor.extra",
        TensorLayers = "tensor.layers",
        TensorLayout = "tensor.layout",
        TensorMissing = "tensor.missing",
        TensorLoader = "tensor.loader",
        TensorNaming = "tensor.naming",
        TensorNotCompared = "tensor.not-compared",
        TensorRenamed = "tensor.renamed",
        TensorScaleNotFinite = "tensor.scale-not-finite",
        TensorShape = "tensor.shape",
        TensorSize = "tensor.size",
        TensorSwapped = "tensor.swapped",
        TensorTiedDuplicate = "tensor.tied-duplicate",
        TensorType = "tensor.type",
        TensorValueNotFinite = "tensor.value-not-finite",
        TensorValues = "tensor.values",
        TensorValuesEqual = "tensor.values-equal",
        TensorZeroTail = "tensor.zero-tail",
    }
}

codes! {
    /// What a damage looks like: a stable code, such as `cause.single-bit`.
    CauseCode {
        Alignment = "cause.alignment",
        Byte = "cause.byte",
        Crlf = "cause.crlf",
        Permuted = "cause.permuted",
        Preallocated = "cause.preallocated",
        Pointer = "cause.pointer",
        Ratio = "cause.ratio",
        RepeatedPage = "cause.repeated-page",
        SameBit = "cause.same-bit",
        Shift = "cause.shift",
        ShiftedRows = "cause.shifted-rows",
        SingleBit = "cause.single-bit",
        Swapped = "cause.swapped",
        Transcoded = "cause.transcoded",
        Transposed = "cause.transposed",
        Truncated = "cause.truncated",
        WebPage = "cause.web-page",
        ZeroFilled = "cause.zero-filled",
    }
}

/// What the codes with one first word are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The container of an APR file.
    Apr,
    /// The container of a GGUF.
    Gguf,
    /// Metadata, compared.
    Metadata,
    /// Tensors, compared.
    Tensor,
    /// Rows of a manifest, compared.
    Manifest,
    /// What the forward computes, compared.
    Behaviour,
    /// Anything else.
    Other,
}

impl Code {
    /// Returns what the code is about.
    #[must_use]
    pub fn group(self) -> Group {
        match self.as_str().split_once('.') {
            Some(("apr", _)) => Group::Apr,
            Some(("gguf", _)) => Group::Gguf,
            Some(("meta", _)) => Group::Metadata,
            Some(("tensor", _)) => Group::Tensor,
            Some(("manifest", _)) => Group::Manifest,
            Some(("behaviour", _)) => Group::Behaviour,
            _ => Group::Other,
        }
    }

    /// Whether a tensor has a type that this version does not know, which is no damage.
    pub(crate) fn is_of_unknown_type(self) -> bool {
        matches!(
            self,
            Self::GgufTypeRemoved
                | Self::GgufTypeUnknown
                | Self::AprTensorDtype
                | Self::AprTensorDtypeAmbiguous
        )
    }

    /// Whether padding has bytes that are not zero.
    pub(crate) fn is_of_padding(self) -> bool {
        matches!(
            self,
            Self::AprDataPadding | Self::AprIndexPadding | Self::AprMetaPadding | Self::GgufPadding
        )
    }

    /// Returns what follows the last point: `shape` of `tensor.shape`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        let text = self.as_str();
        text.rsplit('.').next().unwrap_or(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_written_with_points_and_hyphens() {
        // Keys of the metadata keep the underscores of their files.
        let is_plain = |code: &&&str| !code.starts_with("meta.") && code.contains('_');
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.iter().filter(is_plain).count(), 0);
        let distinct: BTreeSet<_> = codes.iter().collect();
        assert_eq!(distinct.len(), codes.len());
    }
}
