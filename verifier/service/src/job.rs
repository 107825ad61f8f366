//! What a job is: the operation, its inputs, and how it ended.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// What the program is asked to do; each is a subcommand of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Compares two models, or one with a digest.
    Verify,
    /// Converts a GGUF to APR v2 and verifies the result.
    Convert,
    /// Holds one model against its format and what is recorded of it.
    Check,
    /// Gives back the GGUF that an artifact was made from.
    Restore,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// It has its verdict, which never changes.
    Done,
}

/// How a job ended. Undecided is never good: nothing was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every byte was accounted for and nothing differs.
    Verified,
    /// Something differs.
    Different,
    /// Nothing was proven, for the reason that stands beside it.
    Undecided,
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The program gave this verdict; its report says why.
    Judged,
    /// The job was cancelled.
    Cancelled,
    /// The program ended without an answer: killed by a signal or by the system, or stopped by a bug.
    WorkerDied,
    /// The program took longer than a job may.
    OutOfTime,
    /// An input is no longer the file that was submitted.
    InputChanged,
    /// The program gave two different reports about the same content: do not trust the machine that gave either.
    ReportsDisagree,
    /// The artifact was verified, and could not be put where the job says.
    NotWritten,
    /// The program refused the input, or could not go on, and said why.
    Refused,
    /// The program could not be started, or its answer could not be kept.
    NotDone,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Judged,
        Self::Cancelled,
        Self::WorkerDied,
        Self::OutOfTime,
        Self::InputChanged,
        Self::ReportsDisagree,
        Self::NotWritten,
        Self::Refused,
        Self::NotDone,
    ];

    /// The same for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Judged => "the report says why",
            Self::Cancelled => "the job was cancelled",
            Self::WorkerDied => {
                "the program ended without an answer: killed by a signal, a limit or the system"
            }
            Self::OutOfTime => "the program took longer than a job may (`wall_seconds`)",
            Self::InputChanged => {
                "an input is no longer the file that was submitted: submit it again"
            }
            Self::ReportsDisagree => {
                "two runs over the same content gave different reports: check the memory and disk of the machines"
            }
            Self::NotWritten => {
                "the artifact was verified, and could not be put where the job says, and no manifest there is that of this job"
            }
            Self::Refused => {
                "the program refused the input or could not go on: its message says why"
            }
            Self::NotDone => {
                "the program could not be started, or its answer could not be kept: see the log of the service"
            }
        }
    }
}

/// The word of a state in the database and in JSON, which are the same.
macro_rules! words {
    ($($name:ident)*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(out)
            }
        }

        impl TryFrom<String> for $name {
            type Error = serde_json::Error;

            fn try_from(word: String) -> Result<Self, Self::Error> {
                read(word)
            }
        }
    )* };
}

words! { Op State Verdict Reason }

fn read<T: DeserializeOwned>(word: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::Value::String(word))
}

/// What may be asked for besides the inputs; what an operation has no use for is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// verify, convert: whether to run both models as well (default: as on the command line)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<bool>,
    /// verify with one input: the digest that it must have, `sha256:HEX` or `blake3:HEX`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// convert: what to do with tensors of a type that APR cannot hold
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<Unsupported>,
}

/// What to do with tensors of a type that APR cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unsupported {
    /// Refuse the model.
    Refuse,
    /// The type that loses nothing and costs least.
    Auto,
    /// Decode to F32.
    DecodeF32,
}

/// A job, bound to the content of its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The operation.
    pub op: Op,
    /// The models, in the order of the command line.
    pub inputs: Vec<Input>,
    /// What was asked for besides.
    pub options: Options,
    /// The text of a policy file.
    pub policy: Option<String>,
    /// Not empty where the job is equal to no other: it does something besides.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub once: String,
    /// Where the artifact is put once it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

/// A folder of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// `s3://BUCKET/PREFIX/`, `gs://...` or `az://...`, of what the service lets jobs write
    pub url: String,
    /// Whether what is there may be replaced
    #[serde(default)]
    pub overwrite: bool,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The name of its first file, as the report will have it.
    pub name: String,
    /// All files that the program is shown: of a split model each, and for a check what lies beside it. None of an address.
    pub files: Vec<Bound>,
    /// Where the program reads it from instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// An address that the program reads; the service itself never asks there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The whole of it, with a query that may give access.
    pub url: String,
    /// Equal where the bytes are sure to be equal.
    pub content: String,
}

/// Where a file lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// An upload, by its SHA-256.
    Blob(String),
    /// Below a root, by its name.
    Root {
        /// The name of the root.
        root: String,
        /// The path below it.
        path: String,
    },
}

/// As the client named it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(hex) => write!(f, "sha256:{hex}"),
            Self::Root { root, path } => write!(f, "{root}/{path}"),
        }
    }
}

/// A file and what it was when the job was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub place: Place,
    /// `sha256:HEX` of an upload; of a file below a root what the system says of it.
    pub content: String,
    /// Its length in bytes.
    pub size: u64,
}

impl Spec {
    /// Equal for jobs that must have equal reports.
    #[must_use]
    pub fn key(&self) -> String {
        let inputs: Vec<Vec<(&str, &str)>> = self
            .inputs
            .iter()
            .map(|input| {
                let address = input.address.iter();
                let address = address.map(|address| (&*input.name, &*address.content));
                address.chain(input.files.iter().map(Bound::key)).collect()
            })
            .collect();
        let whole = serde_json::json!([
            env!("CARGO_PKG_VERSION"),
            self.op,
            inputs,
            self.options,
            self.policy
        ]);
        let whole = whole.to_string() + &self.once;
        hex(&Sha256::digest(whole))
    }

    /// The bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        let files = self.inputs.iter().flat_map(|input| &input.files);
        files.fold(0, |sum: u64, file| sum.saturating_add(file.size))
    }
}

impl Bound {
    fn key(&self) -> (&str, &str) {
        (&self.name, &self.content)
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The result that equal jobs share; none where nothing was judged.
    pub result: Option<Judged>,
    /// What the program said besides.
    pub message: Option<String>,
    /// Whether the artifact lies where the job says: it is too late to cancel it.
    pub is_put: bool,
}

/// What is kept of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The SHA-256 of what the program said.
    pub report: String,
    /// The folder of the reports and the artifact, below `jobs`.
    pub folder: String,
    /// What the report comes to; none where there is no report, or where it is kept already.
    pub conclusion: Option<Conclusion>,
}

/// What a report comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The first line of the program's answer.
    pub sentence: String,
    /// How many findings the policy let pass.
    pub allowed: i64,
}

impl Outcome {
    /// Nothing was proven.
    #[must_use]
    pub const fn undecided(reason: Reason) -> Self {
        Self {
            verdict: Verdict::Undecided,
            reason,
            result: None,
            message: None,
            is_put: false,
        }
    }
}

/// Bytes as people compare them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            #[expect(clippy::expect_used, reason = "writing to a string cannot fail")]
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

/// So many bytes from the system, as hexadecimal.
///
/// # Errors
/// The system has none.
pub fn random<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}
/// The forms of a report, by the end of its name: as `--report` has them.
pub(crate) const FORMS: [&str; 5] = ["json", "html", "junit", "sarif", "intoto"];
