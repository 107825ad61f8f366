//! What runs: a worker, and the answers to HTTP, until a signal asks to stop.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::child::confined;
use crate::config::{Config, ConfigError};
use crate::http::{App, Watchers, router};
use crate::identity::Identities;
use crate::listen::answer;
use crate::roots::{Roots, check_kernel};
use crate::store::tokens::{NewToken, Token};
use crate::store::{Store, StoreError};
use crate::worker::Worker;

/// How long a connection may last once the jobs have ended.
const CUT: Duration = Duration::from_secs(10);

const MINUTE: Duration = Duration::from_secs(60);

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
        // Models of everybody: nobody else on the machine is to read them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data)
            .map_err(|error| ServiceError::Io(config.data.display().to_string(), error))?;
        for folder in [config.blobs(), config.uploads(), config.job_folders()] {
            fs::create_dir_all(&folder)
                .map_err(|error| ServiceError::Io(folder.display().to_string(), error))?;
        }
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| ServiceError::Io("no thread can be started".to_owned(), error))?;
        let store = runtime.block_on(async {
            let store = match &config.database {
                Some(url) => Store::postgres(url).await,
                None => Store::sqlite(&config.data.join("aprove.sqlite")).await,
            }?;
            store.belongs_to(&config.data).await.map(|()| store)
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
    /// The configuration has no jobs, or signals cannot be handled.
    pub fn work(self) -> Result<(), ServiceError> {
        if self.config.jobs == 0 {
            let expected =
                "0, with which a worker does nothing: give it a file with `jobs = 1` or more";
            return Err(ConfigError::Value("jobs", expected).into());
        }
        let (stop, stopped) = watch::channel(false);
        let worker = self.worker(Arc::default(), stopped);
        self.runtime.block_on(async {
            let work = tokio::spawn(worker.run());
            stop_on_signal(stop).await?;
            work.await
                .map_err(|error| ServiceError::Io("the worker".to_owned(), io::Error::other(error)))
        })
    }

    /// Answers over HTTP, and works on jobs beside that, until a signal asks to stop. `listening` is told the address.
    ///
    /// # Errors
    /// The address is taken, or signals cannot be handled.
    pub fn serve(self, listening: impl FnOnce(SocketAddr)) -> Result<(), ServiceError> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let (tested, test) = watch::channel(None);
        let wake = Arc::new(Notify::new());
        let app = App {
            config: Arc::clone(&self.config),
            roots: Arc::clone(&self.roots),
            store: self.store.clone(),
            program: self.program.clone(),
            rates: Arc::default(),
            watchers: Arc::new(Watchers::new(
                self.config.max_connections,
                self.config.needs_tokens(),
            )),
            identities: Arc::new(Identities::new(self.config.identities.clone())),
            wake: Arc::clone(&wake),
            stop: stopped.clone(),
            tested: test,
        };
        let worker = self.worker(wake, stopped);
        self.runtime.block_on(async {
            let listener = TcpListener::bind(self.config.listen)
                .await
                .map_err(|error| ServiceError::Io(self.config.listen.to_string(), error))?;
            let address = listener
                .local_addr()
                .map_err(|error| ServiceError::Io(self.config.listen.to_string(), error))?;
            let test = tokio::spawn(test_hourly(
                Arc::clone(&self.config),
                self.program.clone(),
                tested,
            ));
            let work = tokio::spawn(worker.run());
            let config = Arc::clone(&self.config);
            let answers = tokio::spawn(async move {
                answer(listener, router(app), &config, stops(ended)).await;
            });
            listening(address);
            stop_on_signal(stop).await?;
            test.abort();
            work.await
                .map_err(|error| ServiceError::Io("the worker".to_owned(), error.into()))?;
            // Until now whoever waits for a job was told how it stands.
            end.send_replace(true);
            // An upload that takes longer is cut off; its client sends it again.
            if timeout(CUT, answers).await.is_err() {
                info!("a connection was cut off");
            }
            Ok(())
        })
    }

    /// Makes a token, and returns what its owner has to send.
    ///
    /// # Errors
    /// The database fails.
    pub fn new_token(&self, new: &NewToken) -> Result<String, ServiceError> {
        Ok(self.runtime.block_on(self.store.new_token(new))?)
    }

    /// All tokens, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn tokens(&self) -> Result<Vec<Token>, ServiceError> {
        Ok(self.runtime.block_on(self.store.tokens())?)
    }

    /// Revokes a token by the part before its secret; whether there was one.
    ///
    /// # Errors
    /// The database fails.
    pub fn revoke_token(&self, id: &str) -> Result<bool, ServiceError> {
        Ok(self.runtime.block_on(self.store.revoke_token(id))?)
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

async fn stops(mut stopped: watch::Receiver<bool>) {
    // The sender lives as long as the service.
    let _ended = stopped.wait_for(|&is_stopped| is_stopped).await;
}

/// Lets the program prove that it finds damage: a service that cannot fail anything is not ready.
async fn test_hourly(config: Arc<Config>, program: PathBuf, tested: watch::Sender<Option<bool>>) {
    loop {
        let status = confined(&config, &program)
            .args(["self-test", "--quiet", "--threads", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // A signal to the group of the service is none to the program.
            .process_group(0)
            .kill_on_drop(true)
            .status()
            .await;
        let is_passed = status.as_ref().is_ok_and(ExitStatus::success);
        tested.send_replace(Some(is_passed));
        let ended = status.as_ref().ok().and_then(ExitStatusExt::signal);
        let pause = if let Some(signal) = ended {
            warn!(
                signal,
                "the self-test of the program was ended and says nothing: it is run again in a minute"
            );
            MINUTE
        } else {
            if !is_passed {
                error!(
                    ?status,
                    "the self-test of the program failed: do not trust it on this machine"
                );
            }
            60 * MINUTE
        };
        sleep(pause).await;
    }
}

/// Writes what happens to stderr, an object in a line; the first call counts.
pub fn log() {
    let subscriber = tracing_subscriber::fmt().json().with_writer(io::stderr);
    // A second one would be a test in the same process.
    let _first = subscriber.try_init();
}
