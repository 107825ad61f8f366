//! The artifact without its data: metadata, layout, and the bytes around the tensors.

use std::{borrow::Cow, os::unix::fs::FileExt as _};

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
        record::{self, Choices, Record, SourceDigests, TensorDigests},
        sizes,
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
    record: Record,
    sources: usize,
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
        sizes::check(&keys, unsaid.is_none())?;
        let mut lost = behaviour::lost(&keys, set, unsaid);
        if unsaid.is_some() && !request.record_only {
            lost.refuse()?;
        }
        complete::check(&keys, set)?;
        let names = Names::pick(request.naming, keys.architecture());
        let plan = TensorPlan::new(set, names, request.tie, request.unsupported);
        // A model that is wrong in itself is no better where it is kept.
        if let Ok(plan) = &plan {
            fit::check(&keys, plan, lost.names.is_empty())?;
        }
        if !request.record_only {
            lost.refuse()?;
        }
        let plan = plan?;
        let facts = Facts {
            rope_type: words.rope_type,
            recorded: lost.names,
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
        let kept = "kept in the record alone, which no loader reads: ";
        warnings.extend(lost.consequences.into_warnings(kept));
        warnings.extend(lost.unread.into_warnings(""));
        warnings.append(&mut metadata.warnings);
        warnings.extend(warning_about_rope(&keys, &plan));
        warnings.extend(warning_about_loaders(keys.architecture()));
        let flags = flags(&plan, &metadata.map);
        let (before, after): (Map<_, _>, Map<_, _>) = metadata
            .map
            .into_iter()
            .partition(|(key, _)| key.as_str() < RECORD);
        Ok(Self {
            plan,
            warnings,
            before: members(&before)?,
            after: members(&after)?,
            record,
            sources: sources.len(),
            flags,
        })
    }

    /// Lays the artifact out.
    pub(crate) fn layout(&mut self) -> Result<Plan, Error> {
        // Digests have fixed lengths, so zeros in their place give the layout before the pass.
        let tensors = vec![TensorDigests::default(); self.plan.tensors.len()];
        let text = self.text(&vec![SourceDigests::default(); self.sources], &tensors);
        let length = text.iter().map(|part| part.len()).sum();
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
        &self,
        staged: &StagedFile,
        layout: &Plan,
        passed: &Passed,
    ) -> Result<u32, Error> {
        let mut sum = crc32fast::Hasher::new();
        let mut offset = 0_u64;
        let write = |bytes: &[u8], offset| {
            staged
                .file()
                .write_all_at(bytes, offset)
                .map_err(Error::io("be written", staged.path()))
        };
        let mut append = |bytes: &[u8]| -> Result<u64, Error> {
            sum.update(bytes);
            write(bytes, offset)?;
            // Sums of lengths in memory: a u64 holds them.
            offset += bytes.len() as u64;
            Ok(offset)
        };
        let mut end = append(&layout.header())?;
        let text = self.text(&passed.sources, &passed.tensors);
        for part in text {
            end = append(part.as_bytes())?;
        }
        append(padding_after(end))?;
        let end = append(&layout.index())?;
        assert_eq!(
            end,
            layout.data_offset(),
            "digests changed the length of the metadata"
        );

        for (entry, checksum) in layout.tensors().iter().zip(&passed.checksums) {
            sum.combine(checksum);
            sum.update(padding_after(entry.size));
        }
        let crc32 = sum.finalize();
        write(&crc32.to_le_bytes(), layout.footer_offset())?;
        Ok(crc32)
    }

    /// The metadata in parts, since copies of it may be large.
    fn text(&self, sources: &[SourceDigests], tensors: &[TensorDigests]) -> Vec<Cow<'_, str>> {
        let names = self.plan.tensors.iter().map(|tensor| tensor.name.as_str());
        let record = self
            .record
            .parts(sources, names.zip(tensors.iter().copied()));
        let mut text: Vec<Cow<'_, str>> = vec!["{".into(), self.before.as_str().into()];
        let comma = |text: &str| if text.is_empty() { "" } else { "," };
        text.push(format!("{}\"{RECORD}\":", comma(&self.before)).into());
        text.extend(record);
        text.extend([
            comma(&self.after).into(),
            self.after.as_str().into(),
            "}".into(),
        ]);
        text
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

/// Loaders of `apr` 0.72.3 rotate by `rope_theta` alone (`apply_rope`): they read no `rope_scaling` and no factors of Llama 3.
fn warning_about_rope(keys: &Keys<'_>, plan: &TensorPlan<'_>) -> Option<String> {
    // What is no number, or no text, is said where the key is read.
    let factor = keys.float(&keys.name("rope.scaling.factor")).ok().flatten();
    let kind = keys.text(&keys.name("rope.scaling.type")).ok().flatten();
    let is_scaled =
        kind != Some("none") && factor.is_some_and(|factor| factor != 0.0 && factor != 1.0);
    let tensor = "rope_freqs.weight";
    let has_factors = plan.tensors.iter().any(|one| one.gguf_name == tensor);
    let what = match (is_scaled, has_factors) {
        (false, false) => return None,
        (true, false) => "rope.scaling",
        (_, true) => tensor,
    };
    Some(format!(
        "{what} stretches positions: the artifact has it, and no release of `apr` reads it, so that `apr run` gives other tokens \
         than llama.cpp"
    ))
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
    let mut text = apr_file::to_json(object)?;
    assert_eq!(
        (text.pop(), text.remove(0)),
        (Some('}'), '{'),
        "an object is written in braces"
    );
    Ok(text)
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
