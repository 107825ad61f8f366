//! The queue: leases on rows, fenced by the number of the attempt.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Store, StoreError, from_row, on};
use crate::job::{Judged, Outcome, Reason, Spec, State, Verdict, random};

/// What a queue of jobs does. A job that was accepted ends in exactly one verdict, whatever dies in between.
pub trait JobQueue {
    /// Takes a job, or says which one answers it already.
    fn submit(
        &self,
        spec: &Spec,
        owner: &str,
        limits: Limits,
    ) -> impl Future<Output = Result<Submitted, StoreError>> + Send;

    /// Gives the oldest job that no worker has, or whose worker has not been heard of for a lease.
    fn claim(
        &self,
        worker: &str,
        terms: Terms,
    ) -> impl Future<Output = Result<Option<Claimed>, StoreError>> + Send;

    /// Renews a lease, and says whether to go on.
    fn heartbeat(
        &self,
        lease: &Lease,
        terms: Terms,
        progress: Option<&str>,
    ) -> impl Future<Output = Result<Order, StoreError>> + Send;

    /// Gives a job its verdict, unless the lease was lost.
    fn finish(
        &self,
        lease: &Lease,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<Ended, StoreError>> + Send;

    /// Puts a job back.
    fn fail(
        &self,
        lease: &Lease,
        failure: Failure,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends a job that waits, and asks the worker of one that runs to end it.
    fn cancel(&self, id: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What may wait at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs that wait, of all owners.
    pub queued: i64,
    /// Jobs that wait or run, of this owner.
    pub of_owner: i64,
}

/// How long a worker may be silent, and how often a job may be begun.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Milliseconds.
    pub lease: i64,
    /// A job that was begun so often and never ended is undecided.
    pub tries: i64,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It waits, or was answered by the result of an equal job.
    New(String),
    /// The same owner has the same job, which is not done.
    Existing(String),
    /// Too many jobs wait.
    QueueFull,
    /// The owner has too many jobs.
    OwnerFull,
}

/// The right of a worker to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub id: String,
    /// Which attempt.
    pub attempt: i64,
}

/// A job with the right to it.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right.
    pub lease: Lease,
    /// What to do.
    pub spec: Spec,
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    GoOn,
    /// The job was cancelled: stop, and finish it.
    Cancel,
    /// Another worker has the job: stop, and finish nothing.
    Lost,
}

/// What became of the end of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has this verdict.
    With(Verdict),
    /// Another worker has the job.
    Lost,
}

/// Why a worker puts a job back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The worker is being stopped; the try does not count.
    Stopped,
    /// The job could not be begun here.
    NotBegun,
}

/// The columns of a claim.
struct ClaimRow {
    id: String,
    attempt: i64,
    tries: i64,
    cancelled: i64,
    spec: String,
}

from_row!(ClaimRow { id, attempt, tries, cancelled, spec } words {});

/// An earlier result.
struct ResultRow {
    verdict: Verdict,
    report: String,
    folder: String,
    disagreed: i64,
}

from_row!(ResultRow { report, folder, disagreed } words { verdict });

impl JobQueue for Store {
    async fn submit(
        &self,
        spec: &Spec,
        owner: &str,
        limits: Limits,
    ) -> Result<Submitted, StoreError> {
        let (id, key, op) = (random::<12>()?, spec.key(), spec.op.to_string());
        let size = i64::try_from(spec.size()).unwrap_or(i64::MAX);
        let spec = serde_json::to_string(spec)?;
        let equal = "SELECT id FROM jobs WHERE key = $1 AND owner = $2 AND state <> 'done' AND cancelled = 0 ORDER BY seq LIMIT 1";
        let counts = "SELECT (SELECT COUNT(*) FROM jobs WHERE state = 'queued'), (SELECT COUNT(*) FROM jobs WHERE owner = $1 AND state <> 'done')";
        let insert = self.sql(
            "INSERT INTO jobs (id, key, op, spec, owner, size, state, created) VALUES ($1, $2, $3, $4, $5, $6, 'queued', {now})",
        );
        let begin = self.begin();
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            let existing: Option<(String,)> = sqlx::query_as(equal)
                .bind(&key)
                .bind(owner)
                .fetch_optional(&mut *transaction)
                .await?;
            if let Some((id,)) = existing {
                return Ok(Submitted::Existing(id));
            }
            let (queued, of_owner): (i64, i64) = sqlx::query_as(counts)
                .bind(owner)
                .fetch_one(&mut *transaction)
                .await?;
            if queued >= limits.queued {
                return Ok(Submitted::QueueFull);
            }
            if of_owner >= limits.of_owner {
                return Ok(Submitted::OwnerFull);
            }
            sqlx::query(&insert)
                .bind(&id)
                .bind(&key)
                .bind(op)
                .bind(spec)
                .bind(owner)
                .bind(size)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        });
        self.answer_from_result(&id, &key).await?;
        Ok(Submitted::New(id))
    }

    async fn claim(&self, worker: &str, terms: Terms) -> Result<Option<Claimed>, StoreError> {
        let seen = self.sql(
            "INSERT INTO workers (name, seen) VALUES ($1, {now}) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen",
        );
        // The row is chosen and taken in one statement: no two workers get it.
        let take = self.sql(
            "UPDATE jobs SET state = 'running', attempt = attempt + 1, tries = tries + 1, worker = $1, \
             lease_until = {now} + $2, started = COALESCE(started, {now}) \
             WHERE seq = (SELECT seq FROM jobs WHERE state = 'queued' OR (state = 'running' AND lease_until <= {now}) \
             ORDER BY seq LIMIT 1 {locked}) RETURNING id, attempt, tries, cancelled, spec",
        );
        on!(self, pool => {
            sqlx::query(&seen).bind(worker).execute(pool).await?;
        });
        loop {
            let row: Option<ClaimRow> = on!(self, pool => sqlx::query_as(&take)
                .bind(worker)
                .bind(terms.lease)
                .fetch_optional(pool)
                .await?);
            let Some(row) = row else { return Ok(None) };
            let lease = Lease {
                id: row.id,
                attempt: row.attempt,
            };
            let reason = if row.cancelled != 0 {
                Reason::Cancelled
            } else if row.tries > terms.tries {
                Reason::WorkerDied
            } else {
                let spec = serde_json::from_str::<Spec>(&row.spec)?;
                if self.answer_from_result(&lease.id, &spec.key()).await? {
                    continue;
                }
                return Ok(Some(Claimed { lease, spec }));
            };
            self.finish(&lease, &Outcome::undecided(reason)).await?;
        }
    }

    async fn heartbeat(
        &self,
        lease: &Lease,
        terms: Terms,
        progress: Option<&str>,
    ) -> Result<Order, StoreError> {
        let renew = self.sql(
            "UPDATE jobs SET lease_until = {now} + $3, progress = COALESCE($4, progress) \
             WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING cancelled",
        );
        let row: Option<(i64,)> = on!(self, pool => sqlx::query_as(&renew)
            .bind(&lease.id)
            .bind(lease.attempt)
            .bind(terms.lease)
            .bind(progress)
            .fetch_optional(pool)
            .await?);
        Ok(match row {
            None => Order::Lost,
            Some((0,)) => Order::GoOn,
            Some(_) => Order::Cancel,
        })
    }

    async fn finish(&self, lease: &Lease, outcome: &Outcome) -> Result<Ended, StoreError> {
        let outcome = match &outcome.result {
            None => outcome.clone(),
            // A worker that lost its lease, too, has its report compared.
            // Why it is undecided, a disk for example, need not be the same in the next run.
            Some(_) if outcome.verdict == Verdict::Undecided => outcome.clone(),
            Some(judged) if self.agrees(&lease.id, outcome, judged).await? => outcome.clone(),
            Some(_) => Outcome::undecided(Reason::ReportsDisagree),
        };
        let end = self.sql(
            "UPDATE jobs SET state = 'done', verdict = $3, reason = $4, folder = $5, message = $6, finished = {now}, progress = NULL, \
             lease_until = NULL WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING finished - started, size",
        );
        let begin = self.begin();
        let folder = outcome.result.as_ref().map(|judged| judged.folder.as_str());
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            let row: Option<(i64, i64)> = sqlx::query_as(&end)
                .bind(&lease.id)
                .bind(lease.attempt)
                .bind(outcome.verdict.to_string())
                .bind(outcome.reason.to_string())
                .bind(folder)
                .bind(&outcome.message)
                .fetch_optional(&mut *transaction)
                .await?;
            let Some((milliseconds, size)) = row else { return Ok(Ended::Lost) };
            sqlx::query(COUNT)
                .bind(outcome.verdict.to_string())
                .bind(outcome.reason.to_string())
                .bind(milliseconds)
                .bind(size)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        });
        Ok(Ended::With(outcome.verdict))
    }

    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<(), StoreError> {
        let put_back = "UPDATE jobs SET state = 'queued', lease_until = NULL, progress = NULL, tries = tries - $3 \
                        WHERE id = $1 AND attempt = $2 AND state = 'running'";
        let uncounted = i64::from(failure == Failure::Stopped);
        on!(self, pool => {
            sqlx::query(put_back)
                .bind(&lease.id)
                .bind(lease.attempt)
                .bind(uncounted)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    async fn cancel(&self, id: &str) -> Result<(), StoreError> {
        let mark = "UPDATE jobs SET cancelled = 1 WHERE id = $1 AND state <> 'done'";
        let end = self.sql(
            "UPDATE jobs SET state = 'done', verdict = $2, reason = $3, finished = {now} \
             WHERE id = $1 AND state = 'queued'",
        );
        let outcome = Outcome::undecided(Reason::Cancelled);
        let begin = self.begin();
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query(mark).bind(id).execute(&mut *transaction).await?;
            let ended = sqlx::query(&end)
                .bind(id)
                .bind(outcome.verdict.to_string())
                .bind(outcome.reason.to_string())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if ended == 1 {
                sqlx::query(COUNT)
                    .bind(outcome.verdict.to_string())
                    .bind(outcome.reason.to_string())
                    .bind(0_i64)
                    .bind(0_i64)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
        });
        Ok(())
    }
}

/// Counts an ended job; never lowered, so that counters grow while old jobs are forgotten.
const COUNT: &str = "INSERT INTO tally (verdict, reason, jobs, bytes, milliseconds) VALUES ($1, $2, 1, $4, $3) \
    ON CONFLICT (verdict, reason) DO UPDATE SET jobs = tally.jobs + 1, bytes = tally.bytes + $4, \
    milliseconds = tally.milliseconds + $3";

/// Raises the alarm.
const DISAGREED: &str = "INSERT INTO tally (verdict, reason, jobs, bytes, milliseconds) VALUES ('alarm', 'reports-disagree', 1, 0, 0) \
    ON CONFLICT (verdict, reason) DO UPDATE SET jobs = tally.jobs + 1";

/// How many jobs wait and run.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Depth {
    /// Jobs that wait.
    pub queued: i64,
    /// Jobs that run.
    pub running: i64,
}

impl Store {
    /// Answers a job with the result of an equal one, if there is one.
    async fn answer_from_result(&self, id: &str, key: &str) -> Result<bool, StoreError> {
        let find = "SELECT verdict, report, folder, disagreed FROM results WHERE key = $1";
        let used = self.sql("UPDATE results SET used = {now} WHERE key = $1");
        let end = self.sql(
            "UPDATE jobs SET state = 'done', verdict = $2, reason = 'judged', folder = $3, progress = NULL, lease_until = NULL, \
             started = COALESCE(started, {now}), finished = {now} WHERE id = $1 AND state <> 'done' AND cancelled = 0",
        );
        let begin = self.begin();
        on!(self, pool => {
            let row: Option<ResultRow> =
                sqlx::query_as(find).bind(key).fetch_optional(pool).await?;
            let Some(row) = row.filter(|row| row.disagreed == 0) else {
                return Ok(false);
            };
            let mut transaction = pool.begin_with(begin).await?;
            let kept = sqlx::query(&used).bind(key).execute(&mut *transaction).await?;
            if kept.rows_affected() == 0 {
                return Ok(false);
            }
            let ended = sqlx::query(&end)
                .bind(id)
                .bind(row.verdict.to_string())
                .bind(row.folder)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if ended == 1 {
                sqlx::query(COUNT)
                    .bind(row.verdict.to_string())
                    .bind(Reason::Judged.to_string())
                    .bind(0_i64)
                    .bind(0_i64)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(ended == 1)
        })
    }

    /// Keeps a result, and says whether it is that of every other run over the same content.
    async fn agrees(
        &self,
        id: &str,
        outcome: &Outcome,
        judged: &Judged,
    ) -> Result<bool, StoreError> {
        let insert = self.sql(
            "INSERT INTO results (key, verdict, report, folder, used) SELECT key, $2, $3, $4, {now} FROM jobs WHERE id = $1 \
             ON CONFLICT (key) DO NOTHING",
        );
        let find = "SELECT verdict, report, folder, disagreed FROM results WHERE key = (SELECT key FROM jobs WHERE id = $1)";
        let disagree =
            "UPDATE results SET disagreed = 1 WHERE key = (SELECT key FROM jobs WHERE id = $1)";
        let begin = self.begin();
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query(&insert)
                .bind(id)
                .bind(outcome.verdict.to_string())
                .bind(&judged.report)
                .bind(&judged.folder)
                .execute(&mut *transaction)
                .await?;
            let row: Option<ResultRow> =
                sqlx::query_as(find).bind(id).fetch_optional(&mut *transaction).await?;
            let agrees = row.is_some_and(|row| {
                row.disagreed == 0 && row.verdict == outcome.verdict && row.report == judged.report
            });
            if !agrees {
                sqlx::query(disagree).bind(id).execute(&mut *transaction).await?;
                sqlx::query(DISAGREED).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(agrees)
        })
    }

    /// How many jobs wait and run.
    ///
    /// # Errors
    /// The database fails.
    pub async fn depth(&self) -> Result<Depth, StoreError> {
        let rows: Vec<(String, i64)> = on!(self, pool => sqlx::query_as(
            "SELECT state, COUNT(*) FROM jobs WHERE state <> 'done' GROUP BY state",
        )
        .fetch_all(pool)
        .await?);
        let count = |state: State| {
            let word = state.to_string();
            rows.iter()
                .find(|(name, _)| *name == word)
                .map_or(0, |(_, count)| *count)
        };
        Ok(Depth {
            queued: count(State::Queued),
            running: count(State::Running),
        })
    }
}
