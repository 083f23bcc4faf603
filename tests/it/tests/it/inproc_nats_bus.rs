//! The NATS bus keeps every promise of a bus, on a real server: with one account for all, and with an account for each tenant.

use std::sync::Arc;

use host_bus::{Bus, BusError, Inbound, Subscribe, SubscriptionId};
use host_gate::Stamped;
use host_model::{Receipt, TenantId};
use tests_kit::{AccountsServer, NatsServer};
use tokio::runtime::Runtime;

use crate::nats_host::NatsHost;

mod in_one_account {
    tests_kit::bus_conformance!(super::fresh);
}

mod in_accounts {
    tests_kit::bus_conformance!(super::fresh_in_accounts);
}

fn fresh() -> Arc<dyn Bus> {
    standing(NatsServer::start(), async |server| NatsHost::on(server, 1).await)
}

fn fresh_in_accounts() -> Arc<dyn Bus> {
    standing(AccountsServer::start(), async |server| NatsHost::in_accounts(server, 1).await)
}

fn standing<S: Send + Sync + 'static>(server: S, host: impl AsyncFnOnce(&S) -> NatsHost) -> Arc<dyn Bus> {
    let runtime = Runtime::new().expect("a runtime");
    let host = runtime.block_on(host(&server));
    Arc::new(Standing { host, _runtime: runtime, _server: server })
}

/// A host's bus with all that it stands on; the server ends with it.
struct Standing<S> {
    host: NatsHost,
    _runtime: Runtime,
    _server: S,
}

impl<S: Send + Sync> Bus for Standing<S> {
    fn publish(&self, stamped: Stamped) -> Result<Receipt, BusError> {
        self.host.bus.publish(stamped)
    }

    fn subscribe(&self, subscribe: Subscribe, inbound: Arc<dyn Inbound>) -> SubscriptionId {
        self.host.bus.subscribe(subscribe, inbound)
    }

    fn receive_replies(&self, inbound: Arc<dyn Inbound>) {
        self.host.bus.receive_replies(inbound);
    }

    fn unsubscribe(&self, tenant: &TenantId, id: SubscriptionId) {
        self.host.bus.unsubscribe(tenant, id);
    }
}
