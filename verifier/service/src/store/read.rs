//! What is asked of the database: jobs, models, counts; and what is forgotten.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Store, StoreError, from_row, on};
use crate::job::{Op, Reason, Spec, State, Verdict};

/// A job as it stands in the database.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number in the order of submission.
    pub seq: i64,
    /// Its name.
    pub id: String,
    /// Equal for jobs that must have equal reports.
    pub key: String,
    /// The operation.
    pub op: Op,
    /// The whole of it, as JSON.
    pub spec: String,
    /// The token that submitted it.
    pub owner: String,
    /// Where it is.
    pub state: State,
    /// How often a worker began it.
    pub attempt: i64,
    /// Whether it was cancelled.
    pub cancelled: i64,
    /// The last line of progress.
    pub progress: Option<String>,
    verdict: Option<Verdict>,
    reason: Option<Reason>,
    /// What the program said besides.
    pub message: Option<String>,
    /// The folder of its reports.
    pub folder: Option<String>,
    /// What was read of addresses, as JSON.
    pub origins: Option<String>,
    /// What its report comes to.
    pub sentence: Option<String>,
    /// How many findings the policy let pass.
    pub allowed: Option<i64>,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Milliseconds since 1970.
    pub started: Option<i64>,
    /// Milliseconds since 1970.
    pub finished: Option<i64>,
}

from_row!(Row { seq, id, key, spec, owner, attempt, cancelled, progress, message, folder, origins, sentence, allowed, created, started, finished } words { op, state } maybe { verdict, reason });

const COLUMNS: &str = "seq, id, key, op, spec, owner, state, attempt, cancelled, progress, verdict, reason, message, folder, created, started, finished, \
    (SELECT files FROM origins WHERE origins.job = substr(jobs.folder, 1, 24)) AS origins, \
    (SELECT sentence FROM conclusions WHERE conclusions.folder = jobs.folder) AS sentence, \
    (SELECT allowed FROM conclusions WHERE conclusions.folder = jobs.folder) AS allowed";

/// A job that is forgotten: not while somebody is still to be told of it, which takes less than a day.
const OLD: &str = "state = 'done' AND finished < {now} - $1 AND (finished < {now} - 86400000 \
    OR NOT EXISTS (SELECT 1 FROM deliveries AS waiting WHERE waiting.job = jobs.id AND waiting.state = 'waiting'))";

/// A job whose report names a model: it made the report, or shares that of an equal one.
const OF_MODEL: &str = "jobs.id = models.job OR substr(jobs.folder, 1, 24) = models.job";

impl Row {
    /// The verdict and why, of a job that is done.
    #[must_use]
    pub fn ended(&self) -> Option<(Verdict, Reason)> {
        self.verdict.zip(self.reason)
    }

    /// What was asked for.
    ///
    /// # Errors
    /// The database holds something else.
    pub fn spec(&self) -> Result<Spec, StoreError> {
        Ok(serde_json::from_str(&self.spec)?)
    }
}

/// Which jobs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of this token only.
    pub owner: Option<String>,
    /// In this state only.
    pub state: Option<State>,
    /// With this verdict only.
    pub verdict: Option<Verdict>,
    /// Older than this one, by number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// A file that a report named, and the job whose report it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Seen {
    /// The name in the report.
    pub name: String,
    /// Its length in bytes.
    pub size: i64,
    /// The job.
    pub job: String,
    /// The operation.
    pub op: Op,
    /// The verdict of the job.
    pub verdict: Option<Verdict>,
    /// Milliseconds since 1970.
    pub finished: Option<i64>,
}

from_row!(Seen { name, size, job, finished } words { op } maybe { verdict });

/// What a job read under a name.
#[derive(Clone, Debug)]
pub struct Version {
    /// `blake3:HEX`.
    pub digest: String,
    /// Its length in bytes.
    pub size: i64,
    /// The job.
    pub job: String,
    /// The operation.
    pub op: Op,
    /// The verdict of the job.
    pub verdict: Option<Verdict>,
    /// Milliseconds since 1970.
    pub finished: Option<i64>,
}

from_row!(Version { digest, size, job, finished } words { op } maybe { verdict });

/// How many jobs ended in one way.
#[derive(Clone, Debug)]
pub struct Tally {
    /// What is counted.
    pub verdict: Counted,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub jobs: i64,
    /// The bytes of their inputs.
    pub bytes: i64,
    /// How long they ran.
    pub milliseconds: i64,
}

from_row!(Tally { jobs, bytes, milliseconds } words { verdict, reason });

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Jobs that ended with this verdict.
    Ended(Verdict),
    /// Reports that disagreed.
    Alarm,
}

impl TryFrom<String> for Counted {
    type Error = serde_json::Error;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "alarm" => Ok(Self::Alarm),
            _ => Verdict::try_from(word).map(Self::Ended),
        }
    }
}

impl Store {
    /// One job.
    ///
    /// # Errors
    /// The database fails.
    pub async fn job(&self, id: &str) -> Result<Option<Row>, StoreError> {
        let find = format!("SELECT {COLUMNS} FROM jobs WHERE id = $1");
        Ok(on!(self, pool => sqlx::query_as(&find).bind(id).fetch_optional(pool).await?))
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let find = format!(
            "SELECT {COLUMNS} FROM jobs WHERE ($1 IS NULL OR owner = $1) AND ($2 IS NULL OR state = $2) \
             AND ($3 IS NULL OR verdict = $3) AND ($4 IS NULL OR seq < $4) ORDER BY seq DESC LIMIT $5"
        );
        Ok(on!(self, pool => sqlx::query_as(&find)
            .bind(filter.owner.clone())
            .bind(filter.state.map(|state| state.to_string()))
            .bind(filter.verdict.map(|verdict| verdict.to_string()))
            .bind(filter.before)
            .bind(filter.limit)
            .fetch_all(pool)
            .await?))
    }

    /// Remembers which files the report of a job named, and what it read of addresses.
    ///
    /// # Errors
    /// The database fails.
    pub async fn saw(
        &self,
        job: &str,
        files: &[(String, String, i64)],
        origins: &[Value],
    ) -> Result<(), StoreError> {
        let insert = "INSERT INTO models (digest, job, name, size) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        for (digest, name, size) in files {
            on!(self, pool => {
                sqlx::query(insert)
                    .bind(digest)
                    .bind(job)
                    .bind(name)
                    .bind(size)
                    .execute(pool)
                    .await?;
            });
        }
        if !origins.is_empty() {
            // A second attempt may have read something else.
            let insert = "INSERT INTO origins (job, files) VALUES ($1, $2) ON CONFLICT (job) DO UPDATE SET files = excluded.files";
            let text = serde_json::to_string(origins)?;
            on!(self, pool => {
                sqlx::query(insert).bind(job).bind(&text).execute(pool).await?;
            });
        }
        Ok(())
    }

    /// What is known of a file with this digest, newest first: of all owners, or of one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn model(&self, digest: &str, owner: Option<&str>) -> Result<Vec<Seen>, StoreError> {
        let find = format!(
            "SELECT models.name, models.size, jobs.id AS job, jobs.op, jobs.verdict, jobs.finished FROM models \
                    JOIN jobs ON {OF_MODEL} WHERE models.digest = $1 AND ($2 IS NULL OR jobs.owner = $2) \
                    ORDER BY jobs.seq DESC LIMIT 100"
        );
        Ok(on!(self, pool => sqlx::query_as(&find).bind(digest).bind(owner).fetch_all(pool).await?))
    }

    /// What jobs read under a name, newest first, each with its BLAKE3: of all owners, or of one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn versions(
        &self,
        name: &str,
        owner: Option<&str>,
    ) -> Result<Vec<Version>, StoreError> {
        let find = format!(
            "SELECT models.digest, models.size, jobs.id AS job, jobs.op, jobs.verdict, jobs.finished FROM models \
                    JOIN jobs ON {OF_MODEL} WHERE models.name = $1 AND models.digest LIKE 'blake3:%' \
                    AND ($2 IS NULL OR jobs.owner = $2) ORDER BY jobs.seq DESC LIMIT 100"
        );
        Ok(on!(self, pool => sqlx::query_as(&find).bind(name).bind(owner).fetch_all(pool).await?))
    }

    /// How many jobs ended in which way.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        let find =
            "SELECT verdict, reason, jobs, bytes, milliseconds FROM tally ORDER BY verdict, reason";
        Ok(on!(self, pool => sqlx::query_as(find).fetch_all(pool).await?))
    }

    /// Notes that a worker lives.
    ///
    /// # Errors
    /// The database fails.
    pub async fn heard_of(&self, worker: &str) -> Result<(), StoreError> {
        let seen = self.sql(
            "INSERT INTO workers (name, seen) VALUES ($1, {now}) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen",
        );
        on!(self, pool => {
            sqlx::query(&seen).bind(worker).execute(pool).await?;
        });
        Ok(())
    }

    /// How many workers were heard of in the last minute, or hold a job.
    ///
    /// # Errors
    /// The database fails.
    pub async fn workers(&self) -> Result<i64, StoreError> {
        let find = self.sql("SELECT COUNT(*) FROM (SELECT name FROM workers WHERE seen > {now} - 60000 \
             UNION SELECT worker FROM jobs WHERE state = 'running' AND lease_until > {now}) AS heard");
        let (count,): (i64,) = on!(self, pool => sqlx::query_as(&find).fetch_one(pool).await?);
        Ok(count)
    }

    /// Whether the caller is the one process of all that does this chore now: the first that asks after so many milliseconds.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_turn(&self, chore: &str, pause: i64) -> Result<bool, StoreError> {
        let take = self.sql(
            "INSERT INTO chores (name, at) VALUES ($1, {now}) ON CONFLICT (name) DO UPDATE SET at = excluded.at \
             WHERE chores.at <= excluded.at - $2 OR chores.at > excluded.at",
        );
        let taken = on!(self, pool => sqlx::query(&take)
            .bind(chore)
            .bind(pause)
            .execute(pool)
            .await?
            .rows_affected());
        Ok(taken == 1)
    }

    /// Forgets what ended, and what was not used, for so many milliseconds.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget(&self, keep: i64) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM deliveries WHERE job IN (SELECT id FROM jobs WHERE {old})",
            "DELETE FROM submissions WHERE job IN (SELECT id FROM jobs WHERE {old})",
            "DELETE FROM jobs WHERE {old}",
            "DELETE FROM partial WHERE digest IS NOT NULL AND at < {now} - $1",
            "DELETE FROM results WHERE used < {now} - $1",
            "DELETE FROM workers WHERE seen < {now} - $1",
            &of_nobody("models", "models.job"),
            &of_nobody("origins", "origins.job"),
            &of_nobody("conclusions", "substr(conclusions.folder, 1, 24)"),
        ] {
            let statement = self.sql(&statement.replace("{old}", OLD));
            on!(self, pool => {
                sqlx::query(&statement).bind(keep).execute(pool).await?;
            });
        }
        Ok(())
    }

    /// Whether a folder of reports belongs to a job or to a result.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_kept(&self, job: &str) -> Result<bool, StoreError> {
        let find = "SELECT (SELECT COUNT(*) FROM jobs WHERE id = $1) \
            + (SELECT COUNT(*) FROM jobs WHERE substr(folder, 1, 24) = $1) \
            + (SELECT COUNT(*) FROM results WHERE substr(folder, 1, 24) = $1)";
        let (count,): (i64,) = on!(self, pool => sqlx::query_as(find)
            .bind(job)
            .fetch_one(pool)
            .await?);
        Ok(count > 0)
    }
}

/// Forgets what was read by jobs that neither stand nor left a report that another job or result shares.
fn of_nobody(table: &str, job: &str) -> String {
    format!(
        "DELETE FROM {table} WHERE $1 = $1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = {job}) \
         AND NOT EXISTS (SELECT 1 FROM jobs WHERE substr(jobs.folder, 1, 24) = {job}) \
         AND NOT EXISTS (SELECT 1 FROM results WHERE substr(results.folder, 1, 24) = {job})"
    )
}
