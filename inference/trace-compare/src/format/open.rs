//! Detection of the format of a trace.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::{
    aprt,
    capture::Capture,
    error::TraceError,
    names, npz, payload,
    record::{Record, Trace, TraceFormat},
    safetensors,
};
use inference::Step;

impl Trace {
    /// Opens a trace: a folder of APRT files, `.npz`, `.safetensors`, or what `apr trace --payload` prints as text or JSON.
    ///
    /// The format is detected by content. Values of folders and `.safetensors` are read on demand.
    ///
    /// # Errors
    /// Fails when the file cannot be read, is none of these formats, or contradicts its format.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let failed = |error| TraceError::io(path, error);
        let metadata = path.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return aprt::read(path);
        }
        if !metadata.is_file() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(failed(error));
        }
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(16).read_to_end(&mut head))
            .map_err(failed)?;
        if head.starts_with(b"PK") {
            return Ok(Self::of_names(
                path,
                npz::read(path)?,
                BTreeMap::new(),
                None,
            ));
        }
        // The length of a header, then the header, an object of JSON.
        if head.get(4..9).is_some_and(|bytes| bytes == b"\0\0\0\0{") {
            let read = safetensors::read(path)?;
            return Ok(Self::of_names(path, read.records, read.labels, read.tokens));
        }
        payload::read(path, metadata.len())
    }

    /// A trace whose names tell the engine: our keys, those of llama.cpp, or those of Hugging Face.
    fn of_names(
        path: &Path,
        mut records: Vec<Record>,
        labels: BTreeMap<String, String>,
        tokens: Option<Vec<u32>>,
    ) -> Self {
        let own = records
            .iter()
            .filter_map(|record| Step::from_key(&record.name))
            .any(|step| step.layer.is_some());
        let nodes = records.iter().any(|record| record.name.contains('|'));
        let format = match (own, nodes) {
            (true, _) => TraceFormat::Own,
            (false, true) => TraceFormat::LlamaCpp,
            (false, false) => TraceFormat::HuggingFace,
        };
        for record in &mut records {
            record.captures = match format {
                TraceFormat::Own => {
                    let step = Step::from_key(&record.name);
                    step.map(Capture::one).into_iter().collect()
                }
                TraceFormat::LlamaCpp => names::llama_cpp(&record.name),
                _ => names::hugging_face(&record.name),
            };
        }
        let engine = labels.get("engine").map(|engine| {
            let version = labels.get("version").map_or("", String::as_str);
            format!("{engine} {version}").trim_end().to_owned()
        });
        Self {
            path: path.to_path_buf(),
            format,
            engine,
            tokens,
            labels,
            records,
        }
    }
}
