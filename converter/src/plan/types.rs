//! Which storage types APR holds, and what can be done about the others.
//!
//! Sources: both loaders of `apr` 0.72.3, read and run on files of each type, and the ids and block sizes of gguf-py 0.19,
//! with which `gguf_file::GgmlType` was compared (it has 40 bytes for Q8_1, where ggml's structure has 36).

use gguf_file::{GgmlType, values};

use crate::request::Unsupported;

/// How the bytes of a tensor get into the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// As they are, under an id that means the same everywhere.
    Kept,
    /// As they are, under a ggml id that the library of `apr` takes for something else.
    Raw,
    /// Decoded to F32.
    Decoded,
}

impl Storage {
    /// Picks the storage of a type; `None` when the choice does not allow any.
    pub(crate) fn pick(ggml_type: GgmlType, unsupported: Unsupported) -> Option<Self> {
        match unsupported {
            _ if is_kept(ggml_type) => Some(Self::Kept),
            Unsupported::Raw | Unsupported::Auto if can_be_raw(ggml_type) => Some(Self::Raw),
            Unsupported::DecodeF32 | Unsupported::Auto if values::decoder(ggml_type).is_some() => {
                Some(Self::Decoded)
            }
            _ => None,
        }
    }

    /// Returns the type of the bytes in the artifact.
    pub(crate) const fn stored_type(self, ggml_type: GgmlType) -> GgmlType {
        match self {
            Self::Kept | Self::Raw => ggml_type,
            Self::Decoded => GgmlType::F32,
        }
    }
}

/// Whether the serving loader reads this type right from the raw bytes, though the library does not.
pub(crate) const fn can_be_raw(ggml_type: GgmlType) -> bool {
    matches!(
        ggml_type,
        GgmlType::Q4_0 | GgmlType::Q4_1 | GgmlType::Q5_0 | GgmlType::Q5_1 | GgmlType::Q5K
    )
}

/// Whether library and serving loader read the id of this type alike.
const fn is_kept(ggml_type: GgmlType) -> bool {
    matches!(
        ggml_type,
        GgmlType::F32 | GgmlType::F16 | GgmlType::Bf16 | GgmlType::Q4K | GgmlType::Q6K
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_types_are_kept_whatever_the_choice() {
        for unsupported in [
            Unsupported::Refuse,
            Unsupported::DecodeF32,
            Unsupported::Raw,
            Unsupported::Auto,
        ] {
            let kept: Vec<u32> = GgmlType::ALL
                .into_iter()
                .filter(|ggml_type| Storage::pick(*ggml_type, unsupported) == Some(Storage::Kept))
                .map(GgmlType::id)
                .collect();
            assert_eq!(kept, [0, 1, 12, 14, 30]);
        }
    }

    #[test]
    fn the_choice_decides_about_the_others() {
        let picked = |unsupported, storage| -> Vec<&str> {
            GgmlType::ALL
                .into_iter()
                .filter(|ggml_type| Storage::pick(*ggml_type, unsupported) == Some(storage))
                .map(GgmlType::name)
                .collect()
        };
        assert_eq!(
            picked(Unsupported::Refuse, Storage::Decoded),
            Vec::<&str>::new()
        );
        assert_eq!(
            picked(Unsupported::Refuse, Storage::Raw),
            Vec::<&str>::new()
        );
        assert_eq!(
            picked(Unsupported::Raw, Storage::Raw),
            ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q5_K"]
        );
        assert_eq!(
            picked(Unsupported::Auto, Storage::Raw),
            picked(Unsupported::Raw, Storage::Raw)
        );
        assert_eq!(
            picked(Unsupported::Auto, Storage::Decoded),
            [
                "Q8_0", "Q2_K", "Q3_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
                "IQ2_S", "IQ4_XS", "IQ1_M", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0"
            ]
        );
        assert_eq!(
            picked(Unsupported::DecodeF32, Storage::Decoded),
            [
                "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q5_K", "IQ2_XXS",
                "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "IQ1_M",
                "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0"
            ]
        );
    }
}
