//! Which folder belongs to a database: a name that both hold, so that a process with another folder does not take part.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use super::{Store, StoreError, on};
use crate::job::random;

/// The file that holds the name.
const FILE: &str = "mark";

impl Store {
    /// Holds the mark of a folder against that of the database; whichever has none gets one.
    ///
    /// # Errors
    /// The database fails, or is that of another folder.
    pub async fn belongs_to(&self, data: &Path) -> Result<(), StoreError> {
        let find = "SELECT value FROM marks WHERE name = 'data'";
        let known: Option<(String,)> =
            on!(self, pool => sqlx::query_as(find).fetch_optional(pool).await?);
        let here = read(data).map_err(StoreError::Mark)?;
        if let (Some((known,)), None) = (&known, &here) {
            return Err(StoreError::OtherFolder(data.join(FILE), known.clone()));
        }
        let here = match here {
            Some(here) => here,
            None => {
                write(data, &random::<12>()?).map_err(StoreError::Mark)?;
                // Another process may have been first.
                read(data).map_err(StoreError::Mark)?.unwrap_or_default()
            }
        };
        let keep =
            "INSERT INTO marks (name, value) VALUES ('data', $1) ON CONFLICT (name) DO NOTHING";
        let (known,): (String,) = on!(self, pool => {
            sqlx::query(keep).bind(&here).execute(pool).await?;
            sqlx::query_as(find).fetch_one(pool).await?
        });
        if known == here {
            Ok(())
        } else {
            Err(StoreError::OtherFolder(data.join(FILE), known))
        }
    }
}

fn read(data: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(data.join(FILE)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives the file its name once all of it is there.
fn write(data: &Path, mark: &str) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(data)?;
    writeln!(file, "{mark}")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(data.join(FILE)) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}
