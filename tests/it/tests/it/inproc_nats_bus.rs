//! The NATS bus keeps every promise of a bus, on a real server: with one account for all, and with an account for each tenant.

use std::sync::Arc;

use host_bus::Bus;
use tests_kit::{AccountsServer, NatsServer};
use tokio::runtime::Runtime;

use crate::nats_host::NatsHost;

mod in_one_account {
    tests_kit::bus_conformance!(super::fresh);
}

mod in_accounts {
    tests_kit::bus_conformance!(super::fresh_in_accounts);
}

/// A bus of its own on a server of its own.
fn fresh() -> Arc<dyn Bus> {
    let server: &'static NatsServer = Box::leak(Box::new(NatsServer::start()));
    on(NatsHost::on(server, 1))
}

fn fresh_in_accounts() -> Arc<dyn Bus> {
    let server: &'static AccountsServer = Box::leak(Box::new(AccountsServer::start()));
    on(NatsHost::in_accounts(server, 1))
}

/// What it stands on lives as long as the test's process.
fn on(host: impl Future<Output = NatsHost>) -> Arc<dyn Bus> {
    let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new().expect("a runtime")));
    let host: &'static NatsHost = Box::leak(Box::new(runtime.block_on(host)));
    Arc::new(host.bus.clone())
}
