//! Folders of APRT files, the stage dumps of the reference tool, read and written.
//!
//! `DIR/STAGE.bin` and `DIR/layer-N/STAGE.bin`: "APRT", the layer (0xFFFFFFFF for the whole model), the number of values,
//! then f32, all little-endian. No shape, tokens or engine inside.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::TraceError,
    names,
    record::{Content, Element, Location, MOST_RECORDS, Record, Trace, TraceFormat},
};
use inference::{Stage, StageSink, Step};

/// Reads a folder.
pub(crate) fn read(folder: &Path) -> Result<Trace, TraceError> {
    let mut records = Vec::new();
    for (path, layer) in files(folder)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let location = location(&path, layer)?;
        let shown = match layer {
            Some(layer) => format!("layer-{layer}/{name}"),
            None => name.to_string(),
        };
        records.push(Record {
            captures: names::aprt(layer, &name),
            name: shown,
            content: Content::InFile(location),
        });
    }
    if records.is_empty() {
        return Err(TraceError::malformed(
            folder,
            0,
            "files STAGE.bin or layer-N/STAGE.bin",
            "none",
        ));
    }
    Ok(Trace {
        path: folder.to_path_buf(),
        format: TraceFormat::Aprt,
        engine: None,
        tokens: None,
        labels: BTreeMap::new(),
        records,
    })
}

/// A sink that writes every stage under the reference tool's names, so that its `apr diff --values` reads our dumps.
///
/// Query, key and value are joined for each token (`qkv_matmul`, `qkv_bias`), scores and probabilities are written head by
/// head, and `lm_head` holds the last token, as there. The norms of heads have no name there and are left out. A file that
/// exists is never replaced.
#[derive(Debug)]
pub struct AprtSink {
    folder: PathBuf,
    /// The values of query and key that wait for those of the value.
    waiting: Vec<Vec<f32>>,
    failure: Option<io::Error>,
}

impl AprtSink {
    /// Writes into a folder, which is made when it is not there.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            waiting: Vec::new(),
            failure: None,
        }
    }

    /// Ends the run and returns the first failure.
    ///
    /// # Errors
    /// Fails when a file or a folder could not be written.
    pub fn finish(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn write(&mut self, step: Step, tokens: usize, values: &[f32]) -> io::Result<()> {
        let layer = match (step.layer, step.stage) {
            (None, Stage::Embedding) => Some(0),
            (layer, _) => layer,
        };
        match step.stage {
            Stage::QPreBias | Stage::KPreBias | Stage::QPostBias | Stage::KPostBias => {
                self.waiting.push(values.to_vec());
                Ok(())
            }
            Stage::VPreBias => self.write_joined(layer, "qkv_matmul", tokens, values),
            Stage::VPostBias => self.write_joined(layer, "qkv_bias", tokens, values),
            stage => {
                let Some(name) = names::aprt_name(stage) else {
                    return Ok(());
                };
                if stage == Stage::Logits {
                    let last = values.len().checked_div(tokens).unwrap_or_default();
                    let skipped = values.len().saturating_sub(last);
                    let values: Vec<f32> = values.iter().skip(skipped).copied().collect();
                    self.write_file(layer, name, &values)
                } else if stage.is_per_position() {
                    self.write_file(layer, name, &by_head(values, tokens))
                } else {
                    self.write_file(layer, name, values)
                }
            }
        }
    }

    /// Joins query, key and value for each token.
    fn write_joined(
        &mut self,
        layer: Option<usize>,
        name: &str,
        tokens: usize,
        values: &[f32],
    ) -> io::Result<()> {
        let mut parts = std::mem::take(&mut self.waiting);
        parts.push(values.to_vec());
        let mut joined = Vec::new();
        for token in 0..tokens {
            for part in &parts {
                let width = part.len().checked_div(tokens).unwrap_or_default();
                joined.extend(part.iter().skip(token.saturating_mul(width)).take(width));
            }
        }
        self.write_file(layer, name, &joined)
    }

    fn write_file(&self, layer: Option<usize>, name: &str, values: &[f32]) -> io::Result<()> {
        let folder = match layer {
            Some(layer) => self.folder.join(format!("layer-{layer}")),
            None => self.folder.clone(),
        };
        fs::create_dir_all(&folder)?;
        let too_large = |_| io::Error::new(io::ErrorKind::InvalidInput, "more than 2^32 values");
        let layer = match layer {
            Some(layer) => u32::try_from(layer).map_err(too_large)?,
            None => WHOLE_MODEL,
        };
        let count = u32::try_from(values.len()).map_err(too_large)?;
        let path = folder.join(format!("{name}.bin"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let mut out = BufWriter::new(file);
        out.write_all(MAGIC)?;
        out.write_all(&layer.to_le_bytes())?;
        out.write_all(&count.to_le_bytes())?;
        for value in values {
            out.write_all(&value.to_le_bytes())?;
        }
        out.flush()
    }
}

impl StageSink for AprtSink {
    fn stage(&mut self, step: Step, tokens: usize, values: &[f32]) {
        if self.failure.is_none()
            && let Err(error) = self.write(step, tokens, values)
        {
            self.failure = Some(error);
        }
    }
}

/// From tokens x heads x positions to heads x tokens x positions.
fn by_head(values: &[f32], tokens: usize) -> Vec<f32> {
    let rows: Vec<_> = values.chunks(tokens.max(1)).collect();
    let heads = rows.len().checked_div(tokens).unwrap_or_default();
    let mut out = Vec::with_capacity(values.len());
    for head in 0..heads {
        for row in rows.iter().skip(head).step_by(heads.max(1)) {
            out.extend_from_slice(row);
        }
    }
    out
}

/// The files of a folder and of its layers, with the layer, sorted by layer and name.
fn files(folder: &Path) -> Result<Vec<(PathBuf, Option<usize>)>, TraceError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let layer = name.strip_prefix("layer-").and_then(|n| n.parse().ok());
        if let Some(layer) = layer {
            let inner = entries(&path)?.into_iter().map(|path| (path, Some(layer)));
            found.extend(inner);
        } else {
            found.push((path, None));
        }
        if found.len() > MOST_RECORDS {
            return Err(TraceError::Limit {
                file: folder.to_path_buf(),
                what: "the number of files".to_owned(),
                limit: MOST_RECORDS as u64,
            });
        }
    }
    found.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "bin"));
    found.sort_by(|(a, a_layer), (b, b_layer)| {
        let key = |layer: &Option<usize>| layer.unwrap_or(usize::MAX);
        (key(a_layer), a).cmp(&(key(b_layer), b))
    });
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let failed = |error| TraceError::io(folder, error);
    fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

/// Reads the head of a file and holds its length against it.
fn location(path: &Path, layer: Option<usize>) -> Result<Location, TraceError> {
    let failed = |error| TraceError::io(path, error);
    // Asked before it is opened: opening a pipe would block until something writes to it.
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(failed(error));
    }
    let mut head = Vec::new();
    let mut file = File::open(path).map_err(failed)?;
    (&mut file)
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let ([magic, stated, count], _) = head.as_chunks::<4>() else {
        let found = format!("{} bytes", head.len());
        return Err(TraceError::malformed(path, 0, "a head of 12 bytes", found));
    };
    if magic != MAGIC {
        let found = format!("\"{}\"", magic.escape_ascii());
        return Err(TraceError::malformed(path, 0, "\"APRT\"", found));
    }
    let stated = u32::from_le_bytes(*stated);
    let expected = layer.map_or(Some(WHOLE_MODEL), |layer| u32::try_from(layer).ok());
    if Some(stated) != expected {
        let expected = match layer {
            Some(layer) => format!("layer {layer}, as its folder says"),
            None => "the whole model (4294967295)".to_owned(),
        };
        return Err(TraceError::malformed(path, 4, expected, stated));
    }
    let count = u32::from_le_bytes(*count);
    let length = u64::from(count).saturating_mul(4).saturating_add(HEAD);
    if metadata.len() != length {
        let expected = format!("a file of {length} bytes for {count} values");
        let found = format!("{} bytes", metadata.len());
        return Err(TraceError::malformed(path, 8, expected, found));
    }
    Ok(Location {
        file: Arc::new(file),
        offset: HEAD,
        count: usize::try_from(count).unwrap_or(usize::MAX),
        element: Element::F32,
    })
}

const MAGIC: &[u8; 4] = b"APRT";

const WHOLE_MODEL: u32 = u32::MAX;

const HEAD: u64 = 12;
