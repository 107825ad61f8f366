//! What is kept for how long: jobs, reports, artifacts, and uploads that no job used.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::fs;
use tokio::time::sleep;
use tracing::warn;

use crate::store::StoreError;
use crate::worker::Worker;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Milliseconds after which another process may: less than the hour after which the same one does.
const MINUTES: i64 = 50 * 60 * 1000;
/// An upload that was not finished for so long never will be.
const UPLOAD: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Forgets once an hour, until the process is to end.
pub(crate) async fn forget_hourly(mut worker: Worker) {
    while !*worker.stop.borrow() {
        if let Err(error) = forget(&worker).await {
            warn!(%error, "what is old was not taken away");
        }
        tokio::select! {
            () = sleep(HOUR) => {}
            _ = worker.stop.changed() => {}
        }
    }
}

async fn forget(worker: &Worker) -> Result<(), Failed> {
    // Each folder is asked for: a hundred processes that do so are the load of the database.
    if !worker.store.is_turn("retention", MINUTES).await? {
        return Ok(());
    }
    let keep = worker.config.keep_milliseconds();
    worker.store.forget(keep).await?;
    for hex in worker.store.forget_blobs(keep).await? {
        absent_is_fine(fs::remove_file(worker.config.blobs().join(hex)).await)?;
    }
    let mut folders = fs::read_dir(worker.config.job_folders()).await?;
    while let Some(entry) = folders.next_entry().await? {
        let job = entry.file_name().to_string_lossy().into_owned();
        if !worker.store.is_kept(&job).await? {
            absent_is_fine(fs::remove_dir_all(entry.path()).await)?;
        }
    }
    forget_uploads(&worker.config.uploads()).await?;
    Ok(())
}

/// What a service left that was killed during an upload.
async fn forget_uploads(folder: &Path) -> io::Result<()> {
    let mut files = fs::read_dir(folder).await?;
    while let Some(entry) = files.next_entry().await? {
        let age = entry.metadata().await?.modified()?.elapsed();
        if age.is_ok_and(|age| age > UPLOAD) {
            absent_is_fine(fs::remove_file(entry.path()).await)?;
        }
    }
    Ok(())
}

/// Another process of the service may have been first.
fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
