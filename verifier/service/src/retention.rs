//! What is kept for how long: jobs, reports, artifacts, and uploads that no job used.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
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
    let blobs = worker.config.blobs();
    let remove = |hex: &str| absent_is_fine(std::fs::remove_file(blobs.join(hex)));
    while worker.store.forget_blob(keep, remove).await? {}
    let mut folders = fs::read_dir(worker.config.job_folders()).await?;
    while let Some(entry) = folders.next_entry().await? {
        let job = entry.file_name().to_string_lossy().into_owned();
        if !worker.store.is_kept(&job).await? {
            absent_is_fine(fs::remove_dir_all(entry.path()).await)?;
        }
    }
    forget_uploads(worker).await
}

/// What a client or a killed service never finished. An upload is as young as its newest byte, however long ago it began.
async fn forget_uploads(worker: &Worker) -> Result<(), Failed> {
    let folder = worker.config.uploads();
    let mut files = fs::read_dir(&folder).await?;
    while let Some(entry) = files.next_entry().await? {
        absent_is_fine(forget_upload(&entry.path()))?;
    }
    let since = i64::try_from(UPLOAD.as_millis()).unwrap_or(i64::MAX);
    for id in worker.store.unfinished(since).await? {
        if !fs::try_exists(folder.join(&id)).await? {
            worker.store.forget_partial(&id).await?;
        }
    }
    Ok(())
}

fn forget_upload(path: &Path) -> io::Result<()> {
    let file = std::fs::File::open(path)?;
    // One that is locked is being written or digested.
    let is_free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let age = file.metadata()?.modified()?.elapsed();
    if is_free && age.is_ok_and(|age| age > UPLOAD) {
        std::fs::remove_file(path)?;
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

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn an_upload_is_as_young_as_its_newest_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upload");
        let file = File::create_new(&path).unwrap();
        forget_upload(&path).unwrap();
        assert!(path.exists());
        let old = SystemTime::now().checked_sub(UPLOAD + HOUR).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        forget_upload(&path).unwrap();
        assert!(path.exists());
        flock(&file, FlockOperation::Unlock).unwrap();
        forget_upload(&path).unwrap();
        assert!(!path.exists());
    }
}
