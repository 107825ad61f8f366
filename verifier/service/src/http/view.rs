//! A job as it is shown.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::job::{Bound, FORMS, Input, Op, Options, Output, Reason, State as JobState, Verdict};
use crate::sources::shown;
use crate::store::StoreError;
use crate::store::read::Row;

/// A job.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct JobView {
    pub(crate) id: String,
    /// In the order of submission
    pub(crate) number: i64,
    /// Equal for jobs about the same content, which share one result
    pub(crate) key: String,
    pub(crate) op: Op,
    pub(crate) state: JobState,
    pub(crate) inputs: Vec<InputView>,
    pub(crate) options: Options,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Output>,
    /// Absent until the job is done; `undecided` is never good
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    /// The same for a person
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sentence: Option<String>,
    /// What the program said besides
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// The last line of `--progress json`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) progress: Option<Value>,
    /// What was read of addresses: the files of the report, with what each server called it
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub(crate) origins: Vec<Value>,
    /// How often a worker began it
    pub(crate) attempt: i64,
    /// Milliseconds since 1970
    pub(crate) created: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finished: Option<i64>,
    /// The addresses of what there is
    pub(crate) links: Vec<String>,
}

/// An input as it was bound.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct InputView {
    pub(crate) name: String,
    /// `sha256:HEX` of an upload, `ROOT/PATH`, or an address without what gives access
    pub(crate) from: String,
    /// Bytes of all its files; of an address `origins` has them
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
}

/// A job as it is shown.
pub(crate) fn view(row: &Row) -> Result<JobView, StoreError> {
    let spec = row.spec()?;
    let ended = row.ended();
    let mut links = vec![format!("/v1/jobs/{}/events", row.id)];
    if row.folder.is_some() {
        if row.op != Op::Restore {
            links.extend(FORMS.map(|form| format!("/v1/jobs/{}/report.{form}", row.id)));
        }
        let writes = matches!(row.op, Op::Convert | Op::Restore);
        if writes && matches!(ended, Some((Verdict::Verified, _))) {
            links.push(format!("/v1/jobs/{}/artifact", row.id));
        }
    }
    let origins = row.origins.as_deref();
    let progress = row.progress.as_deref();
    Ok(JobView {
        id: row.id.clone(),
        number: row.seq,
        key: row.key.clone(),
        op: row.op,
        state: row.state,
        inputs: spec.inputs.iter().map(input_view).collect(),
        verdict: ended.map(|(verdict, _)| verdict),
        reason: ended.map(|(_, reason)| reason),
        sentence: ended.map(|(verdict, reason)| sentence(row.op, verdict, reason)),
        message: row.message.clone(),
        progress: progress.and_then(|line| serde_json::from_str(line).ok()),
        origins: origins.map_or(Ok(Vec::new()), serde_json::from_str)?,
        attempt: row.attempt,
        created: row.created,
        started: row.started,
        finished: row.finished,
        links,
        options: spec.options,
        output: spec.output,
    })
}

fn input_view(input: &Input) -> InputView {
    let size = |file: &Bound| file.size;
    let from = match (&input.address, input.files.first()) {
        (Some(address), _) => shown(&address.url),
        (None, Some(file)) => file.place.to_string(),
        (None, None) => String::new(),
    };
    InputView {
        name: input.name.clone(),
        from,
        size: (!input.files.is_empty()).then(|| input.files.iter().map(size).sum()),
    }
}

/// The verdict in words.
fn sentence(op: Op, verdict: Verdict, reason: Reason) -> String {
    let meaning = match (verdict, op) {
        (Verdict::Verified, Op::Verify) => "every byte was accounted for and nothing differs",
        (Verdict::Verified, Op::Convert) => "converted, and nothing differs from the source",
        (Verdict::Verified, Op::Check) => {
            "nothing contradicts its format, or what is recorded of it; the report says what it was held against"
        }
        (Verdict::Verified, Op::Restore) => "restored, with the digest that the artifact records",
        (Verdict::Different, Op::Check) => "it is not what was written, or breaks its format",
        (Verdict::Different, _) => "something differs",
        (Verdict::Undecided, _) => "nothing was proven",
    };
    match verdict {
        Verdict::Verified => format!("Verified: {meaning}"),
        Verdict::Different => format!("Different: {meaning}; {}", reason.sentence()),
        Verdict::Undecided => format!("Undecided: {meaning}; {}", reason.sentence()),
    }
}
