//! The engine alone: what `host/engine` costs without mailbox and shard, to tell where M1 and M2 lose what they lose.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::{anyhow, ensure};
use host_engine::{Birth, Handled, Program, Resident};
use host_model::{AgentId, Destination, Envelope, Limits, MessageId, Outcome, Producer, TenantId, Timestamp};
use host_quota::Budget;
use tokio::runtime::Handle;

use crate::echo;
use crate::house::House;

/// The id of the one message there is.
const ID: &str = "01993a5e-7c00-7000-8000-000000000000";

/// Calls an echo by hand. It is its tenant's operator, the one party that exists without being deployed.
pub(crate) struct Solo {
    birth: Arc<Birth>,
    envelope: Envelope,
    edge: Handle,
}

impl Solo {
    /// In a tenant of its own, so that nobody hears what it publishes.
    pub(crate) fn open(house: &House) -> anyhow::Result<Self> {
        let tenant: TenantId = "solo".parse()?;
        if house.fleet.operator(&tenant).is_err() {
            house.create_tenant(&tenant)?;
        }
        let birth = Arc::new(birth(house, &tenant)?);
        let envelope = envelope(tenant, birth.caller.agent().clone())?;
        Ok(Self { birth, envelope, edge: house.runtime.handle().clone() })
    }

    /// One message in an instance of its own.
    pub(crate) fn handle_fresh(&self, program: &Program) -> anyhow::Result<()> {
        check(&self.poll_to_the_end(program.handle_fresh(&self.birth, &self.envelope)))
    }

    /// An instance that stays.
    pub(crate) fn start(&self, program: &Program) -> anyhow::Result<Resident> {
        Ok(self.poll_to_the_end(program.start(&self.birth))?)
    }

    /// One message in an instance that stayed.
    pub(crate) fn handle(&self, resident: &mut Resident) -> anyhow::Result<()> {
        check(&self.poll_to_the_end(resident.handle(&self.envelope)))
    }

    /// As in `bare.rs`. The runtime is there for a timer that is not set: a call that yields is ready at once.
    fn poll_to_the_end<F: Future>(&self, future: F) -> F::Output {
        let _timers = self.edge.enter();
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
    }
}

fn birth(house: &House, tenant: &TenantId) -> anyhow::Result<Birth> {
    let parts = house.fleet.parts();
    let operator = house.fleet.operator(tenant)?;
    parts.courier.join(operator.clone());
    Ok(Birth {
        caller: operator.caller.clone(),
        name: "Echo".to_owned(),
        calls: Arc::new(parts.courier.clone()),
        limits: Limits {
            memory_bytes_max: 4 << 20,
            fuel_per_message: echo::FUEL,
            deadline: Duration::from_secs(1),
            ..Limits::default()
        },
        tenant_memory: Budget::new(1 << 30),
        tenant_instances: Budget::new(1_000),
        settings: std::collections::BTreeMap::new(),
        leads: None,
        registry_url: String::new(),
        clock: parts.clock.clone(),
    })
}

fn envelope(tenant: TenantId, sender: AgentId) -> anyhow::Result<Envelope> {
    let id: MessageId = ID.parse().map_err(|error| anyhow!("{error}"))?;
    let now = Timestamp::from_millis(1_763_000_000_000);
    Ok(Envelope {
        id,
        producer: Producer { host: now.as_millis(), instance: 1 },
        seq: 1,
        to: Destination::Topic(host_model::Topic::parse_in(&tenant, echo::TOPIC)?),
        tenant,
        sender,
        reply_to: None,
        message_type: echo::MESSAGE_TYPE.to_owned(),
        content_type: echo::CONTENT_TYPE.to_owned(),
        payload: echo::payload(),
        timestamp: now,
        expires: None,
        correlation_id: None,
        causation_id: Some(id),
        hop: 1,
        root_id: id,
        headers: Vec::new(),
        extras: None,
    })
}

fn check(handled: &Handled) -> anyhow::Result<()> {
    ensure!(matches!(handled.outcome, Outcome::Done(None)), "echo ended with {:?}", handled.outcome);
    Ok(())
}
