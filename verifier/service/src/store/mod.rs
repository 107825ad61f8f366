//! The database: SQLite beside the data, or PostgreSQL for many machines. The statements are the same for both.

pub mod blobs;
pub mod deliveries;
mod end;
mod mark;
pub mod queue;
pub mod read;
pub mod submissions;
pub mod tokens;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, SqlitePool};
use tokio::time::timeout;

/// The tables, in the words of both.
const SCHEMA: &str = include_str!("schema.sql");

/// How long a connection may say nothing that has nothing to do.
const SILENCE: Duration = Duration::from_secs(5);
/// Bytes that a job may write: a model as large as its inputs, with a margin for what the other format says in more words.
const WRITES: &str = "(CASE WHEN op IN ('convert', 'restore') \
    THEN CAST(size AS DOUBLE PRECISION) * 1.0625 + 16777216 ELSE 0.0 END)";

/// A handle to the database; clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
}

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same code for either database.
macro_rules! on {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.pool {
            $crate::store::Pool::Sqlite($pool) => $body,
            $crate::store::Pool::Postgres($pool) => $body,
        }
    };
}
pub(crate) use on;

/// Reads a row by the names of its fields; the derived form would build SQLite a second time, into the compiler's process.
macro_rules! from_row {
    ($name:ident { $($field:ident),* } words { $($word:ident),* } $(maybe { $($maybe:ident),* })?) => {
        impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for $name
        where
            &'static str: sqlx::ColumnIndex<R>,
            String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Ok(Self {
                    $($field: row.try_get(stringify!($field))?,)*
                    $($word: row
                        .try_get::<String, _>(stringify!($word))?
                        .try_into()
                        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,)*
                    $($($maybe: row
                        .try_get::<Option<String>, _>(stringify!($maybe))?
                        .map(TryInto::try_into)
                        .transpose()
                        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,)*)?
                })
            }
        }
    };
}
pub(crate) use from_row;

/// A statement of the database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// As the database says it.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// No connection to it can be made.
    #[error("the database at {0} does not answer: {1}")]
    Unreached(String, String),
    /// A connection to it is silent.
    #[error("the database does not answer")]
    Silent,
    /// What it holds is not what this version writes.
    #[error("the database holds what this version does not write: {0}")]
    Foreign(#[from] serde_json::Error),
    /// The database and the folder are not of one service.
    #[error(
        "`data` is not the folder of this database, all processes of which share one folder: {0} does not hold its mark. \
         Mount that folder; if it is lost for good, write `{1}` into that file"
    )]
    OtherFolder(PathBuf, String),
    /// The mark of the folder cannot be kept.
    #[error("the mark of `data` cannot be read or written: {0}")]
    Mark(#[source] io::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl StoreError {
    /// Whether it may answer again in a while.
    pub(crate) fn is_away(&self) -> bool {
        use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
        match self {
            Self::Silent => true,
            Self::Database(Io(_) | PoolClosed | PoolTimedOut | Tls(_) | WorkerCrashed) => true,
            // PostgreSQL: it is ended, begins, or has no connection left.
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| code.starts_with("57P") || code.starts_with("53")),
            _ => false,
        }
    }
}

impl Store {
    /// Opens a file of SQLite, and makes it where there is none.
    ///
    /// Each transaction is on disk before it is answered, so that an accepted job survives a power cut.
    ///
    /// # Errors
    /// The file cannot be opened or is no database.
    pub async fn sqlite(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            // On a full disk SQLite rolls back by itself, which leaves the connection in a transaction that there is not:
            // nothing would be written with it ever again.
            .before_acquire(|connection, _| {
                let is_usable = !connection.is_in_transaction();
                Box::pin(std::future::ready(Ok(is_usable)))
            })
            .connect_with(options)
            .await?;
        Self::with_tables(Pool::Sqlite(pool)).await
    }

    /// Opens a database of PostgreSQL.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub async fn postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?;
        let made = PgPoolOptions::new()
            .max_connections(8)
            // Longer than what is silent keeps its place, and not as long as a client waits for nothing.
            .acquire_timeout(SILENCE.saturating_mul(2))
            // A connection that somebody gave up on is asked whether it is still there, and must not keep its place for ever.
            .after_release(|connection, _| {
                Box::pin(async {
                    let answered = timeout(SILENCE, connection.ping()).await;
                    answered.map_or(Ok(false), |answered| answered.map(|()| true))
                })
            })
            .connect_with(options.clone())
            .await;
        match made {
            Ok(pool) => Self::with_tables(Pool::Postgres(pool)).await,
            // It was tried until now, and only a try says why.
            Err(sqlx::Error::PoolTimedOut) => {
                let place = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let why = match timeout(SILENCE, options.connect()).await {
                    Ok(Err(sqlx::Error::Io(error))) => error.to_string(),
                    Ok(Err(error)) => error.to_string(),
                    Ok(Ok(_)) | Err(_) => "it is silent".to_owned(),
                };
                Err(StoreError::Unreached(place, why))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn with_tables(pool: Pool) -> Result<Self, StoreError> {
        let store = Self { pool };
        let serial = match store.pool {
            Pool::Sqlite(_) => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Pool::Postgres(_) => "BIGSERIAL PRIMARY KEY",
        };
        let schema = SCHEMA.replace("{serial}", serial);
        // PostgreSQL makes a table twice where two processes begin at once, and refuses the second: one after the other.
        let lock = match store.pool {
            Pool::Sqlite(_) => "",
            Pool::Postgres(_) => "SELECT pg_advisory_xact_lock(7212);",
        };
        let schema = format!("{lock}{schema}");
        on!(store, pool => {
            sqlx::raw_sql(&schema).execute(pool).await?;
        });
        Ok(store)
    }

    /// Waits so long for an answer: without an end to a connection, as where a machine lost its power, none ever comes.
    pub(crate) async fn within<T>(
        patience: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(patience, work)
            .await
            .unwrap_or(Err(StoreError::Silent))
    }

    /// A statement in the words of this database: `{now}` is its clock in milliseconds, `{locked}` leaves out rows that another
    /// connection is taking, `{writes}` is what a job may write.
    fn sql(&self, statement: &str) -> String {
        let (now, locked) = match self.pool {
            Pool::Sqlite(_) => ("CAST(unixepoch('subsec') * 1000 AS BIGINT)", ""),
            Pool::Postgres(_) => (
                "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
                "FOR UPDATE SKIP LOCKED",
            ),
        };
        statement
            .replace("{writes}", WRITES)
            .replace("{now}", now)
            .replace("{locked}", locked)
    }

    /// What begins a transaction that writes: SQLite takes the lock at once, since one that is taken later fails.
    fn begin(&self) -> &'static str {
        match self.pool {
            Pool::Sqlite(_) => "BEGIN IMMEDIATE",
            Pool::Postgres(_) => "BEGIN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pool, Store};

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::sqlite(&folder.path().join("q.sqlite")).await;
        let store = store.unwrap();
        let Pool::Sqlite(pool) = &store.pool else {
            panic!("it is SQLite")
        };
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        // As SQLite itself does on a full disk.
        let ended = sqlx::raw_sql("ROLLBACK").execute(&mut *transaction).await;
        ended.unwrap();
        drop(transaction);
        for _ in 0..10 {
            let again = pool.begin_with("BEGIN IMMEDIATE").await;
            again.unwrap().commit().await.unwrap();
        }
    }
}
