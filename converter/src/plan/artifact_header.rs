//! The artifact without its data: metadata, layout, and the bytes around the tensors.

use std::os::unix::fs::FileExt as _;

use apr_file::{Plan, PlannedTensor, flags};
use gguf_file::{Content, SplitSet};
use serde_json::{Map, Value};

use crate::{
    copy::stream::Passed,
    error::Error,
    plan::{
        TensorPlan, TieState,
        keys::Keys,
        metadata::{Facts, Metadata},
        names::Names,
        record::{self, Choices, SourceDigests, TensorDigests},
        types::Storage,
    },
    publish::staged::StagedFile,
    request::Request,
};

/// What the artifact will say about the model and its tensors.
pub(crate) struct Draft<'a> {
    pub(crate) plan: TensorPlan<'a>,
    pub(crate) warnings: Vec<String>,
    /// The metadata that sort before and after the record: large, and the same whatever the digests are.
    before: String,
    after: String,
    record: Map<String, Value>,
    flags: u16,
}

impl<'a> Draft<'a> {
    /// Plans the tensors and reads the metadata of a model; `sources` are the contents of its files.
    pub(crate) fn new(
        request: &Request,
        set: &SplitSet<'a>,
        sources: &[Content<'_>],
    ) -> Result<Self, Error> {
        let keys = Keys::new(*set)?;
        let names = Names::pick(request.naming, keys.architecture());
        let plan = TensorPlan::new(set, names, request.tie, request.unsupported)?;
        let facts = Facts {
            vocabulary_rows: plan.vocabulary_rows(),
            tied: plan.tie != TieState::None,
            elements: plan.elements(),
        };
        let mut metadata = Metadata::read(&keys, &facts)?;
        let choices = Choices {
            tool: &request.tool,
            names: names.word(),
            tie: plan.tie.word(),
            decoded: plan.stored_as(Storage::Decoded),
            raw: plan.stored_as(Storage::Raw),
        };
        let record = record::describe(&choices, sources, &metadata.references);
        let mut warnings = plan.warnings();
        warnings.append(&mut metadata.warnings);
        let flags = flags(&plan, &metadata.map);
        let (before, after): (Map<_, _>, Map<_, _>) = metadata
            .map
            .into_iter()
            .partition(|(key, _)| key.as_str() < RECORD);
        let mut draft = Self {
            plan,
            warnings,
            before: members(&before)?,
            after: members(&after)?,
            record,
            flags,
        };
        // Digests have fixed lengths, so zeros in their place give the layout before the pass.
        let tensors = vec![TensorDigests::default(); draft.plan.tensors.len()];
        draft.seal(&vec![SourceDigests::default(); sources.len()], &tensors);
        Ok(draft)
    }

    /// Lays the artifact out.
    pub(crate) fn layout(&mut self) -> Result<Plan, Error> {
        let length = self.text()?.len();
        self.warnings.extend(warning_about_length(length));
        let tensors = self.plan.tensors.iter().map(|tensor| PlannedTensor {
            name: tensor.name.clone(),
            dtype: tensor.dtype,
            dims: tensor.dims.clone(),
            size: tensor.size,
        });
        let length = u32::try_from(length).map_err(|_| Error::Metadata { length })?;
        Ok(Plan::new(tensors.collect(), length, self.flags)?)
    }

    /// Writes everything but the tensor data, and returns the CRC-32 of the footer.
    pub(crate) fn write(
        &mut self,
        staged: &StagedFile,
        layout: &Plan,
        passed: &Passed,
    ) -> Result<u32, Error> {
        self.seal(&passed.sources, &passed.tensors);
        let mut head = layout.header().to_vec();
        head.extend_from_slice(self.text()?.as_bytes());
        head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
        head.extend_from_slice(&layout.index());
        assert_eq!(
            u64::try_from(head.len()).ok(),
            Some(layout.data_offset()),
            "digests changed the length of the metadata"
        );

        let mut sum = crc32fast::Hasher::new();
        sum.update(&head);
        for (entry, checksum) in layout.tensors().iter().zip(&passed.checksums) {
            sum.combine(checksum);
            sum.update(padding_after(entry.size));
        }
        let crc32 = sum.finalize();
        let write = |bytes: &[u8], offset| {
            staged
                .file()
                .write_all_at(bytes, offset)
                .map_err(Error::io("write it", staged.path()))
        };
        write(&head, 0)?;
        write(&crc32.to_le_bytes(), layout.footer_offset())?;
        Ok(crc32)
    }

    fn seal(&mut self, sources: &[SourceDigests], tensors: &[TensorDigests]) {
        let names = self.plan.tensors.iter().map(|tensor| tensor.name.as_str());
        record::seal(
            &mut self.record,
            sources,
            names.zip(tensors.iter().copied()),
        );
    }

    fn text(&self) -> Result<String, Error> {
        let record = format!("\"{RECORD}\":{}", apr_file::to_json(&self.record)?);
        let mut parts = vec![self.before.as_str(), &record, &self.after];
        parts.retain(|part| !part.is_empty());
        Ok(format!("{{{}}}", parts.join(",")))
    }
}

fn warning_about_length(length: usize) -> Option<String> {
    (length > DECLARED_LIMIT).then(|| {
        format!(
            "the metadata take {length} bytes; the format declares a limit of {DECLARED_LIMIT}, which no known tool \
             enforces"
        )
    })
}

fn flags(plan: &TensorPlan<'_>, metadata: &Map<String, Value>) -> u16 {
    let mut bits = flags::LAYOUT_ROW_MAJOR;
    if plan
        .tensors
        .iter()
        .any(|tensor| !matches!(tensor.type_name, "F32" | "F16" | "BF16"))
    {
        bits |= flags::QUANTIZED;
    }
    if metadata.contains_key("tokenizer.vocabulary") {
        bits |= flags::HAS_VOCAB;
    }
    bits
}

/// Returns the members of an object without its braces.
fn members(object: &Map<String, Value>) -> Result<String, Error> {
    let text = apr_file::to_json(object)?;
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    Ok(inner.unwrap_or_default().to_owned())
}

/// The zeros up to the next multiple of 64.
fn padding_after(size: u64) -> &'static [u8] {
    const ZEROS: [u8; ALIGNMENT] = [0; ALIGNMENT];
    let over = usize::try_from(size.rem_euclid(64)).unwrap_or_default();
    match over {
        0 => &[],
        over => ZEROS.get(over..).unwrap_or_default(),
    }
}

const RECORD: &str = "aprove";
const ALIGNMENT: usize = 64;
const DECLARED_LIMIT: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_metadata_are_a_warning() {
        assert_eq!(warning_about_length(16 << 20), None);
        let warning = warning_about_length((16 << 20) + 1).unwrap();
        assert!(warning.contains("16777217 bytes"), "{warning}");
    }

    #[test]
    fn padding_fills_up_to_64() {
        for (size, length) in [(0, 0), (1, 63), (63, 1), (64, 0), (65, 63)] {
            assert_eq!(padding_after(size).len(), length);
        }
    }
}
