//! Rows of an SQLite file, whatever its schema: the oracle must not know what the host keeps where.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

/// Between two values of a row: no byte of an id.
const BETWEEN: u8 = b'\n';

/// Every row of every table, with the table's name; the values of a row joined by line ends. A running host may hold the file.
pub(crate) async fn rows(file: &Path) -> Result<Vec<(String, Vec<u8>)>, sqlx::Error> {
    let mut database = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await?;
    let mut rows = Vec::new();
    for table in tables {
        let found = rows_of(&mut database, &table).await?;
        rows.extend(found.iter().map(|row| (table.clone(), joined(row))));
    }
    database.close().await?;
    Ok(rows)
}

async fn rows_of(database: &mut SqliteConnection, table: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
    // The name comes from the schema itself.
    let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
    sqlx::query(AssertSqlSafe(sql)).fetch_all(database).await
}

/// SQLite gives any value as bytes, a number as its digits.
fn joined(row: &SqliteRow) -> Vec<u8> {
    let values: Vec<Vec<u8>> = (0..row.len()).map(|column| row.get_unchecked(column)).collect();
    values.join(&BETWEEN)
}
