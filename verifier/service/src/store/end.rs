//! How a job gets its verdict: once, counted in the same transaction, and never against what another run found.

use super::{Store, StoreError, from_row, on};
use crate::job::{Judged, Outcome, Reason, Verdict};

/// An earlier result.
struct ResultRow {
    verdict: Verdict,
    report: String,
    folder: String,
    disagreed: i64,
}

from_row!(ResultRow { report, folder, disagreed } words { verdict });

/// Counts an ended job; never lowered, so that counters grow while old jobs are forgotten.
const COUNT: &str = "INSERT INTO tally (verdict, reason, jobs, bytes, milliseconds) VALUES ($1, $2, 1, $4, $3) \
    ON CONFLICT (verdict, reason) DO UPDATE SET jobs = tally.jobs + 1, bytes = tally.bytes + $4, \
    milliseconds = tally.milliseconds + $3";

/// Raises the alarm.
const DISAGREED: &str = "INSERT INTO tally (verdict, reason, jobs, bytes, milliseconds) VALUES ('alarm', 'reports-disagree', 1, 0, 0) \
    ON CONFLICT (verdict, reason) DO UPDATE SET jobs = tally.jobs + 1";

/// Which job may be ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition<'a> {
    /// The worker of this attempt still has it, and it was not cancelled.
    Lease(i64),
    /// The worker of this attempt still has it.
    Cancelled(i64),
    /// It is not done, was not cancelled, and the result with this key is still there.
    Result(&'a str),
    /// It was cancelled, and no worker has it.
    Waits,
}

impl Store {
    /// Ends a job and counts it; false, and nothing is done, where it may not be ended in this way.
    pub(super) async fn end(
        &self,
        id: &str,
        condition: Condition<'_>,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let (first, may_end, attempt) = match condition {
            Condition::Lease(attempt) => {
                (None, "state = 'running' AND cancelled = 0", Some(attempt))
            }
            Condition::Cancelled(attempt) => (None, "state = 'running'", Some(attempt)),
            Condition::Result(key) => {
                let used = "UPDATE results SET used = {now} WHERE key = $1";
                let open = "state <> 'done' AND cancelled = 0";
                (Some((self.sql(used), key)), open, None)
            }
            Condition::Waits => {
                let mark = "UPDATE jobs SET cancelled = 1 WHERE id = $1 AND state <> 'done'";
                (Some((mark.to_owned(), id)), "state = 'queued'", None)
            }
        };
        let end = self.sql(&format!(
            "UPDATE jobs SET state = 'done', verdict = $2, reason = $3, folder = $4, message = $5, progress = NULL, \
             lease_until = NULL, finished = {{now}} \
             WHERE id = $1 AND attempt = COALESCE($6, attempt) AND {may_end} RETURNING COALESCE(finished - started, 0), size"
        ));
        let folder = outcome.result.as_ref().map(|judged| judged.folder.as_str());
        let begin = self.begin();
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            if let Some((first, name)) = first
                && sqlx::query(&first).bind(name).execute(&mut *transaction).await?.rows_affected() == 0
            {
                return Ok(false);
            }
            let row: Option<(i64, i64)> = sqlx::query_as(&end)
                .bind(id)
                .bind(outcome.verdict.to_string())
                .bind(outcome.reason.to_string())
                .bind(folder)
                .bind(&outcome.message)
                .bind(attempt)
                .fetch_optional(&mut *transaction)
                .await?;
            if let Some(took) = row {
                // What no worker ran took no time and read no byte.
                let (milliseconds, bytes) = attempt.map_or((0, 0), |_| took);
                sqlx::query(COUNT)
                    .bind(outcome.verdict.to_string())
                    .bind(outcome.reason.to_string())
                    .bind(milliseconds)
                    .bind(bytes)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(row.is_some())
        })
    }

    /// Answers a job with the result of an equal one, if there is one.
    pub(super) async fn answer_from_result(&self, id: &str, key: &str) -> Result<bool, StoreError> {
        let find = "SELECT verdict, report, folder, disagreed FROM results WHERE key = $1";
        let row: Option<ResultRow> =
            on!(self, pool => sqlx::query_as(find).bind(key).fetch_optional(pool).await?);
        let Some(row) = row.filter(|row| row.disagreed == 0) else {
            return Ok(false);
        };
        let outcome = Outcome {
            verdict: row.verdict,
            reason: Reason::Judged,
            result: Some(Judged {
                report: row.report,
                folder: row.folder,
                conclusion: None,
            }),
            message: None,
            is_put: false,
        };
        self.end(id, Condition::Result(key), &outcome).await
    }

    /// Keeps what a report comes to. The folder is that of one attempt, so that it needs no lease.
    pub(super) async fn keep(&self, judged: &Judged) -> Result<(), StoreError> {
        let Some(conclusion) = &judged.conclusion else {
            return Ok(());
        };
        let insert = "INSERT INTO conclusions (folder, sentence, allowed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        on!(self, pool => {
            sqlx::query(insert)
                .bind(&judged.folder)
                .bind(&conclusion.sentence)
                .bind(conclusion.allowed)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Keeps a result, and says whether it is that of every other run over the same content.
    pub(super) async fn agrees(
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
}
