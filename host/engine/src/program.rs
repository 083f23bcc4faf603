//! A component linked for one set of grants, and the two ways to run it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use host_calls::{Price, ROUTED_BASE};
use host_component::Capability;
use host_model::{Envelope, Outcome};
use wasmtime::component::{Component, InstancePre};
use wasmtime::{AsContextMut as _, Store, StoreContextMut, UpdateDeadline};

use crate::bindings::v0_1::{self, Texts, inbox, lifecycle};
use crate::bounded::{DeadlinePassed, bounded};
use crate::cutoff::{self, CutOff};
use crate::state::{AgentState, Birth, Run};
use crate::{Engine, EngineError};

/// A run's number, for the ids of its calls.
static RUNS: AtomicU64 = AtomicU64::new(1);

/// A component that is compiled, linked with what was granted, and ready to be instantiated.
pub struct Program {
    pre: InstancePre<AgentState>,
    inbox: inbox::GuestIndices,
    lifecycle: Option<lifecycle::GuestIndices>,
    hostcall_bytes_max: usize,
}

/// What one run used and how it ended.
#[derive(Debug)]
pub struct Handled {
    /// How it ended.
    pub outcome: Outcome,
    /// Fuel it used, host work included.
    pub fuel_used: u64,
}

/// A message for a guest, and which attempt to handle it this is.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The message.
    pub envelope: &'a Envelope,
    /// Counts from 1.
    pub attempt: u32,
}

/// Handed over for the first time.
impl<'a> From<&'a Envelope> for Incoming<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        Self { envelope, attempt: 1 }
    }
}

impl Program {
    /// Links a component. What it imports and was not granted is an error that names the import.
    pub(crate) fn link(engine: &Engine, component: &Component, granted: &[Capability]) -> Result<Self, EngineError> {
        let linker = engine.linker(granted)?;
        let pre = linker.instantiate_pre(component).map_err(|error| EngineError::Link(cutoff::chain(&error)))?;
        let inbox = inbox::GuestIndices::new(&pre).map_err(|_| EngineError::NoInbox)?;
        let lifecycle = lifecycle::GuestIndices::new(&pre).ok();
        Ok(Self { pre, inbox, lifecycle, hostcall_bytes_max: engine.settings().hostcall_bytes_max })
    }

    /// Handles one message in an instance of its own, and ends it.
    pub async fn handle_fresh<'a>(&self, birth: &Arc<Birth>, message: impl Into<Incoming<'a>>) -> Handled {
        let message = message.into();
        let run = run_of(birth, Some(message.envelope));
        let mut store = match self.store(birth, run) {
            Ok(store) => store,
            Err(cut_off) => return Handled { outcome: cut_off.into(), fuel_used: 0 },
        };
        // Pinned here, as in `Resident::handle`: moved, it would be copied at every message.
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let guest = self.inbox.load(&mut store, &instance)?;
            guest.call_handle(&mut store, Texts::of(message).message()).await
        };
        let result = bounded(run.deadline, pin!(work)).await;
        settle(&mut store, result)
    }

    /// Starts an instance that stays: instantiates it and, if it has a lifecycle, calls its `start`.
    pub async fn start(&self, birth: &Arc<Birth>) -> Result<Resident, CutOff> {
        let run = run_of(birth, None);
        let mut store = self.store(birth, run)?;
        let result = bounded(run.deadline, async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let inbox = self.inbox.load(&mut store, &instance)?;
            let lifecycle = self.lifecycle.as_ref().map(|indices| indices.load(&mut store, &instance)).transpose()?;
            let started = match &lifecycle {
                Some(guest) => guest.call_start(&mut store).await?,
                None => Ok(()),
            };
            Ok((inbox, lifecycle, started))
        })
        .await;
        let (inbox, lifecycle, started) = cutoff::judge(&store, result)?;
        started.map_err(|reason| CutOff::refused(&reason))?;
        Ok(Resident { store, inbox, lifecycle })
    }

    fn store(&self, birth: &Arc<Birth>, run: Run) -> Result<Store<AgentState>, CutOff> {
        let mut store = Store::new(self.pre.engine(), AgentState::new(birth.clone(), run)?);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(self.hostcall_bytes_max);
        store.epoch_deadline_callback(at_tick);
        store.call_hook(crate::host::at_border);
        arm(&mut store);
        Ok(store)
    }
}

/// One instance that stays, with its memory. Whoever holds it is the only one who can call it.
pub struct Resident {
    store: Store<AgentState>,
    inbox: inbox::Guest,
    lifecycle: Option<lifecycle::Guest>,
}

impl Resident {
    /// Handles one message. After [`Outcome::Trapped`] the instance is of no more use: drop it.
    pub async fn handle<'a>(&mut self, message: impl Into<Incoming<'a>>) -> Handled {
        let message = message.into();
        let run = self.begin(Some(message.envelope));
        let texts = Texts::of(message);
        let work = self.inbox.call_handle(&mut self.store, texts.message());
        let result = bounded(run.deadline, pin!(work)).await;
        settle(&mut self.store, result)
    }

    /// Tells the instance that it will be stopped.
    pub async fn stop(&mut self) -> Result<(), CutOff> {
        let run = self.begin(None);
        let Some(guest) = &self.lifecycle else { return Ok(()) };
        let result = bounded(run.deadline, guest.call_stop(&mut self.store)).await;
        cutoff::judge(&self.store, result)?.map_err(|reason| CutOff::refused(&reason))
    }

    /// Passes on an operator's order: `data` and the answer are JSON. `None` if the component takes no orders.
    pub async fn command(&mut self, name: &str, data: &str) -> Option<Result<Result<String, String>, CutOff>> {
        let run = self.begin(None);
        let guest = self.lifecycle.as_ref()?;
        let result = bounded(run.deadline, guest.call_command(&mut self.store, name, data)).await;
        Some(cutoff::judge(&self.store, result))
    }

    fn begin(&mut self, envelope: Option<&Envelope>) -> Run {
        let run = run_of(self.store.data().birth(), envelope);
        self.store.data_mut().begin(run);
        arm(&mut self.store);
        run
    }
}

fn run_of(birth: &Birth, envelope: Option<&Envelope>) -> Run {
    Run {
        id: RUNS.fetch_add(1, Ordering::Relaxed),
        deadline: Instant::now() + birth.limits.deadline,
        cause: envelope.map(Envelope::as_cause),
    }
}

/// Gives a store its budget for one run. The epoch deadline is the next tick, where [`at_tick`] decides.
fn arm(store: &mut Store<AgentState>) {
    let fuel = store.data().birth().limits.fuel_per_message;
    store.set_fuel(fuel).expect("fuel is on: settings.rs");
    store.set_epoch_deadline(1);
}

/// At each tick a running guest is cut off or lets the others have their turn.
fn at_tick(store: StoreContextMut<'_, AgentState>) -> wasmtime::Result<UpdateDeadline> {
    // Only compared: the guest's own count of fuel is written back after this, so what is charged here would be lost.
    if store.data().debt.load(Ordering::Relaxed) > store.get_fuel()? {
        return Err(wasmtime::Trap::OutOfFuel.into());
    }
    if Instant::now() >= store.data().deadline() {
        return Err(DeadlinePassed.into());
    }
    Ok(UpdateDeadline::Yield(1))
}

/// How a run of `handle` ended. The answer's bytes are host work too, charged before anybody routes it.
fn settle(store: &mut Store<AgentState>, result: Result<wasmtime::Result<Returned>, DeadlinePassed>) -> Handled {
    let judged = cutoff::judge(store, result).map(v0_1::outcome).and_then(|outcome| {
        let charged = crate::host::charge(&mut store.as_context_mut(), price_of_answer(&outcome));
        charged.map(|()| outcome).map_err(|error| CutOff::of(store, &error))
    });
    let outcome = judged.unwrap_or_else(Outcome::from);
    let left = store.get_fuel().expect("fuel is on: settings.rs");
    Handled { outcome, fuel_used: store.data().birth().limits.fuel_per_message.saturating_sub(left) }
}

type Returned = Result<Option<v0_1::wit::Draft>, v0_1::wit::Failure>;

fn price_of_answer(outcome: &Outcome) -> Price {
    match outcome {
        Outcome::Done(Some(draft)) => ROUTED_BASE + draft.payload.len() as Price,
        _ => 0,
    }
}
