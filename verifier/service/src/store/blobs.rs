//! Which uploads there are, and how much each token has uploaded.

use std::io;

use super::{Store, StoreError, from_row, on};

/// An upload that comes in parts.
#[derive(Clone, Debug)]
pub struct Partial {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// Bytes of the whole.
    pub size: i64,
    /// The digest that it must have, `sha256:HEX`.
    pub expected: Option<String>,
    /// The digest of the whole, once it arrived.
    pub digest: Option<String>,
}

from_row!(Partial { id, owner, size, expected, digest } words {});

impl Store {
    /// Remembers an upload that comes in parts.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin_partial(&self, partial: &Partial) -> Result<(), StoreError> {
        let insert = self.sql(
            "INSERT INTO partial (id, owner, size, expected, at) VALUES ($1, $2, $3, $4, {now})",
        );
        on!(self, pool => {
            sqlx::query(&insert)
                .bind(&partial.id)
                .bind(&partial.owner)
                .bind(partial.size)
                .bind(&partial.expected)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// An upload that comes in parts.
    ///
    /// # Errors
    /// The database fails.
    pub async fn partial(&self, id: &str) -> Result<Option<Partial>, StoreError> {
        let find = "SELECT id, owner, size, expected, digest FROM partial WHERE id = $1";
        Ok(on!(self, pool => sqlx::query_as(find).bind(id).fetch_optional(pool).await?))
    }

    /// Remembers the digest of one that arrived as a whole, from now on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn end_partial(&self, partial: &Partial, digest: &str) -> Result<(), StoreError> {
        // Between the end of its file and this it looks as if it had never been finished, and may just be forgotten.
        let end = self.sql(
            "INSERT INTO partial (id, owner, size, expected, digest, at) VALUES ($1, $2, $3, $4, $5, {now}) \
             ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, at = excluded.at",
        );
        on!(self, pool => {
            sqlx::query(&end)
                .bind(&partial.id)
                .bind(&partial.owner)
                .bind(partial.size)
                .bind(&partial.expected)
                .bind(digest)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Those that were begun so many milliseconds ago and did not arrive as a whole.
    ///
    /// # Errors
    /// The database fails.
    pub async fn unfinished(&self, since: i64) -> Result<Vec<String>, StoreError> {
        let find = self.sql("SELECT id FROM partial WHERE digest IS NULL AND at < {now} - $1");
        let rows: Vec<(String,)> =
            on!(self, pool => sqlx::query_as(&find).bind(since).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Forgets one that was never finished.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_partial(&self, id: &str) -> Result<(), StoreError> {
        let delete = "DELETE FROM partial WHERE id = $1 AND digest IS NULL";
        on!(self, pool => {
            sqlx::query(delete).bind(id).execute(pool).await?;
        });
        Ok(())
    }

    /// Takes so many bytes off what an owner may upload in 24 hours; false where not enough is left.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reserve_upload(
        &self,
        owner: &str,
        size: i64,
        limit: i64,
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
                .bind(limit)
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

    /// Remembers who has uploaded a file.
    ///
    /// # Errors
    /// The database fails.
    pub async fn own_blob(&self, digest: &str, owner: &str) -> Result<(), StoreError> {
        let insert = "INSERT INTO uploaders (digest, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        on!(self, pool => {
            sqlx::query(insert).bind(digest).bind(owner).execute(pool).await?;
        });
        Ok(())
    }

    /// Whether an owner has uploaded a file.
    ///
    /// # Errors
    /// The database fails.
    pub async fn owns_blob(&self, digest: &str, owner: &str) -> Result<bool, StoreError> {
        let find = "SELECT COUNT(*) FROM uploaders WHERE digest = $1 AND owner = $2";
        let (count,): (i64,) = on!(self, pool => sqlx::query_as(find)
            .bind(digest)
            .bind(owner)
            .fetch_one(pool)
            .await?);
        Ok(count > 0)
    }

    /// Removes an upload that no job used for so many milliseconds, and forgets it; false where there is none. One that a job needs
    /// which waits or runs is used. Whoever uses it at the same time finds it gone, or keeps it.
    ///
    /// # Errors
    /// The database fails, or it cannot be removed.
    pub async fn forget_blob(
        &self,
        keep: i64,
        remove: impl Fn(&str) -> io::Result<()>,
    ) -> Result<bool, StoreError> {
        let delete = self.sql(
            "DELETE FROM blobs WHERE digest = (SELECT digest FROM blobs WHERE used < {now} - $1 AND NOT EXISTS \
             (SELECT 1 FROM jobs WHERE state <> 'done' AND spec LIKE '%' || blobs.digest || '%') LIMIT 1 {locked}) RETURNING digest",
        );
        let nobodys = "DELETE FROM uploaders WHERE digest = $1";
        let begin = self.begin();
        on!(self, pool => {
            let mut transaction = pool.begin_with(begin).await?;
            let row: Option<(String,)> =
                sqlx::query_as(&delete).bind(keep).fetch_optional(&mut *transaction).await?;
            if let Some((digest,)) = &row {
                sqlx::query(nobodys).bind(digest).execute(&mut *transaction).await?;
                // Before the end of the transaction, for which whoever uses it has to wait.
                remove(digest).map_err(sqlx::Error::from)?;
            }
            transaction.commit().await?;
            Ok(row.is_some())
        })
    }
}
