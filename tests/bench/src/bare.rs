//! The other side: wasmtime alone in a loop, with no host around it.
//!
//! [`Setup::Tuned`] has the engine settings of `host/engine` (they are its private matter, so they stand here again; that code
//! made by one loads in the other is checked), fuel, epochs with a ticking thread, a limiter, and `call_async` on an executor that
//! does nothing but poll. Its `publish` copies the draft out of the guest and drops it. [`Setup::Default`] is wasmtime as it comes.

mod settings;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreContextMut, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::echo;
use generated::bailiwick::agent::types as wit;
use generated::exports::bailiwick::agent::inbox;

pub(crate) use settings::Setup;

mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "generated from wit/")]
    wasmtime::component::bindgen!({
        inline: "
            package bailiwick:bench;
            world bench {
                include bailiwick:agent/agent@0.1.0;
            }
        ",
        path: ["../../wit/agent-0.1"],
        ownership: Borrowing { duplicate_if_necessary: true },
        exports: { default: async },
    });
}

const TICK: Duration = Duration::from_millis(1);
/// What a host function may copy out of a guest, as in `host/engine`.
const HOSTCALL_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// The texts of the one message there is. An id as the host's has 36 characters.
const ID: &str = "01993a5e-7c00-7000-8000-000000000000";

/// wasmtime, set up and linked.
pub(crate) struct Bare {
    engine: Engine,
    linker: Linker<State>,
    setup: Setup,
    _ticker: Ticker,
}

/// A component that is ready to be instantiated.
pub(crate) struct Loaded {
    pre: InstancePre<State>,
    inbox: inbox::GuestIndices,
    setup: Setup,
}

/// A store with an instance in it.
pub(crate) struct Live {
    store: Store<State>,
    guest: inbox::Guest,
    setup: Setup,
}

struct State {
    table: ResourceTable,
    /// Made when it is asked for, as in `host/engine`. `echo` never asks.
    wasi: Option<WasiCtx>,
    limits: StoreLimits,
}

impl Bare {
    pub(crate) fn new(setup: Setup) -> anyhow::Result<Self> {
        Self::with(setup, settings::INSTANCES, TICK)
    }

    /// The same with other numbers.
    pub(crate) fn with(setup: Setup, instances: u32, tick: Duration) -> anyhow::Result<Self> {
        let engine = Engine::new(&setup.config(instances)).map_err(failed)?;
        let linker = link(&engine).map_err(failed)?;
        Ok(Self { _ticker: Ticker::start(engine.clone(), tick)?, engine, linker, setup })
    }

    /// Compiles a component into a file.
    pub(crate) fn compile(&self, component: &[u8], file: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(file, self.engine.precompile_component(component).map_err(failed)?)?)
    }

    /// Maps a file that was compiled here.
    #[expect(unsafe_code, reason = "mapping code is unsafe; the bench has just written it to a folder of its own")]
    pub(crate) fn load(&self, file: &Path) -> anyhow::Result<Loaded> {
        // SAFETY: the file was made by `compile` or by the host's engine, in this run, in a temporary folder.
        let component = unsafe { Component::deserialize_file(&self.engine, file) }.map_err(failed)?;
        let pre = self.linker.instantiate_pre(&component).map_err(failed)?;
        let inbox = inbox::GuestIndices::new(&pre).map_err(failed)?;
        Ok(Loaded { pre, inbox, setup: self.setup })
    }

    /// Compiles and loads.
    pub(crate) fn program(&self, component: &[u8], file: &Path) -> anyhow::Result<Arc<Loaded>> {
        self.compile(component, file)?;
        Ok(Arc::new(self.load(file)?))
    }
}

impl Loaded {
    /// Handles one message in an instance of its own.
    pub(crate) fn handle_fresh(&self, payload: &[u8]) -> anyhow::Result<()> {
        let mut store = self.store();
        let handled = poll_to_the_end(async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let guest = self.inbox.load(&mut store, &instance)?;
            guest.call_handle(&mut store, message(payload)).await
        });
        check(handled)
    }

    /// Instantiates.
    pub(crate) fn start(&self) -> anyhow::Result<Live> {
        let mut store = self.store();
        let guest = poll_to_the_end(async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            self.inbox.load(&mut store, &instance)
        });
        Ok(Live { guest: guest.map_err(failed)?, store, setup: self.setup })
    }

    fn store(&self) -> Store<State> {
        let limits = StoreLimitsBuilder::new().memory_size(4 << 20).table_elements(20_000).build();
        let mut store = Store::new(self.pre.engine(), State { table: ResourceTable::new(), wasi: None, limits });
        if self.setup == Setup::Tuned {
            store.limiter(|state| &mut state.limits);
            store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
            store.epoch_deadline_async_yield_and_update(1);
        }
        arm(&mut store, self.setup);
        store
    }
}

impl Live {
    /// Handles one message.
    pub(crate) fn handle(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        arm(&mut self.store, self.setup);
        check(poll_to_the_end(self.guest.call_handle(&mut self.store, message(payload))))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| WasiCtx::builder().build());
        WasiCtxView { ctx, table: &mut self.table }
    }
}

fn arm(store: &mut Store<State>, setup: Setup) {
    if setup == Setup::Tuned {
        store.set_fuel(echo::FUEL).expect("fuel is on: settings.rs");
        store.set_epoch_deadline(1);
    }
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let mut messaging = linker.instance("bailiwick:agent/messaging@0.1.0")?;
    messaging.func_wrap("publish", |_: StoreContextMut<'_, State>, (topic, draft): (String, wit::Draft)| {
        // Copied out of the guest's memory by now; this drops it.
        drop((topic, draft));
        let receipt = wit::Receipt { id: ID.to_owned(), durability: "volatile".to_owned() };
        Ok((Ok::<_, wit::Denied>(receipt),))
    })?;
    Ok(linker)
}

fn message(payload: &[u8]) -> wit::MessageParam<'_> {
    wit::MessageParam {
        id: ID,
        sender: "fresh",
        destination: echo::TOPIC,
        message_type: echo::MESSAGE_TYPE,
        content_type: echo::CONTENT_TYPE,
        payload,
        sent_at_ms: 1_763_000_000_000,
        expires_at_ms: None,
        correlation_id: None,
        causation_id: Some(ID),
        attempt: 1,
        headers: &[],
        attributes: &[],
    }
}

type Handled = wasmtime::Result<Result<Option<wit::Draft>, wit::Failure>>;

fn check(handled: Handled) -> anyhow::Result<()> {
    let answer = handled.map_err(failed)?.map_err(|failure| anyhow!("echo failed: {failure:?}"))?;
    ensure!(answer.is_none(), "echo answered what was no request");
    Ok(())
}

/// Polls until it is ready: a guest that yields at a tick goes on at once.
fn poll_to_the_end<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

/// Ticks, as the host's does.
struct Ticker(Arc<AtomicBool>);

impl Ticker {
    fn start(engine: Engine, tick: Duration) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        thread::Builder::new().name("bare-ticker".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(tick);
                engine.increment_epoch();
            }
        })?;
        Ok(Self(stop))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
