//! The steps of a conversion.

use std::sync::atomic::AtomicBool;

use gguf_file::{Content, Limits, SplitSet};

use crate::{
    copy::{segment::segments, stream::Pass},
    error::Error,
    observer::Observer,
    plan::artifact_header::Draft,
    publish::{
        manifest::{self, Manifest},
        pending::{Destination, PendingArtifact},
    },
    request::Request,
    source::SourceFile,
};

/// Converts a GGUF model to APR v2, in one pass over its files.
///
/// The artifact is complete when this returns, but has no name: [`PendingArtifact::publish`] gives it one. Its bytes
/// depend on the bytes of the sources and the choices of the request, not on names or the number of threads.
///
/// # Errors
/// Fails when the model cannot be converted without loss or guess, when a file fails or changes, or when `cancel` is
/// set meanwhile. Nothing is left on disk then.
pub fn convert(
    request: &Request,
    observer: &dyn Observer,
    cancel: &AtomicBool,
) -> Result<PendingArtifact, Error> {
    let sources = collect(request.sources.iter().map(|path| SourceFile::open(path)))?;
    let destination = Destination::new(request, &sources)?;
    let limits = Limits::default();
    let headers = collect(sources.iter().map(|source| {
        gguf_file::read_header(source, &limits).map_err(|error| refused(source, error))
    }))?;
    let contents = sources.iter().zip(&headers);
    let contents = collect(contents.map(|(source, header)| parse(source, header, &limits)))?;
    let set = SplitSet::join(&contents).map_err(|source| Error::Shards {
        paths: request.sources.clone(),
        source: Box::new(source),
    })?;

    let mut draft = Draft::new(request, &set, &contents)?;
    let layout = draft.layout()?;
    let destinations: Vec<u64> = layout
        .tensors()
        .iter()
        .map(|entry| layout.data_offset().saturating_add(entry.offset))
        .collect();

    let staged = destination.stage()?;
    staged.allocate(layout.file_length())?;
    let bytes = contents.iter().map(|content| content.file_length);
    observer.start(bytes.fold(0, u64::saturating_add));
    let passed = Pass {
        sources: &sources,
        headers: &headers,
        segments: &segments(&contents, &draft.plan.tensors),
        tensors: &draft.plan.tensors,
        destinations: &destinations,
        output: staged.file(),
        path: &staged.path(),
        tensor_sha256: request.tensor_sha256,
    }
    .run(request.threads, observer, cancel)?;
    sources.iter().try_for_each(SourceFile::check_unchanged)?;
    let crc32 = draft.write(&staged, &layout, &passed)?;

    let sources = sources.iter().zip(&passed.sources);
    let tensors = draft
        .plan
        .tensors
        .iter()
        .zip(destinations)
        .zip(&passed.tensors);
    let manifest = Manifest {
        tool: request.tool.clone(),
        file: destination.name().to_owned(),
        size: layout.file_length(),
        crc32,
        sources: sources
            .map(|(source, digests)| manifest::source_entry(source, digests))
            .collect(),
        tensors: tensors
            .map(|((tensor, offset), digests)| manifest::tensor_entry(tensor, offset, digests))
            .collect(),
        behaviour: None,
    };
    Ok(PendingArtifact::new(
        staged,
        destination,
        manifest,
        draft.warnings,
    ))
}

/// Parses the header of a source, and looks at the padding, which no digest of a tensor covers.
fn parse<'a>(source: &SourceFile, header: &'a [u8], limits: &Limits) -> Result<Content<'a>, Error> {
    let length = gguf_file::ReadAt::length(source);
    let content = Content::parse(header, length, limits).map_err(|error| refused(source, error))?;
    content
        .check_padding(source)
        .map_err(|error| refused(source, error))?;
    Ok(content)
}

fn refused(source: &SourceFile, error: gguf_file::Error) -> Error {
    match error.code() {
        "input_changed" => source.changed(),
        _ => Error::Source {
            path: source.path().to_owned(),
            source: Box::new(error),
        },
    }
}

fn collect<T>(results: impl Iterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    results.collect()
}
