//! Reads the columns of a row. A database file can be damaged or edited, so each value is parsed, and a bad one is named.

use std::str::FromStr;

use host_model::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::error::{Cause, StoreError};

/// The most characters of a key that are shown.
const KEY_SHOWN_MAX: usize = 128;

/// A table as errors speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// The columns of its key.
    pub(crate) key: &'static [&'static str],
}

/// A row of a table.
pub(crate) struct Fields<'r> {
    table: Table,
    row: &'r SqliteRow,
}

impl<'r> Fields<'r> {
    pub(crate) fn of(table: Table, row: &'r SqliteRow) -> Self {
        Self { table, row }
    }

    /// A text as it stands.
    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.row.try_get(column).map_err(|cause| self.corrupt(column, cause))
    }

    /// A value that may be NULL.
    pub(crate) fn optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: sqlx::Type<sqlx::Sqlite> + sqlx::Decode<'r, sqlx::Sqlite>,
    {
        self.row.try_get(column).map_err(|cause| self.corrupt(column, cause))
    }

    /// A text that must parse.
    pub(crate) fn parsed<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Into<Cause>>,
    {
        self.text(column)?.parse().map_err(|cause| self.corrupt(column, cause))
    }

    /// A number within the bounds of its type.
    pub(crate) fn number<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: TryFrom<i64, Error: Into<Cause>>,
    {
        let number: i64 = self.row.try_get(column).map_err(|cause| self.corrupt(column, cause))?;
        number.try_into().map_err(|cause| self.corrupt(column, cause))
    }

    /// A moment, in milliseconds since the Unix epoch.
    pub(crate) fn moment(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.number(column).map(Timestamp::from_millis)
    }

    /// Names the row and the column.
    pub(crate) fn corrupt(&self, column: &'static str, cause: impl Into<Cause>) -> StoreError {
        StoreError::CorruptRow { table: self.table.name, key: self.key(), column, source: cause.into() }
    }

    fn key(&self) -> String {
        let parts: Vec<_> = self.table.key.iter().map(|column| self.shown(column)).collect();
        parts.join("/")
    }

    /// Bytes, because what makes a row corrupt may be that its key is no text.
    fn shown(&self, column: &str) -> String {
        let bytes: &[u8] = self.row.try_get_unchecked(column).unwrap_or_default();
        String::from_utf8_lossy(bytes).chars().take(KEY_SHOWN_MAX).flat_map(char::escape_debug).collect()
    }
}

/// A moment as the database keeps it.
pub(crate) fn millis(column: &'static str, moment: Timestamp) -> Result<i64, StoreError> {
    let value = moment.as_millis();
    i64::try_from(value).map_err(|_| StoreError::TooLarge { column, value })
}
