//! The report of a check.

use super::Manifest;
use super::bound::Bound;
use super::check::ManifestCheck;
use super::kind::Kind;
use super::target::Subject;
use crate::code::Code;
use crate::decode::container::Tensor;
use crate::decode::decoded::Decoded;
use crate::finding::{Effect, Side, escape};
use crate::report::{
    AtFault, Conclusion, ConclusionKind, FileRow, Report, Scope, Sides, TensorResult, TensorRow,
    TensorSide, build, file_row,
};

impl ManifestCheck<'_> {
    /// Puts the report together; it has tensor rows when the manifest has.
    pub(super) fn report(self, manifest: &Manifest, names_tensors: bool, bound: Bound) -> Report {
        let files = self.file_rows();
        let tensors = if names_tensors {
            self.tensor_rows()
        } else {
            Vec::new()
        };
        let mut report = build(
            files,
            &Scope::Manifest {
                rows: self.outcomes.values().filter(|one| one.equal).count(),
            },
            &self.findings,
        );
        let counts = &mut report.counts;
        for row in &tensors {
            let sides = &row.sides;
            let size = sides.first().or(sides.second()).map_or(0, |side| side.size);
            let slot = match row.result {
                EQUAL => &mut counts.bytes_equal,
                DIFFERENT => &mut counts.tensors_different,
                _ => &mut counts.tensors_not_compared,
            };
            *slot += 1;
            if row.result != NOT_COMPARED {
                counts.tensors_compared += 1;
                counts.tensor_bytes_compared += size;
            }
        }
        report.tensors = tensors;
        report.conclusion = self.conclude(&report, manifest);
        manifest.name_in(report, bound)
    }

    /// What a digest that does not hold comes to.
    fn conclude(&self, report: &Report, manifest: &Manifest) -> Option<Conclusion> {
        let mut deciding = self.findings.iter().filter(|one| one.effect.decides());
        let first = deciding.next()?;
        let unlike = |text: String| Conclusion {
            kind: ConclusionKind::Unlike,
            at_fault: AtFault::Unknown,
            text,
        };
        let told = |who: &str| unlike(format!("the file is not what {who}: {}", first.message));
        match (first.code, first.effect) {
            (Code::ManifestMismatch, _) => {}
            (Code::InputPublished, Effect::Different) => return Some(told("its publisher gives")),
            (Code::InputName, _) => return Some(told("its name says")),
            _ => return None,
        }
        let shard = first.places.first()?.shard;
        let model = escape(self.target.names.get(shard)?.as_bytes());
        let described = match manifest.form {
            "digest" => "with this digest".to_owned(),
            _ => format!("that {} describes", escape(manifest.name.as_bytes())),
        };
        let differing = report.tensors.iter().filter(|row| row.result == DIFFERENT);
        let first = differing.clone().find_map(|row| row.sides.all().next());
        let count = differing.count();
        let tensors = first.map(|(_, first)| {
            format!(
                ": {count} of {} tensors {}, the first is {}",
                report.tensors.len(),
                if count == 1 { "differs" } else { "differ" },
                first.name
            )
        });
        Some(unlike(format!(
            "{model} is not the file {described}{}",
            tensors.unwrap_or_default()
        )))
    }

    pub(super) fn file_rows(&self) -> Vec<FileRow> {
        let files = self
            .target
            .names
            .iter()
            .zip(self.target.decoded.shards())
            .enumerate();
        let row = |(shard, (name, parts)): (usize, (&&str, _))| {
            let whole = self.digests.get(&Subject::File(shard));
            let digest = |kind| whole?.get(&kind).cloned();
            let format = self.target.decoded.format();
            let row = file_row(format, shard, name, parts, Vec::new());
            FileRow {
                origin: self
                    .target
                    .sources
                    .get(shard)
                    .and_then(|source| source.origin().cloned()),
                blake3: digest(Kind::Blake3),
                sha256: digest(Kind::Sha256),
                covered: self.covered(shard, row.covered),
                ..row
            }
        };
        files.map(row).collect()
    }

    /// Bytes of a file that a row was compared with.
    fn covered(&self, shard: usize, all: u64) -> u64 {
        let compared = |subject| self.outcomes.contains_key(&subject);
        if compared(Subject::File(shard)) {
            return all;
        }
        let whole_model = compared(Subject::Model(shard)) || compared(Subject::Set);
        let tensors = self.target.decoded.tensors().iter().enumerate();
        tensors
            .filter(|(index, tensor)| {
                tensor.shard == shard && (whole_model || compared(Subject::Tensor(*index)))
            })
            .fold(0, |sum: u64, (_, tensor)| {
                sum.saturating_add(tensor.span.length)
            })
            .min(all)
    }

    fn tensor_rows(&self) -> Vec<TensorRow> {
        let is_apr = matches!(self.target.decoded, Decoded::Apr(_));
        let row = |(index, tensor): (usize, &Tensor)| {
            let subject = Subject::Tensor(index);
            let digest = |kind| self.digests.get(&subject)?.get(&kind).cloned();
            let side = Some(TensorSide {
                name: escape(&tensor.name),
                r#type: tensor.type_name(),
                shape: tensor.dims.clone(),
                shard: tensor.shard,
                offset: tensor.span.offset,
                size: tensor.span.length,
                blake3: digest(Kind::Blake3),
                sha256: digest(Kind::Sha256),
            });
            let sides = if is_apr { [side, None] } else { [None, side] };
            TensorRow {
                result: match self.outcomes.get(&subject) {
                    Some(outcome) if outcome.equal => EQUAL,
                    Some(_) => DIFFERENT,
                    None => NOT_COMPARED,
                },
                tied: false,
                sides: Sides::new(Side::BY_FORMAT, sides),
                difference: None,
                values: None,
            }
        };
        self.target
            .decoded
            .tensors()
            .iter()
            .enumerate()
            .map(row)
            .collect()
    }
}

const EQUAL: TensorResult = TensorResult::BytesEqual;
const DIFFERENT: TensorResult = TensorResult::Different;
const NOT_COMPARED: TensorResult = TensorResult::NotCompared;
