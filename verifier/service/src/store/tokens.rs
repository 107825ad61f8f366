//! Tokens: their secrets are stored as hashes only.

use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, from_row, on};
use crate::job::{hex, random};

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See jobs and reports of its own.
    Read,
    /// Upload, submit and cancel.
    Submit,
    /// See and cancel everything.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Submit, Self::Admin];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

/// What a token is made with.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Whose it is, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How many days it lasts; none: until it is revoked.
    pub days: Option<i64>,
    /// How many of its jobs may wait or run at once.
    pub jobs: Option<i64>,
    /// How many bytes it may upload in 24 hours.
    pub bytes: Option<i64>,
    /// How many requests it may make in a minute.
    pub rate: Option<i64>,
}

/// A token as it stands in the database.
#[derive(Clone, Debug)]
pub struct Token {
    /// The open part.
    pub id: String,
    /// Whose it is.
    pub name: String,
    hash: String,
    /// The words of its scopes, separated by spaces.
    pub scopes: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// Milliseconds since 1970.
    pub expires: Option<i64>,
    /// How many of its jobs may wait or run at once.
    pub jobs: Option<i64>,
    /// How many bytes it may upload in 24 hours.
    pub bytes: Option<i64>,
    /// How many requests it may make in a minute.
    pub rate: Option<i64>,
    is_expired: i64,
}

from_row!(Token { id, name, hash, scopes, created, expires, jobs, bytes, rate, is_expired } words {});

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such token, or its secret is another one.
    Unknown,
    /// It was valid.
    Expired,
}

impl Token {
    /// What an identity of the configuration may do, which the database does not know.
    pub(crate) fn of_identity(name: &str, scopes: &[String]) -> Self {
        Self {
            id: format!("identity:{name}"),
            name: name.to_owned(),
            hash: String::new(),
            scopes: scopes.join(" "),
            created: 0,
            expires: None,
            jobs: None,
            bytes: None,
            rate: None,
            is_expired: 0,
        }
    }

    /// Whether it may do this; an admin may do everything.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        let has = |scope: Scope| self.scopes.split(' ').any(|word| word == scope.word());
        has(scope) || has(Scope::Admin)
    }
}

const PREFIX: &str = "aprove";
const COLUMNS: &str = "id, name, hash, scopes, created, expires, jobs, bytes, rate, \
    CASE WHEN expires <= {now} THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS is_expired";
const DAY: i64 = 24 * 60 * 60 * 1000;

impl Store {
    /// Makes a token, and returns the whole of it, which is said once and stored nowhere.
    ///
    /// # Errors
    /// The database fails.
    pub async fn new_token(&self, new: &NewToken) -> Result<String, StoreError> {
        let (id, secret) = (random::<8>()?, random::<32>()?);
        let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.word()).collect();
        let insert = self.sql(
            "INSERT INTO tokens (id, name, hash, scopes, created, expires, jobs, bytes, rate) \
             VALUES ($1, $2, $3, $4, {now}, {now} + $5, $6, $7, $8)",
        );
        on!(self, pool => {
            sqlx::query(&insert)
                .bind(&id)
                .bind(&new.name)
                .bind(hash(&secret))
                .bind(scopes.join(" "))
                .bind(new.days.map(|days| days.saturating_mul(DAY)))
                .bind(new.jobs)
                .bind(new.bytes)
                .bind(new.rate)
                .execute(pool)
                .await?;
        });
        Ok(format!("{PREFIX}_{id}_{secret}"))
    }

    /// Finds the token that was presented.
    ///
    /// # Errors
    /// The database fails.
    pub async fn token(&self, presented: &str) -> Result<Result<Token, Refused>, StoreError> {
        let parts: Vec<&str> = presented.split('_').collect();
        let [PREFIX, id, secret] = parts.as_slice() else {
            return Ok(Err(Refused::Unknown));
        };
        let find = self.sql(&format!("SELECT {COLUMNS} FROM tokens WHERE id = $1"));
        let token: Option<Token> = on!(self, pool => sqlx::query_as(&find)
            .bind(*id)
            .fetch_optional(pool)
            .await?);
        Ok(match token {
            // What is compared are hashes: how long it takes says nothing about the secret.
            Some(token) if token.hash == hash(secret) && token.is_expired == 0 => Ok(token),
            Some(token) if token.hash == hash(secret) => Err(Refused::Expired),
            _ => Err(Refused::Unknown),
        })
    }

    /// All tokens, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let find = self.sql(&format!(
            "SELECT {COLUMNS} FROM tokens ORDER BY created, id"
        ));
        Ok(on!(self, pool => sqlx::query_as(&find).fetch_all(pool).await?))
    }

    /// Revokes a token by its open part; whether there was one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, StoreError> {
        let revoke = "DELETE FROM tokens WHERE id = $1";
        let revoked =
            on!(self, pool => sqlx::query(revoke).bind(id).execute(pool).await?.rows_affected());
        Ok(revoked > 0)
    }
}

fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}
