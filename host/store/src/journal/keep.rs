//! Keeping messages: an id, a frame, and a place in each queue.

use host_bus::{Change, Changed, Keep, LetterId, Position};
use host_model::{Queue, TenantId, Timestamp};
use sqlx::{Row as _, SqliteConnection};

use crate::StoreError;
use crate::journal::batch::{Rows, parts};
use crate::journal::bytes::{len, millis, place};
use crate::journal::{letters, read};

const REMEMBER: Rows = Rows {
    head: "INSERT INTO remembered (tenant, message, position, until_ms) VALUES",
    row: "(?,?,?,?)",
    tail: "ON CONFLICT (tenant, message) DO NOTHING",
};
const MESSAGES: Rows = Rows {
    head: "INSERT INTO messages (position, tenant, message, sender, address, frame, kept_ms, waits) VALUES",
    row: "(?,?,?,?,?,?,?,?)",
    tail: "",
};
const DELIVERIES: Rows = Rows {
    head: "INSERT INTO deliveries (tenant, queue, position, failures, due_ms, len) VALUES",
    row: "(?,?,?,0,0,?)",
    tail: "",
};

/// Makes those of the changes that keep a message, in their order.
pub(super) async fn make(
    connection: &mut SqliteConnection,
    changes: &[Change],
    made: &mut [Changed],
) -> Result<(), StoreError> {
    if !changes.iter().any(|change| matches!(change, Change::Keep(_) | Change::Replay { .. })) {
        return Ok(());
    }
    let last = read::last(&mut *connection).await?;
    let mut end = End { connection, last };
    let mut run = Vec::new();
    for (change, made) in changes.iter().zip(made) {
        match change {
            Change::Keep(keep) => run.push((keep, made)),
            Change::Replay { letter, at, keep } => {
                end.keep(std::mem::take(&mut run)).await?;
                *made = end.replay(*letter, *at, keep).await?;
            }
            Change::Done(_) | Change::Failed { .. } | Change::Bury { .. } | Change::Quarantine { .. } => {}
        }
    }
    end.keep(run).await
}

/// The end of the log, where messages are kept.
struct End<'c> {
    connection: &'c mut SqliteConnection,
    last: Position,
}

/// A message with the place it will have, unless its id is known.
struct Placed<'k> {
    keep: &'k Keep,
    queues: Vec<&'k Queue>,
    position: Position,
}

impl End<'_> {
    async fn keep(&mut self, run: Vec<(&Keep, &mut Changed)>) -> Result<(), StoreError> {
        let mut placed: Vec<_> = run.iter().map(|(keep, _)| self.place(keep)).collect();
        let remembered = self.remember(&placed).await?;
        for ((_, made), (placed, at)) in run.into_iter().zip(placed.iter().zip(&remembered)) {
            *made = if *at == placed.position { Changed::Kept(*at) } else { Changed::Known(*at) };
        }
        let mut at = remembered.iter();
        placed.retain(|placed| at.next() == Some(&placed.position));
        self.write(&placed).await
    }

    async fn replay(&mut self, letter: LetterId, at: Timestamp, keep: &Keep) -> Result<Changed, StoreError> {
        match letters::replayed(&mut *self.connection, keep.sealed.tenant(), letter).await? {
            None => Ok(Changed::Made),
            Some(Some(position)) => Ok(Changed::Known(position)),
            Some(None) => {
                let mut made = Changed::Made;
                self.keep(vec![(keep, &mut made)]).await?;
                if let Changed::Kept(position) = made {
                    letters::mark(&mut *self.connection, letter, at, keep.message, position).await?;
                }
                Ok(made)
            }
        }
    }

    fn place<'k>(&mut self, keep: &'k Keep) -> Placed<'k> {
        self.last = Position(self.last.0 + 1);
        let mut queues: Vec<_> = keep.queues.iter().collect();
        queues.sort();
        queues.dedup();
        Placed { keep, queues, position: self.last }
    }

    /// Where each is remembered: at its own position, or where a message of its id was kept before.
    async fn remember(&mut self, all: &[Placed<'_>]) -> Result<Vec<Position>, StoreError> {
        let mut remembered = Vec::with_capacity(all.len());
        for part in parts(all) {
            let mut query = REMEMBER.query(part.len());
            for Placed { keep, position, .. } in part {
                query = query.bind(keep.sealed.tenant().as_str()).bind(&keep.message.as_bytes()[..]);
                query = query.bind(place(*position)).bind(millis(keep.remember_until));
            }
            let inserted = query.execute(&mut *self.connection).await?.rows_affected();
            if inserted == part.len() as u64 {
                remembered.extend(part.iter().map(|placed| placed.position));
                continue;
            }
            for placed in part {
                remembered.push(self.position_of(placed.keep).await?);
            }
        }
        Ok(remembered)
    }

    async fn position_of(&mut self, keep: &Keep) -> Result<Position, StoreError> {
        let sql = "SELECT position FROM remembered WHERE tenant = ? AND message = ?";
        let query = sqlx::query(sql).bind(keep.sealed.tenant().as_str()).bind(&keep.message.as_bytes()[..]);
        let position: i64 = query.fetch_one(&mut *self.connection).await?.try_get(0)?;
        Ok(Position(position.cast_unsigned()))
    }

    async fn write(&mut self, new: &[Placed<'_>]) -> Result<(), StoreError> {
        // What nobody waits for is remembered and not kept: no queue would ever let it go.
        let waiting: Vec<_> = new.iter().filter(|placed| !placed.queues.is_empty()).collect();
        for part in parts(&waiting) {
            let query = part.iter().fold(MESSAGES.query(part.len()), |query, placed| {
                let Placed { keep, queues, position } = placed;
                let sealed = &keep.sealed;
                let query =
                    query.bind(place(*position)).bind(sealed.tenant().as_str()).bind(&keep.message.as_bytes()[..]);
                let query = query.bind(keep.sender.as_str()).bind(sealed.address()).bind(&sealed.bytes()[..]);
                query.bind(millis(keep.kept)).bind(len(queues.len()))
            });
            query.execute(&mut *self.connection).await?;
        }
        self.write_deliveries(&waiting).await
    }

    async fn write_deliveries(&mut self, new: &[&Placed<'_>]) -> Result<(), StoreError> {
        let places: Vec<(&TenantId, &Queue, &Placed<'_>)> = new
            .iter()
            .flat_map(|placed| placed.queues.iter().map(|queue| (placed.keep.sealed.tenant(), *queue, *placed)))
            .collect();
        for part in parts(&places) {
            let query = part.iter().fold(DELIVERIES.query(part.len()), |query, (tenant, queue, placed)| {
                let query = query.bind(tenant.as_str()).bind(queue.as_str()).bind(place(placed.position));
                query.bind(len(placed.keep.sealed.bytes().len()))
            });
            query.execute(&mut *self.connection).await?;
        }
        Ok(())
    }
}
