//! Why a run did not return: wasmtime's errors sorted into the causes that operators and dead letters know.

use host_model::{Outcome, TrapCause};
use host_quota::OverBudget;
use wasmtime::{Store, Trap};

use crate::bounded::DeadlinePassed;
use crate::state::AgentState;
use host_calls::inert;

/// The longest description, in bytes. Traps carry guest text (names from the binary, panic messages).
const DETAIL_LEN_MAX: usize = 512;

/// A run was cut off, or the guest refused to start or stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", cause.as_str())]
pub struct CutOff {
    /// Why.
    pub cause: TrapCause,
    /// More words, bounded and inert.
    pub detail: String,
}

impl CutOff {
    /// The guest's own `start` or `stop` said no.
    pub(crate) fn refused(reason: &str) -> Self {
        Self { cause: TrapCause::Trap, detail: format!("the agent refused: {}", inert(reason, DETAIL_LEN_MAX)) }
    }

    /// The tenant has as many instances alive as it may have: no fault of the guest's.
    pub(crate) fn without_place(over: &OverBudget) -> Self {
        Self { cause: TrapCause::Host, detail: format!("the tenant's instances: {over}") }
    }

    pub(crate) fn of(store: &Store<AgentState>, error: &wasmtime::Error) -> Self {
        Self { cause: cause(store, error), detail: describe(error) }
    }
}

impl From<CutOff> for Outcome {
    fn from(cut_off: CutOff) -> Self {
        Self::Trapped { cause: cut_off.cause, detail: cut_off.detail }
    }
}

/// The result of a bounded run, with its errors sorted.
pub(crate) fn judge<T>(
    store: &Store<AgentState>,
    result: Result<wasmtime::Result<T>, DeadlinePassed>,
) -> Result<T, CutOff> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CutOff::of(store, &error)),
        Err(passed) => Err(CutOff { cause: TrapCause::Timeout, detail: passed.to_string() }),
    }
}

fn cause(store: &Store<AgentState>, error: &wasmtime::Error) -> TrapCause {
    match error.downcast_ref::<Trap>() {
        _ if error.is::<DeadlinePassed>() => TrapCause::Timeout,
        Some(Trap::OutOfFuel) => TrapCause::Fuel,
        Some(Trap::Interrupt) => TrapCause::Timeout,
        // A guest whose allocator was refused memory aborts: the refusal is the cause.
        _ if store.data().memory.refused => TrapCause::Memory,
        None if error.is::<wasmtime::PoolConcurrencyLimitError>() => TrapCause::Host,
        _ => TrapCause::Trap,
    }
}

/// The innermost cause in words: what trapped, not where. Frames name functions, and names are guest text.
pub(crate) fn describe(error: &wasmtime::Error) -> String {
    let words = error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    inert(&words, DETAIL_LEN_MAX)
}

/// All causes in words, outermost first: for errors about a component, which must name the import.
pub(crate) fn chain(error: &wasmtime::Error) -> String {
    inert(&format!("{error:#}"), DETAIL_LEN_MAX)
}
