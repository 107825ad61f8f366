//! The configuration: a TOML file in which every key has a default and an unknown one is refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use reach::Sources;
use serde::Deserialize;

use crate::identity::Identity;
use crate::sources::STORES;
use crate::webhooks::Webhooks;

/// What the service does, as the file says it; each key is described in docs/service.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where clients find the service, through whatever stands in front of it.
    pub public_url: Option<String>,
    /// The folder of the database, uploads and reports; of several machines a shared one.
    pub data: PathBuf,
    /// `postgres://...` instead of SQLite in `data`.
    pub database: Option<String>,
    /// Folders whose files jobs may read, by name.
    pub roots: BTreeMap<String, PathBuf>,
    /// Whether a token is needed.
    pub auth: Auth,
    /// Jobs at a time in this process; 0: it only answers.
    pub jobs: usize,
    /// Threads of each job.
    pub threads: u16,
    /// Bytes of address space of a job.
    pub memory: u64,
    /// Seconds of CPU time of a job, of all its threads.
    pub cpu_seconds: u64,
    /// Seconds that a job may take.
    pub wall_seconds: u64,
    /// Seconds without a sign of a worker until another one takes its job.
    pub lease_seconds: u32,
    /// How often a job is begun that never ends.
    pub tries: u32,
    /// Seconds that running jobs get when the service stops, before they go back to the queue.
    pub grace_seconds: u64,
    /// Bytes of one upload.
    pub max_upload: u64,
    /// Connections at once.
    pub max_connections: usize,
    /// Seconds in which a request must have come, but for the body of an upload.
    pub request_seconds: u32,
    /// Seconds that a connection without a request is kept for the next one.
    pub idle_seconds: u32,
    /// Jobs that may wait.
    pub max_queued: u32,
    /// Jobs of one token that may wait or run, where the token says nothing else.
    pub max_jobs_of_token: u32,
    /// Requests of one token in a minute, where the token says nothing else.
    pub max_rate_of_token: u32,
    /// Bytes that stay free on the disk of `data`.
    pub min_free_disk: u64,
    /// Hours that jobs, reports and unused uploads are kept.
    pub keep_hours: u32,
    /// Which addresses jobs may name as inputs.
    pub sources: Sources,
    /// Which folders of stores jobs may put artifacts into.
    pub destinations: Sources,
    /// Who may be told of the end of jobs.
    pub webhooks: Webhooks,
    /// Identities of CI providers, beside tokens.
    pub identities: Vec<Identity>,
}

/// Whether a token is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// Not on a loopback address, else yes.
    Auto,
    /// Always.
    Tokens,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8212)),
            public_url: None,
            data: PathBuf::from("aprove-data"),
            database: None,
            roots: BTreeMap::new(),
            auth: Auth::Auto,
            jobs: 1,
            threads: 2,
            memory: 8 << 30,
            cpu_seconds: 4 * 60 * 60,
            wall_seconds: 2 * 60 * 60,
            lease_seconds: 30,
            tries: 3,
            grace_seconds: 30,
            max_upload: 16 << 30,
            max_connections: 1000,
            request_seconds: 30,
            idle_seconds: 120,
            max_queued: 1000,
            max_jobs_of_token: 100,
            max_rate_of_token: 600,
            min_free_disk: 1 << 30,
            keep_hours: 7 * 24,
            sources: Sources::default(),
            destinations: Sources::default(),
            webhooks: Webhooks::default(),
            identities: Vec::new(),
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Io(String, #[source] io::Error),
    /// It is not what is expected; the line is part of the message.
    #[error("{0}: {1}")]
    Form(String, String),
    /// A value that leads to nothing.
    #[error("`{0}` is {1}")]
    Value(&'static str, &'static str),
    /// An entry of a list that can name nothing, or more than it looks like.
    #[error("`{0}` has the entry `{1}`, which is no {2}")]
    Entry(&'static str, String, &'static str),
    /// A root that cannot be used.
    #[error("root `{0}` is `{1}`, which is no folder that can be opened: {2}")]
    Root(String, String, #[source] io::Error),
    /// A root whose name is no first part of a path.
    #[error("a root has the name `{0}`: give one of letters, digits, `-` and `_`")]
    RootName(String),
}

impl Config {
    /// Reads a file. Paths are relative to its folder.
    ///
    /// # Errors
    /// It cannot be read, has an unknown key, or a value of another kind.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|error| ConfigError::Io(name.clone(), error))?;
        let mut config: Self =
            toml::from_str(&text).map_err(|error| ConfigError::Form(name, error.to_string()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        config.data = folder.join(&config.data);
        for root in config.roots.values_mut() {
            *root = folder.join(&root);
        }
        for identity in &mut config.identities {
            if !identity.keys.contains("://") {
                identity.keys = folder.join(&identity.keys).display().to_string();
            }
        }
        Ok(config)
    }

    /// Makes all paths absolute, and refuses what could only fail later.
    ///
    /// # Errors
    /// A value is refused, or a root is no folder.
    pub fn checked(mut self) -> Result<Self, ConfigError> {
        for (key, is_zero) in [
            ("threads", self.threads == 0),
            ("memory", self.memory == 0),
            ("cpu_seconds", self.cpu_seconds == 0),
            ("wall_seconds", self.wall_seconds == 0),
            ("lease_seconds", self.lease_seconds == 0),
            ("tries", self.tries == 0),
            ("max_connections", self.max_connections == 0),
            ("request_seconds", self.request_seconds == 0),
            ("keep_hours", self.keep_hours == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Value(key, "0, and must be at least 1"));
            }
        }
        // It stands in a line for a shell, in double quotes.
        let is_outer = |url: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]%".contains(&byte);
            ["http://", "https://"]
                .iter()
                .any(|start| url.starts_with(start))
                && url.bytes().all(is_plain)
        };
        if !self.public_url.as_ref().is_none_or(is_outer) {
            let expected = "not https://HOST or http://HOST, with a port or a path";
            return Err(ConfigError::Value("public_url", expected));
        }
        let is_postgres = |url: &String| {
            ["postgres://", "postgresql://"]
                .iter()
                .any(|start| url.starts_with(start))
        };
        if !self.database.as_ref().is_none_or(is_postgres) {
            let expected = "not postgres://USER:PASSWORD@HOST/NAME";
            return Err(ConfigError::Value("database", expected));
        }
        if let Some(entry) = self.sources.unsound() {
            let expected = "https://HOST or https://HOST:PORT as an address has it, s3://, gs://, az:// or hf:// with a place, or ollama://";
            return Err(ConfigError::Entry(
                "sources.allow",
                entry.to_owned(),
                expected,
            ));
        }
        let is_store = |entry: &str| STORES.iter().any(|store| entry.starts_with(store));
        let mut folders = self.destinations.allow.iter().map(String::as_str);
        let wrong = self.destinations.unsound();
        if let Some(entry) = wrong.or_else(|| folders.find(|entry| !is_store(entry))) {
            let expected = "s3://, gs:// or az:// with a bucket or a place in one";
            return Err(ConfigError::Entry(
                "destinations.allow",
                entry.to_owned(),
                expected,
            ));
        }
        self.webhooks.check()?;
        self.identities.iter().try_for_each(Identity::check)?;
        for (name, root) in &mut self.roots {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_letter) {
                return Err(ConfigError::RootName(name.clone()));
            }
            let error = |error| ConfigError::Root(name.clone(), root.display().to_string(), error);
            let resolved = root.canonicalize().map_err(error)?;
            if !resolved.is_dir() {
                return Err(error(io::ErrorKind::NotADirectory.into()));
            }
            *root = resolved;
        }
        self.data = std::path::absolute(&self.data)
            .map_err(|error| ConfigError::Io(self.data.display().to_string(), error))?;
        Ok(self)
    }

    /// Whether requests need a token.
    #[must_use]
    pub fn needs_tokens(&self) -> bool {
        self.auth == Auth::Tokens || !self.listen.ip().is_loopback()
    }

    /// How long a client may take to say what it wants.
    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_secs(self.request_seconds as u64)
    }

    /// How long a connection that was answered is kept.
    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds as u64)
    }

    /// Bytes of the disk of `data` beside those that stay free; negative where fewer are free.
    pub(crate) fn room(&self) -> io::Result<f64> {
        Ok(self.room_bytes()? as f64)
    }

    /// The same as a whole number.
    pub(crate) fn room_bytes(&self) -> io::Result<i64> {
        let status = rustix::fs::statvfs(&self.data)?;
        let free = status.f_bavail.saturating_mul(status.f_frsize);
        let [free, kept] =
            [free, self.min_free_disk].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Ok(free.saturating_sub(kept))
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.data.join("blobs")
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.data.join("uploads")
    }

    pub(crate) fn job_folders(&self) -> PathBuf {
        self.data.join("jobs")
    }

    pub(crate) const fn keep_milliseconds(&self) -> i64 {
        (self.keep_hours as i64).saturating_mul(60 * 60 * 1000)
    }
}
