//! What is kept of a submission besides the job: an `Idempotency-Key`, which names one body and one job, and a webhook.

use super::queue::Submitted;
use super::{Store, StoreError, on};

/// What a client calls its submission, and the digest of the body that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The `Idempotency-Key`.
    pub key: String,
    /// The digest of the body.
    pub body: String,
}

/// What is kept of a submission besides the job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Besides {
    /// What the client calls it.
    pub named: Option<Named>,
    /// Who is told of its end.
    pub webhook: Option<String>,
}

/// Names a job in the transaction that takes it; changes no row where another submission has the name.
pub(super) const NAME: &str = "INSERT INTO submissions (owner, key, body, job) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

impl Store {
    /// What became of the submission of this name; none where there was none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn submission(
        &self,
        owner: &str,
        named: &Named,
    ) -> Result<Option<Submitted>, StoreError> {
        let find = "SELECT body, job FROM submissions WHERE owner = $1 AND key = $2";
        let row: Option<(String, String)> = on!(self, pool => sqlx::query_as(find)
            .bind(owner)
            .bind(&named.key)
            .fetch_optional(pool)
            .await?);
        Ok(row.map(|(body, job)| {
            if body == named.body {
                Submitted::Existing(job)
            } else {
                Submitted::NameTaken
            }
        }))
    }
}
