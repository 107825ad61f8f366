//! What runs: a worker, and the answers to HTTP, until a signal asks to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing::info;

use crate::config::{Config, ConfigError};
use crate::roots::{Roots, check_kernel};
use crate::store::{Store, StoreError};
use crate::worker::Worker;

/// Everything that runs, before it runs.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: Arc<Config>,
    pub(crate) roots: Arc<Roots>,
    pub(crate) store: Store,
    program: PathBuf,
    runtime: Runtime,
}

/// Why nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refuses something.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

impl Service {
    /// Makes the folders and the database where there are none.
    ///
    /// # Errors
    /// The configuration is refused, or something of it cannot be opened.
    pub fn open(config: Config, program: PathBuf) -> Result<Self, ServiceError> {
        let config = config.checked()?;
        check_kernel().map_err(|error| {
            ServiceError::Io(
                "the kernel opens no file beneath a folder (openat2, Linux 5.6)".to_owned(),
                error,
            )
        })?;
        for folder in [config.blobs(), config.uploads(), config.job_folders()] {
            fs::create_dir_all(&folder)
                .map_err(|error| ServiceError::Io(folder.display().to_string(), error))?;
        }
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| ServiceError::Io("no thread can be started".to_owned(), error))?;
        let store = runtime.block_on(async {
            match &config.database {
                Some(url) => Store::postgres(url).await,
                None => Store::sqlite(&config.data.join("aprove.sqlite")).await,
            }
        })?;
        Ok(Self {
            roots: Arc::new(Roots::new(config.roots.clone(), config.blobs())),
            config: Arc::new(config),
            store,
            program,
            runtime,
        })
    }

    /// Works on the jobs of the queue, until a signal asks to stop.
    ///
    /// # Errors
    /// Signals cannot be handled.
    pub fn work(self) -> Result<(), ServiceError> {
        let (stop, stopped) = watch::channel(false);
        let worker = self.worker(Arc::default(), stopped);
        self.runtime.block_on(async {
            let work = tokio::spawn(worker.run());
            stop_on_signal(stop).await?;
            work.await
                .map_err(|error| ServiceError::Io("the worker".to_owned(), io::Error::other(error)))
        })
    }

    fn worker(&self, wake: Arc<Notify>, stop: watch::Receiver<bool>) -> Worker {
        Worker {
            config: Arc::clone(&self.config),
            roots: Arc::clone(&self.roots),
            store: self.store.clone(),
            program: self.program.clone(),
            wake,
            stop,
        }
    }
}

async fn stop_on_signal(stop: watch::Sender<bool>) -> Result<(), ServiceError> {
    let error = |error| ServiceError::Io("signals cannot be handled".to_owned(), error);
    let mut terminate = signal(SignalKind::terminate()).map_err(error)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(error)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping: running jobs are given their time, then go back to the queue");
    stop.send_replace(true);
    Ok(())
}
