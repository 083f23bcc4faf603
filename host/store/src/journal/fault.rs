//! What an error of the database means for the log.

use host_bus::JournalError;

use crate::StoreError;

/// <https://sqlite.org/rescode.html>, the primary codes.
const SQLITE_BUSY: u32 = 5;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
/// No room for the index of the log: nothing was written yet.
const SQLITE_IOERR_SHMSIZE: u32 = 4_874;

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No room, or a program outside holds the database. Nothing was changed.
    NoRoom,
    /// A page does not hold what was written.
    Damage,
    /// Anything else: nobody knows what was written.
    Unknown,
}

impl Fault {
    pub(super) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Database(sqlx::Error::Database(error)) => {
                Self::of_code(error.code().as_deref().unwrap_or_default())
            }
            _ => Self::Unknown,
        }
    }

    fn of_code(extended: &str) -> Self {
        let Ok(code) = extended.parse::<u32>() else { return Self::Unknown };
        match (code, code & 0xff) {
            (SQLITE_IOERR_SHMSIZE, _) | (_, SQLITE_FULL | SQLITE_BUSY) => Self::NoRoom,
            (_, SQLITE_CORRUPT) => Self::Damage,
            _ => Self::Unknown,
        }
    }
}

/// What the caller is told.
pub(super) fn told(act: &'static str, error: StoreError) -> JournalError {
    match Fault::of(&error) {
        Fault::NoRoom => JournalError::Full,
        Fault::Damage | Fault::Unknown => JournalError::Broken { act, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, fault: Fault) {
        assert_eq!(Fault::of_code(code), fault, "{code}");
    }

    #[test]
    fn only_what_changed_nothing_may_be_tried_again() {
        check("13", Fault::NoRoom);
        check("5", Fault::NoRoom);
        check("517", Fault::NoRoom);
        check("4874", Fault::NoRoom);
        // A failed write and a failed sync.
        check("778", Fault::Unknown);
        check("1034", Fault::Unknown);
        check("267", Fault::Damage);
        check("11", Fault::Damage);
        check("", Fault::Unknown);
    }
}
