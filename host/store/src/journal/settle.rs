//! Settling messages: done, failed, given up, or set aside.

use std::collections::BTreeMap;
use std::mem;

use host_bus::{Change, Place};
use sqlx::{Row as _, SqliteConnection};

use crate::StoreError;
use crate::journal::batch::{Rows, parts};
use crate::journal::bytes::{millis, place};
use crate::journal::letters;

const LEAVE: Rows = Rows {
    head: "DELETE FROM deliveries WHERE (tenant, queue, position) IN (VALUES",
    row: "(?,?,?)",
    tail: ") RETURNING position",
};
const LET_GO: Rows = Rows { head: "DELETE FROM messages WHERE waits <= ? AND position IN (", row: "?", tail: ")" };
const WAIT_LESS: Rows = Rows { head: "UPDATE messages SET waits = waits - ? WHERE position IN (", row: "?", tail: ")" };

/// Makes those of the changes that settle a message, in their order.
pub(super) async fn make(connection: &mut SqliteConnection, changes: &[Change]) -> Result<(), StoreError> {
    let mut done = Vec::new();
    for change in changes {
        match change {
            Change::Done(place) => done.push(place),
            Change::Failed { place, failures, due } => {
                leave(connection, &mem::take(&mut done)).await?;
                let sql =
                    "UPDATE deliveries SET failures = ?, due_ms = ? WHERE tenant = ? AND queue = ? AND position = ?";
                let query = sqlx::query(sql).bind(i64::from(*failures)).bind(millis(*due));
                at(query, place).execute(&mut *connection).await?;
            }
            Change::Quarantine { place, code } => {
                leave(connection, &mem::take(&mut done)).await?;
                let sql = "UPDATE deliveries SET quarantined = ? WHERE tenant = ? AND queue = ? AND position = ?";
                at(sqlx::query(sql).bind(*code), place).execute(&mut *connection).await?;
            }
            Change::Bury { place, death } => {
                leave(connection, &mem::take(&mut done)).await?;
                letters::bury(connection, place, death).await?;
                leave(connection, &[place]).await?;
            }
            Change::Keep(_) | Change::Replay { .. } => {}
        }
    }
    leave(connection, &done).await
}

/// Takes messages out of queues, and lets those go that were in no other.
async fn leave(connection: &mut SqliteConnection, places: &[&Place]) -> Result<(), StoreError> {
    let mut left: BTreeMap<i64, i64> = BTreeMap::new();
    for part in parts(places) {
        let query = part.iter().fold(LEAVE.query(part.len()), |query, place| at(query, place));
        for row in query.fetch_all(&mut *connection).await? {
            *left.entry(row.try_get(0)?).or_default() += 1;
        }
    }
    // Most leave one queue each, so that they are one group.
    let mut by_count: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (position, count) in left {
        by_count.entry(count).or_default().push(position);
    }
    for (count, positions) in by_count {
        let_go(connection, &positions, count).await?;
    }
    Ok(())
}

async fn let_go(connection: &mut SqliteConnection, positions: &[i64], count: i64) -> Result<(), StoreError> {
    for part in parts(positions) {
        let query = part.iter().fold(LET_GO.query(part.len()).bind(count), |query, position| query.bind(*position));
        if query.execute(&mut *connection).await?.rows_affected() == part.len() as u64 {
            continue;
        }
        // Those that were let go are not there any more, so that this counts for the others alone.
        let query = part.iter().fold(WAIT_LESS.query(part.len()).bind(count), |query, position| query.bind(*position));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn at(query: Query, place_of: &Place) -> Query {
    query.bind(place_of.tenant.as_str()).bind(place_of.queue.as_str()).bind(place(place_of.position))
}
