//! The artifact without its data: metadata, layout, and the bytes around the tensors.

use std::os::unix::fs::FileExt as _;

use apr_file::{Plan, PlannedTensor, flags};
use gguf_file::{Content, SplitSet, Value};
use serde_json::{Map, Value as Json};

use crate::{
    copy::stream::Passed,
    error::Error,
    plan::{
        TensorPlan, TieState, architecture, behaviour, complete, fit, given,
        keys::{Given, Keys, shown},
        kind,
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
    /// The metadata that sorts before and after the record: large, and the same whatever the digests are.
    before: String,
    after: String,
    record: Map<String, Json>,
    flags: u16,
}

impl<'a> Draft<'a> {
    /// Plans the tensors and reads the metadata of a model; `sources` are the contents of its files.
    pub(crate) fn new(
        request: &Request,
        set: &SplitSet<'a>,
        sources: &[Content<'_>],
    ) -> Result<Self, Error> {
        kind::check(set)?;
        let mut given = given::read(&request.set, set)?;
        let keys = Keys::new(*set, &given)?;
        let words = architecture::words(keys.architecture())?;
        let base = keys.name("rope.freq_base");
        // What llama.cpp takes where a file says nothing (`load_hparams`). Loaders of APR take something else for some.
        let is_assumed = request.record_only && words.unsaid.is_none() && keys.get(&base).is_none();
        if is_assumed {
            given.push((base.as_str(), Value::F32(10_000.0)));
            given.sort_by_key(|(key, _)| *key);
        }
        let keys = Keys::new(*set, &given)?;
        let unsaid = words.unsaid.as_deref();
        let (record_only, unread) = behaviour::check(&keys, set, unsaid, request.record_only)?;
        complete::check(&keys, set)?;
        let names = Names::pick(request.naming, keys.architecture());
        let plan = TensorPlan::new(set, names, request.tie, request.unsupported)?;
        fit::check(&keys, &plan, record_only.is_empty())?;
        let facts = Facts {
            rope_type: words.rope_type,
            recorded: record_only.iter().map(|one| one.name).collect(),
            vocabulary_rows: plan.vocabulary_rows()?,
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
            given: &given,
            record_only: facts.recorded,
        };
        let record = record::describe(&choices, sources, &metadata.references);
        let mut warnings = plan.warnings();
        warnings.extend(given.iter().map(|pair| {
            let is_assumed = is_assumed && pair.0 == base;
            warning_about_given(pair, is_assumed)
        }));
        warnings.extend(record_only.into_iter().map(|one| {
            format!(
                "kept in the record alone, which no loader reads: {}",
                one.consequence
            )
        }));
        warnings.extend(unread);
        warnings.append(&mut metadata.warnings);
        warnings.extend(warning_about_loaders(keys.architecture()));
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
                .map_err(Error::io("be written", staged.path()))
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

fn warning_about_loaders(architecture: &str) -> Option<String> {
    (!architecture::runs_from_apr(architecture)).then(|| {
        format!(
            "no release of `apr` runs the architecture {architecture} from an .apr file (they run llama, mistral, qwen2 \
             and qwen3): the artifact holds the model, and whoever runs it must know the architecture by its name"
        )
    })
}

fn warning_about_given((key, value): &Given<'_>, is_assumed: bool) -> String {
    let shown = match value {
        Value::String(text) => format!("\"{}\"", text.escape_ascii()),
        value => shown(value),
    };
    let why = match is_assumed {
        true => "is assumed, as llama.cpp does",
        false => "was given for this conversion",
    };
    format!("{key} = {shown} {why}: the source has no such key")
}

fn warning_about_length(length: usize) -> Option<String> {
    (length > DECLARED_LIMIT).then(|| {
        format!(
            "the metadata takes {length} bytes; the format declares a limit of {DECLARED_LIMIT}, which no known tool \
             enforces"
        )
    })
}

fn flags(plan: &TensorPlan<'_>, metadata: &Map<String, Json>) -> u16 {
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
fn members(object: &Map<String, Json>) -> Result<String, Error> {
    let text = apr_file::to_json(object)?;
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let inner = inner.unwrap_or_else(|| unreachable!("an object is written in braces"));
    Ok(inner.to_owned())
}

/// The zeros up to the next multiple of 64.
fn padding_after(size: u64) -> &'static [u8] {
    const ZEROS: [u8; ALIGNMENT] = [0; ALIGNMENT];
    let missing = size.next_multiple_of(64).checked_sub(size);
    let missing = missing.and_then(|missing| usize::try_from(missing).ok());
    missing
        .and_then(|missing| ZEROS.get(..missing))
        .unwrap_or_else(|| unreachable!("fewer than 64 bytes are missing"))
}

const RECORD: &str = "aprove";
const ALIGNMENT: usize = 64;
const DECLARED_LIMIT: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_metadata_is_a_warning() {
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
