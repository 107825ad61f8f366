//! The queue: leases on rows, fenced by the number of the attempt.

use serde::Serialize;
use utoipa::ToSchema;

use super::deliveries::TELL;
use super::end::Condition;
use super::submissions::{Besides, NAME};
use super::{Store, StoreError, from_row, on};
use crate::job::{Outcome, Reason, Spec, State, Verdict, random};

/// What a queue of jobs does. A job that was accepted ends in exactly one verdict, whatever dies in between.
pub trait JobQueue {
    /// Takes a job, or says which one answers it already; one that is named is taken once.
    fn submit(
        &self,
        spec: &Spec,
        owner: &str,
        limits: Limits,
        besides: &Besides,
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

/// How long a worker may be silent, how often a job may be begun, and what it may write.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Milliseconds.
    pub lease: i64,
    /// A job that was begun so often and never ended is undecided.
    pub tries: i64,
    /// Bytes that jobs may write, all that run together.
    pub room: f64,
}

/// What running jobs may write.
const RESERVED: &str = "COALESCE(SUM({writes}), 0.0) FROM jobs AS other WHERE state = 'running' AND lease_until > {now}";

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It waits, or was answered by the result of an equal job.
    New(String),
    /// The same owner has the same job, which is not done, or submitted this one under the same name.
    Existing(String),
    /// The owner submitted another job under this name.
    NameTaken,
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
    /// The worker is being stopped, or another one took the room; the try does not count.
    NotNow,
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

impl JobQueue for Store {
    async fn submit(
        &self,
        spec: &Spec,
        owner: &str,
        limits: Limits,
        besides: &Besides,
    ) -> Result<Submitted, StoreError> {
        let (id, key, op) = (random::<12>()?, spec.key(), spec.op.to_string());
        let event = random::<12>()?;
        let size = i64::try_from(spec.size()).unwrap_or(i64::MAX);
        let spec = serde_json::to_string(spec)?;
        let equal = "SELECT id FROM jobs WHERE key = $1 AND owner = $2 AND state <> 'done' AND cancelled = 0 ORDER BY seq LIMIT 1";
        let counts = "SELECT (SELECT COUNT(*) FROM jobs WHERE state = 'queued'), (SELECT COUNT(*) FROM jobs WHERE owner = $1 AND state IN ('queued', 'running'))";
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
            let job = existing.as_ref().map_or(&id, |(id,)| id);
            if let Some(named) = &besides.named {
                let done = sqlx::query(NAME)
                    .bind(owner)
                    .bind(&named.key)
                    .bind(&named.body)
                    .bind(job)
                    .execute(&mut *transaction)
                    .await?;
                if done.rows_affected() == 0 {
                    drop(transaction);
                    let earlier = self.submission(owner, named).await?;
                    return Ok(earlier.unwrap_or(Submitted::NameTaken));
                }
            }
            if let Some(url) = &besides.webhook {
                sqlx::query(TELL).bind(&event).bind(job).bind(url).execute(&mut *transaction).await?;
            }
            if let Some((id,)) = existing {
                transaction.commit().await?;
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
        // The row is chosen and taken in one statement: no two workers get it. A lease that ends later than any does is of a clock
        // that was set back since; workers may have unequal leases.
        // One that would write waits while the room is reserved by others; one that has all of it and finds it too small, ends.
        let take = self.sql(&format!(
            "UPDATE jobs SET state = 'running', attempt = attempt + 1, tries = tries + 1, worker = $1, \
             lease_until = {{now}} + $2, started = COALESCE(started, {{now}}) \
             WHERE seq = (SELECT seq FROM jobs WHERE state <> 'done' AND (state = 'queued' \
             OR lease_until <= {{now}} OR lease_until > {{now}} + 10 * $2) \
             AND ({{writes}} = 0 OR (SELECT {RESERVED}) = 0 OR {{writes}} + (SELECT {RESERVED}) <= $3) \
             ORDER BY seq LIMIT 1 {{locked}}) RETURNING id, attempt, tries, cancelled, spec",
        ));
        self.heard_of(worker).await?;
        loop {
            let row: Option<ClaimRow> = on!(self, pool => sqlx::query_as(&take)
                .bind(worker)
                .bind(terms.lease)
                .bind(terms.room)
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
        if let Some(judged) = &outcome.result {
            self.keep(judged).await?;
        }
        let outcome = match &outcome.result {
            None => outcome.clone(),
            // A worker that lost its lease, too, has its report compared.
            // Why it is undecided, a disk for example, need not be the same in the next run.
            Some(_) if outcome.verdict == Verdict::Undecided => outcome.clone(),
            Some(judged) if self.agrees(&lease.id, outcome, judged).await? => outcome.clone(),
            Some(_) => Outcome::undecided(Reason::ReportsDisagree),
        };
        let has_lease = Condition::Lease(lease.attempt);
        if !outcome.is_put && self.end(&lease.id, has_lease, &outcome).await? {
            return Ok(Ended::With(outcome.verdict));
        }
        // Who was told that it is cancelled is not given a verdict.
        let outcome = match outcome.is_put {
            true => outcome,
            false => Outcome::undecided(Reason::Cancelled),
        };
        let is_cancelled = Condition::Cancelled(lease.attempt);
        Ok(match self.end(&lease.id, is_cancelled, &outcome).await? {
            true => Ended::With(outcome.verdict),
            false => Ended::Lost,
        })
    }

    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<(), StoreError> {
        let put_back = "UPDATE jobs SET state = 'queued', lease_until = NULL, progress = NULL, tries = tries - $3 \
                        WHERE id = $1 AND attempt = $2 AND state = 'running'";
        let uncounted = i64::from(failure == Failure::NotNow);
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
        let cancelled = Outcome::undecided(Reason::Cancelled);
        self.end(id, Condition::Waits, &cancelled).await?;
        Ok(())
    }
}

/// How many jobs wait and run.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Depth {
    /// Jobs that wait.
    pub queued: i64,
    /// Jobs that run.
    pub running: i64,
}

impl Store {
    /// Bytes that running jobs may write: all of them, or those that were submitted before one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reserved(&self, before: Option<&str>) -> Result<f64, StoreError> {
        let find = self.sql(&format!(
            "SELECT {RESERVED} AND ($1 IS NULL OR seq < (SELECT seq FROM jobs WHERE id = $1))"
        ));
        let (bytes,): (f64,) =
            on!(self, pool => sqlx::query_as(&find).bind(before).fetch_one(pool).await?);
        Ok(bytes)
    }

    /// Bytes that a job may write.
    ///
    /// # Errors
    /// The database fails.
    pub async fn writes(&self, id: &str) -> Result<f64, StoreError> {
        let find = self.sql("SELECT {writes} FROM jobs WHERE id = $1");
        let (bytes,): (f64,) =
            on!(self, pool => sqlx::query_as(&find).bind(id).fetch_one(pool).await?);
        Ok(bytes)
    }

    /// How many jobs wait and run.
    ///
    /// # Errors
    /// The database fails.
    pub async fn depth(&self) -> Result<Depth, StoreError> {
        let rows: Vec<(String, i64)> = on!(self, pool => sqlx::query_as(
            "SELECT state, COUNT(*) FROM jobs WHERE state IN ('queued', 'running') GROUP BY state",
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
