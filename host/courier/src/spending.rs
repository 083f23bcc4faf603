//! What sending and logging cost a tenant: its rates, taken before anything is done, so that a refusal takes no number and no time.
//!
//! What is refused otherwise was charged all the same: who asks for what it may not do spends its own tenant's rates.

use host_calls::{LogLine, Refusal, RefusalNumbers};
use host_gate::Stamp;
use host_quota::{OverRate, RootSpent};

use crate::audit::refused;
use crate::{Courier, Party};

impl Courier {
    /// Takes one message from the tenant's second and day, and one from what its root may cause.
    pub(crate) fn spend(&self, party: &Party, stamp: &Stamp<'_>) -> Result<(), Refusal> {
        let (rates, now) = (&party.rates, stamp.now.as_millis());
        if let Some(cause) = stamp.cause {
            let max = self.parts().gate.limits().root_messages_max;
            rates.roots.count(&cause.root_id, max).map_err(of_root)?;
        }
        rates.messages_per_second.take(now, 1).map_err(|over| of_rate("messages-per-second", over))?;
        rates.messages_per_day.take(now, 1).map_err(|over| of_rate("messages-per-day", over))
    }

    /// Writes a line of an agent, if its tenant may log so much more in this second; it is counted as left out otherwise.
    pub(crate) fn log(&self, party: &Party, line: &LogLine) {
        let fields = line.fields.iter().map(|field| field.name.len() + field.value.len()).sum::<usize>();
        let (bytes, now) = (line.message.len() + fields, self.parts().clock.now());
        match party.rates.log_bytes_per_second.take(now.as_millis(), bytes as u64) {
            Ok(()) => self.parts().logs.write(&party.caller, line),
            Err(over) => {
                refused(&self.parts().ledger, &party.caller, "log.write", &of_rate("log-per-second", over));
                self.parts().logs.leave_out(&party.caller);
            }
        }
    }
}

/// When this window is over there is a new one.
fn of_rate(code: &str, over: OverRate) -> Refusal {
    let numbers = RefusalNumbers::of(code).past(over.max, over.used.saturating_add(over.asked));
    Refusal::OverQuota(numbers.retry_after_ms(over.retry_after_millis))
}

/// No time makes this one good: the chain of causes is at its end.
fn of_root(spent: RootSpent) -> Refusal {
    Refusal::OverQuota(RefusalNumbers::of("root-messages").past(spent.max, spent.max + 1))
}

#[cfg(test)]
mod tests;
