//! Who wants to be told of the end of a job, and whether they were.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Store, StoreError, from_row, on};

/// One address that is told of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    /// `webhook-id`: the same in each attempt
    pub id: String,
    /// Where to
    pub url: String,
    /// `waiting`, `delivered` or `failed`
    pub state: String,
    /// How often it was sent
    pub attempt: i64,
    /// When it is sent next, in milliseconds since 1970
    pub due: i64,
    /// What came back last: a status, or why there was none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

from_row!(Delivery { id, url, state, attempt, due, answer } words {});

/// An address that jobs named, and how the last of them went.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where to.
    pub url: String,
    /// The job.
    pub job: String,
    /// Its number.
    pub number: i64,
    /// `waiting`, `delivered` or `failed`.
    pub state: String,
    /// What came back last.
    pub answer: Option<String>,
}

from_row!(Told { url, job, number, state, answer } words {});

/// A delivery to be sent now.
#[derive(Clone, Debug)]
pub struct Due {
    /// `webhook-id`.
    pub id: String,
    /// The job that ended.
    pub job: String,
    /// Where to.
    pub url: String,
    /// Which attempt.
    pub attempt: i64,
}

from_row!(Due { id, job, url, attempt } words {});

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver has it.
    Delivered,
    /// It is sent again after so many milliseconds.
    Again(i64),
    /// It is not sent again.
    GivenUp,
}

impl fmt::Display for Sent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => out.write_str("delivered"),
            Self::Again(pause) => write!(out, "again in {} seconds", pause.div_euclid(1000)),
            Self::GivenUp => out.write_str("given up"),
        }
    }
}

/// Remembers an address in the transaction that takes the job.
pub(super) const TELL: &str =
    "INSERT INTO deliveries (id, job, url, due) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING";

impl Store {
    /// Gives the oldest delivery that is due, of a job that is done; nobody else gets it for `lease` milliseconds.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim_delivery(&self, lease: i64) -> Result<Option<Due>, StoreError> {
        let take = self.sql(
            "UPDATE deliveries SET attempt = attempt + 1, due = {now} + $1 WHERE seq = (SELECT seq FROM deliveries \
             WHERE state = 'waiting' AND due <= {now} AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job AND jobs.state = 'done') \
             ORDER BY due LIMIT 1 {locked}) RETURNING id, job, url, attempt",
        );
        Ok(on!(self, pool => sqlx::query_as(&take).bind(lease).fetch_optional(pool).await?))
    }

    /// Writes down how an attempt went; one that took longer than its lease says nothing any more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sent(&self, due: &Due, sent: Sent, answer: &str) -> Result<(), StoreError> {
        let (state, again) = match sent {
            Sent::Delivered => ("delivered", 0),
            Sent::Again(milliseconds) => ("waiting", milliseconds),
            Sent::GivenUp => ("failed", 0),
        };
        let update = self.sql(
            "UPDATE deliveries SET state = $3, answer = $4, due = {now} + $5 WHERE id = $1 AND attempt = $2",
        );
        on!(self, pool => {
            sqlx::query(&update)
                .bind(&due.id)
                .bind(due.attempt)
                .bind(state)
                .bind(answer)
                .bind(again)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// The addresses that jobs named, of all owners or of one, the one that was named last first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn told(&self, owner: Option<&str>) -> Result<Vec<Told>, StoreError> {
        let find = "SELECT url, job, jobs.seq AS number, deliveries.state AS state, answer FROM deliveries \
                    JOIN jobs ON jobs.id = job WHERE deliveries.seq IN \
                    (SELECT MAX(d.seq) FROM deliveries d JOIN jobs j ON j.id = d.job \
                    WHERE $1 IS NULL OR j.owner = $1 GROUP BY d.url) ORDER BY deliveries.seq DESC LIMIT 100";
        Ok(on!(self, pool => sqlx::query_as(find).bind(owner).fetch_all(pool).await?))
    }

    /// Who is told of a job, and how that went.
    ///
    /// # Errors
    /// The database fails.
    pub async fn deliveries(&self, job: &str) -> Result<Vec<Delivery>, StoreError> {
        let find = "SELECT id, url, state, attempt, due, answer FROM deliveries WHERE job = $1 ORDER BY seq";
        Ok(on!(self, pool => sqlx::query_as(find).bind(job).fetch_all(pool).await?))
    }
}
