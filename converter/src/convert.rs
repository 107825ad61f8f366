//! The steps of a conversion.

use std::sync::atomic::AtomicBool;

use gguf_file::{Content, Limits, SplitSet};

use crate::{
    copy::{segment::segments, stream::Pass},
    error::Error,
    not_gguf,
    observer::Observer,
    plan::{artifact_header::Draft, summary::Plan},
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
    let sources = open(request)?;
    let destination = Destination::new(request, &sources)?;
    let headers = read_headers(&sources)?;
    let contents = parse_all(&sources, &headers)?;
    let set = join(request, &contents)?;

    let mut draft = Draft::new(request, &set, &contents)?;
    let layout = draft.layout()?;
    let destinations = destinations(&layout);

    let staged = destination.stage()?;
    staged.allocate(layout.file_length())?;
    let bytes = contents.iter().map(|content| content.file_length);
    observer.start(bytes.sum());
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
    draft.write(&staged, &layout, &passed)?;

    let sources = sources.iter().zip(&passed.sources);
    let tensors = draft
        .plan
        .tensors
        .iter()
        .zip(destinations)
        .zip(&passed.tensors);
    let manifest = Manifest {
        tool: request.tool.clone(),
        name: destination.name().to_owned(),
        size: layout.file_length(),
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

/// Tells what [`convert`] would write, from the heads of the files alone.
///
/// # Errors
/// Fails as [`convert`] does for what cannot be converted.
pub fn plan(request: &Request) -> Result<Plan, Error> {
    let sources = open(request)?;
    let headers = read_headers(&sources)?;
    let contents = parse_all(&sources, &headers)?;
    let set = join(request, &contents)?;
    let mut draft = Draft::new(request, &set, &contents)?;
    let size = draft.layout()?.file_length();
    Ok(Plan {
        size,
        stored: draft.plan.summary(),
        tensors: draft.plan.listed(),
        warnings: draft.warnings,
    })
}

/// Arrays nest less deep than the reader could follow: the JSON of the record takes two levels for each, and loaders stop
/// at 127.
pub(crate) const LIMITS: Limits = Limits {
    array_depth: 60,
    ..Limits::DEFAULT
};

fn open(request: &Request) -> Result<Vec<SourceFile>, Error> {
    collect(request.sources.iter().map(|path| SourceFile::open(path)))
}

fn read_headers(sources: &[SourceFile]) -> Result<Vec<Vec<u8>>, Error> {
    collect(sources.iter().map(|source| {
        gguf_file::read_header(source, &LIMITS).map_err(|error| unread(source, error))
    }))
}

fn parse_all<'a>(
    sources: &[SourceFile],
    headers: &'a [Vec<u8>],
) -> Result<Vec<Content<'a>>, Error> {
    let contents = sources.iter().zip(headers);
    collect(contents.map(|(source, header)| parse(source, header, &LIMITS)))
}

fn join<'a>(request: &Request, contents: &'a [Content<'a>]) -> Result<SplitSet<'a>, Error> {
    SplitSet::join(contents).map_err(|source| Error::Shards {
        paths: request.sources.clone(),
        source: Box::new(source),
    })
}

/// Where each tensor starts in the artifact.
fn destinations(layout: &apr_file::Plan) -> Vec<u64> {
    let tensors = layout.tensors().iter();
    tensors
        .map(|entry| layout.data_offset() + entry.offset)
        .collect()
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

/// Says what a file is whose header cannot be read, where its first bytes show that.
fn unread(source: &SourceFile, error: gguf_file::Error) -> Error {
    if !matches!(error, gguf_file::Error::Format(_)) {
        return refused(source, error);
    }
    match not_gguf::describe(source, &error) {
        Ok(Some(what)) => Error::NotGguf {
            path: source.path().to_owned(),
            what,
        },
        Ok(None) => refused(source, error),
        Err(error) => error,
    }
}

fn refused(source: &SourceFile, error: gguf_file::Error) -> Error {
    let path = source.path().to_owned();
    if error.is_changed() {
        source.changed()
    } else if error.is_cut() {
        let what = format!("cut, half a download or copy: {error}; download it again");
        Error::NotGguf { path, what }
    } else {
        let source = Box::new(error);
        Error::Source { path, source }
    }
}

fn collect<T>(results: impl Iterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    results.collect()
}
