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
    /// The same for a person: the first line of the program's answer, which says what was compared, where it differs, and how many
    /// findings the policy let pass
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sentence: Option<String>,
    /// How many findings the policy let pass, where there is a report
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allowed: Option<i64>,
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
        sentence: ended.map(|(verdict, reason)| sentence(row, verdict, reason)),
        allowed: row.allowed,
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

/// The verdict in words: those of the program, where it gave it.
fn sentence(row: &Row, verdict: Verdict, reason: Reason) -> String {
    match (&row.sentence, reason, row.op) {
        (Some(sentence), Reason::Judged, _) => sentence.clone(),
        (None, Reason::Judged, Op::Restore) => {
            format!("{verdict}: restored, with the digest that the artifact records")
        }
        _ => format!("{verdict}: {}", reason.sentence()),
    }
}
