//! The verbs about queues and dead letters.
//!
//! Letters are looked for in one tenant: another tenant's is not there, like one that never was. What one says is told only for a
//! reason that is recorded first.

use std::sync::Arc;
use std::time::Duration;

use host_bus::{Letter, LetterId, Letters, QueueView};
use host_calls::{Refusal, RefusalNumbers};
use host_courier::Party;
use host_fleet::FleetError;
use host_gate::Refused;
use host_ledger::Act;
use host_model::{DeathCause, Envelope, Queue, Receipt, TenantId, Timestamp};
use serde_json::json;
use tokio::time::Instant;

use crate::tenants::checked_reason;
use crate::{App, AppError};

/// Letters that are read at once.
const PAGE_LEN: usize = 64;
/// The most letters that one call sends again.
const REPLAYS_MAX: u64 = 1_000;
/// How fast it sends them: what comes now is not to wait behind what came once.
const REPLAY_EVERY: Duration = Duration::from_millis(2);
/// The longest one call takes over it, with room below the longest time an answer may take.
const REPLAY_TIME_MAX: Duration = Duration::from_secs(30);

/// Which letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Given up for this cause.
    pub cause: Option<DeathCause>,
    /// Waited in this queue.
    pub queue: Option<Queue>,
}

/// A letter, and its message if it can be verified.
#[derive(Debug)]
pub struct Opened {
    /// What is kept of it.
    pub letter: Letter,
    /// What it says, or why nobody can tell.
    pub message: Result<Arc<Envelope>, Refused>,
}

/// How sending letters again went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Sent again.
    pub replayed: u64,
    /// Refused, for a reason of their own.
    pub refused: u64,
    /// The code of the last refusal.
    pub refusal: Option<String>,
    /// Why it ended: `end`, `limit`, or the code of what held all of it up.
    pub stopped: String,
}

impl LetterFilter {
    fn takes(&self, letter: &Letter) -> bool {
        letter.replayed.is_none()
            && self.cause.is_none_or(|cause| cause == letter.death.cause)
            && self.queue.as_ref().is_none_or(|queue| *queue == letter.queue)
    }
}

impl App {
    /// A tenant's queues by name, and how many dead letters it has.
    pub async fn queues(&self, tenant: &TenantId) -> Result<(Vec<QueueView>, u64), AppError> {
        self.fleet().operator(tenant)?;
        let counts = self.journal().letter_counts().await?;
        let letters = counts.into_iter().find(|(of, _)| of == tenant).map_or(0, |(_, count)| count);
        let mut queues = self.fleet().parts().bus.queues(tenant);
        // Every tenant has them, whether somebody takes from them or not.
        for shared in [Queue::Agents, Queue::Orchestrator] {
            if let Err(place) = queues.binary_search_by(|view| view.queue.cmp(&shared)) {
                queues.insert(place, QueueView::empty(shared));
            }
        }
        Ok((queues, letters))
    }

    /// A tenant's dead letters behind a number, oldest first.
    pub async fn letters(&self, tenant: &TenantId, after: LetterId, len_max: usize) -> Result<Vec<Letter>, AppError> {
        self.fleet().operator(tenant)?;
        Ok(self.journal().letters(tenant, after, len_max).await?)
    }

    /// One dead letter. Whoever shows it keeps what it says to themselves.
    pub async fn letter(&self, tenant: &TenantId, id: LetterId) -> Result<Opened, AppError> {
        self.fleet().operator(tenant)?;
        let letter = self.journal().letter(tenant, id).await?.ok_or(AppError::NotFound)?;
        let message = self.courier().open_letter(&letter);
        Ok(Opened { letter, message })
    }

    /// One dead letter, to be shown with what it says, for a reason that is in the audit before it is.
    pub async fn read_letter(&self, tenant: &TenantId, id: LetterId, reason: String) -> Result<Opened, AppError> {
        let reason = checked_reason(Some(reason))?;
        let act = Act::operator("dlq.read").tenant(tenant).on(&id.0).detail(json!({ "reason": reason }));
        let (app, tenant) = (self.clone(), tenant.clone());
        self.controlled(act, move |_| async move { app.letter(&tenant, id).await }).await
    }

    /// Sends one dead letter again, as its sender, with what that sender may do now. Doing it twice sends it once.
    pub async fn replay_letter(
        &self,
        tenant: &TenantId,
        id: LetterId,
        reason: Option<String>,
    ) -> Result<Receipt, AppError> {
        let reason = checked_reason(reason)?;
        let act = Act::operator("dlq.replay").tenant(tenant).on(&id.0).detail(json!({ "reason": reason }));
        let (app, tenant) = (self.clone(), tenant.clone());
        let replay = move |_| async move {
            app.fleet().operator(&tenant)?;
            let letter = app.journal().letter(&tenant, id).await?.ok_or(AppError::NotFound)?;
            app.replay_one(&letter).await
        };
        self.controlled(act, replay).await
    }

    /// Sends dead letters again that were not before, oldest first and not too fast, and says how far it came.
    pub async fn replay_letters(
        &self,
        tenant: &TenantId,
        filter: LetterFilter,
        reason: Option<String>,
    ) -> Result<ReplayReport, AppError> {
        let reason = checked_reason(reason)?;
        let (cause, queue) = (filter.cause.map(DeathCause::as_str), filter.queue.as_ref().map(Queue::as_str));
        let detail = json!({ "reason": reason, "cause": cause, "queue": queue });
        let act = Act::operator("dlq.replay").tenant(tenant).on(&"all").detail(detail);
        let (app, tenant) = (self.clone(), tenant.clone());
        self.controlled(act, move |_| async move { app.replay_all(&tenant, &filter).await }).await
    }

    /// Deletes one dead letter.
    pub async fn delete_letter(&self, tenant: &TenantId, id: LetterId) -> Result<(), AppError> {
        match self.purge(tenant, Letters::One(id), None).await? {
            0 => Err(AppError::NotFound),
            _ => Ok(()),
        }
    }

    /// Deletes the dead letters that were given up until a moment, or all there are now; and says how many.
    pub async fn purge_letters(
        &self,
        tenant: &TenantId,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<u64, AppError> {
        let until = until.unwrap_or_else(|| self.fleet().parts().clock.now());
        self.purge(tenant, Letters::Until(until), reason).await
    }

    async fn purge(&self, tenant: &TenantId, which: Letters, reason: Option<String>) -> Result<u64, AppError> {
        let reason = checked_reason(reason)?;
        let target = match which {
            Letters::One(id) => id.0.to_string(),
            Letters::Until(until) => format!("until {until}"),
        };
        let act = Act::operator("dlq.purge").tenant(tenant).on(&target).detail(json!({ "reason": reason }));
        let (app, tenant) = (self.clone(), tenant.clone());
        let purge = move |_| async move {
            app.fleet().operator(&tenant)?;
            let purged = app.journal().purge(&tenant, which).await?;
            app.fleet().parts().bus.letters_gone(&tenant, purged);
            Ok::<_, AppError>(purged)
        };
        self.controlled(act, purge).await
    }

    async fn replay_one(&self, letter: &Letter) -> Result<Receipt, AppError> {
        let sender = self.sender_of(letter)?;
        Ok(self.courier().replay(&sender, letter).await?)
    }

    fn sender_of(&self, letter: &Letter) -> Result<Arc<Party>, AppError> {
        match self.fleet().sender(&letter.tenant, &letter.sender) {
            // The letter is there, and stays: nobody may send it any more.
            Err(FleetError::NoAgent(_)) => Err(Refusal::NotGranted(RefusalNumbers::of("sender-gone")).into()),
            sender => Ok(sender?),
        }
    }

    async fn replay_all(&self, tenant: &TenantId, filter: &LetterFilter) -> Result<ReplayReport, AppError> {
        self.fleet().operator(tenant)?;
        // What dies while it runs is not sent a second time.
        let before = self.fleet().parts().clock.now();
        let (mut report, mut after) = (ReplayReport::default(), LetterId(0));
        let until = Instant::now() + REPLAY_TIME_MAX;
        loop {
            let page = self.journal().letters(tenant, after, PAGE_LEN).await?;
            let Some(last) = page.last() else { return Ok(report.stopped("end")) };
            after = last.id;
            let wanted = |letter: &&Letter| letter.death.at <= before && filter.takes(letter);
            for letter in page.iter().filter(wanted) {
                if report.replayed >= REPLAYS_MAX || Instant::now() >= until {
                    return Ok(report.stopped("limit"));
                }
                // Another call may have deleted it meanwhile.
                let Some(letter) = self.journal().letter(tenant, letter.id).await? else { continue };
                match self.replay_one(&letter).await {
                    Ok(_) => report.replayed += 1,
                    Err(error) if is_of_all(&error) => return Ok(report.stopped(error.code())),
                    Err(error) => report.refused_by(&error),
                }
                tokio::time::sleep(REPLAY_EVERY).await;
            }
        }
    }
}

impl ReplayReport {
    fn stopped(self, why: &str) -> Self {
        Self { stopped: why.to_owned(), ..self }
    }

    fn refused_by(&mut self, error: &AppError) {
        self.refused += 1;
        self.refusal = Some(error.code().to_owned());
    }
}

/// Whether the next letter would meet the same: the disk, the tenant's quota, the tenant itself. What is only this letter's is not.
fn is_of_all(error: &AppError) -> bool {
    match error {
        AppError::Refused(refusal) => {
            matches!(refusal, Refusal::OverQuota(_) | Refusal::Backpressure(_) | Refusal::Unavailable(_))
        }
        AppError::Fleet(error) => matches!(
            error,
            FleetError::NoTenant(_) | FleetError::Suspended { .. } | FleetError::TenantQuarantined { .. }
        ),
        AppError::Ledger(_) | AppError::Journal(_) | AppError::HostFailed => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use host_bus::Death;

    use super::*;

    fn letter(queue: &str, cause: DeathCause, replayed: bool) -> Letter {
        let at = Timestamp::from_millis(1);
        let message = "01980000-0000-7000-8000-000000000001".parse().unwrap();
        Letter {
            id: LetterId(1),
            tenant: "acme".parse().unwrap(),
            queue: queue.parse().unwrap(),
            message,
            sender: "sender".parse().unwrap(),
            address: format!("queues.{queue}"),
            frame: Arc::from([]),
            death: Death { cause, detail: String::new(), attempts: 1, at },
            kept: at,
            replayed: replayed.then_some((at, message)),
        }
    }

    #[test]
    fn letters_are_picked_by_cause_and_queue_and_never_twice() {
        let check = |cause: Option<DeathCause>, queue: Option<&str>, expected: [bool; 3]| {
            let filter = LetterFilter { cause, queue: queue.map(|queue| queue.parse().unwrap()) };
            let letters = [
                letter("echo", DeathCause::Trap, false),
                letter("agents", DeathCause::Expired, false),
                letter("echo", DeathCause::Trap, true),
            ];
            assert_eq!(letters.map(|letter| filter.takes(&letter)), expected, "{filter:?}");
        };
        check(None, None, [true, true, false]);
        check(Some(DeathCause::Trap), None, [true, false, false]);
        check(None, Some("agents"), [false, true, false]);
        check(Some(DeathCause::Trap), Some("agents"), [false, false, false]);
    }

    #[test]
    fn what_the_next_letter_would_meet_too_ends_it_and_what_is_this_ones_own_does_not() {
        let check = |error: AppError, ends| assert_eq!(is_of_all(&error), ends, "{error}");
        let numbers = || RefusalNumbers::of("x");
        check(Refusal::Unavailable(numbers()).into(), true);
        check(Refusal::OverQuota(numbers()).into(), true);
        check(Refusal::Backpressure(numbers()).into(), true);
        check(Refusal::NotGranted(numbers()).into(), false);
        check(Refusal::NotFound.into(), false);
        check(FleetError::NoAgent("echo".parse().unwrap()).into(), false);
        let suspended = FleetError::Suspended { tenant: "acme".parse().unwrap(), reason: "late".to_owned() };
        check(suspended.into(), true);
    }
}
