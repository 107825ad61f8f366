//! Which uploads there are, and how much each token has uploaded.

use super::{Store, StoreError, on};

impl Store {
    /// Takes so many bytes off what an owner may upload in 24 hours; false where not enough is left.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reserve_upload(
        &self,
        owner: &str,
        size: i64,
        limit: Option<i64>,
    ) -> Result<bool, StoreError> {
        let insert = self.sql(
            "INSERT INTO uploads (owner, size, at) SELECT $1, $2, {now} WHERE $3 - $2 >= \
             COALESCE((SELECT CAST(SUM(size) AS BIGINT) FROM uploads WHERE owner = $1 AND at > {now} - 86400000), 0)",
        );
        let forget = self.sql("DELETE FROM uploads WHERE at <= {now} - 86400000");
        let begin = self.begin();
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query(&forget).execute(&mut *transaction).await?;
            let done = sqlx::query(&insert)
                .bind(owner)
                .bind(size)
                .bind(limit.unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Remembers an upload, or that it is used.
    ///
    /// # Errors
    /// The database fails.
    pub async fn use_blob(&self, digest: &str, size: i64) -> Result<(), StoreError> {
        let insert = self.sql(
            "INSERT INTO blobs (digest, size, used) VALUES ($1, $2, {now}) ON CONFLICT (digest) DO UPDATE SET used = excluded.used",
        );
        on!(self, pool => {
            sqlx::query(&insert).bind(digest).bind(size).execute(pool).await?;
        });
        Ok(())
    }

    /// The uploads that no job used for so many milliseconds, and forgets them; none while a job waits or runs that may need one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_blobs(&self, keep: i64) -> Result<Vec<String>, StoreError> {
        let delete = self.sql(
            "DELETE FROM blobs WHERE used < {now} - $1 AND NOT EXISTS \
             (SELECT 1 FROM jobs WHERE state <> 'done' AND spec LIKE '%' || blobs.digest || '%') RETURNING digest",
        );
        let rows: Vec<(String,)> =
            on!(self, pool => sqlx::query_as(&delete).bind(keep).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(digest,)| digest).collect())
    }
}
