//! Statements with many rows in them: each statement costs a way to the database's thread and back.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite};

/// How many rows a statement may have, the most first: few sizes, so that each is prepared once.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement as a list of rows completes it.
pub(super) struct Rows {
    /// What stands before the rows.
    pub(super) head: &'static str,
    /// One row, with its parameters.
    pub(super) row: &'static str,
    /// What stands behind the rows.
    pub(super) tail: &'static str,
}

impl Rows {
    /// The statement for so many rows.
    pub(super) fn query(&self, len: usize) -> Query<'static, Sqlite, SqliteArguments> {
        let rows = vec![self.row; len].join(",");
        sqlx::query(AssertSqlSafe(format!("{} {rows} {}", self.head, self.tail)))
    }
}

/// The rows in their order, in as few parts as there are sizes for.
pub(super) fn parts<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (part, behind) = rest.split_at(size);
        rest = behind;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_and_the_order_stays() {
        for len in [0, 1, 3, 4, 63, 64, 65, 256, 1_000] {
            let rows: Vec<usize> = (0..len).collect();
            assert_eq!(parts(&rows).flatten().copied().collect::<Vec<_>>(), rows);
            assert!(parts(&rows).all(|part| SIZES.contains(&part.len())), "{len}");
        }
        assert_eq!(parts(&[0; 256]).count(), 4);
    }
}
