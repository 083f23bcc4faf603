//! The NATS bus keeps every promise of a bus, on a real server.

use std::sync::Arc;

use host_bus::Bus;
use tests_kit::NatsServer;
use tokio::runtime::Runtime;

use crate::nats_host::NatsHost;

tests_kit::bus_conformance!(fresh);

/// A bus of its own on a server of its own. What it stands on lives as long as the test's process.
fn fresh() -> Arc<dyn Bus> {
    let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new().expect("a runtime")));
    let server: &'static NatsServer = Box::leak(Box::new(NatsServer::start()));
    let host: &'static NatsHost = Box::leak(Box::new(runtime.block_on(NatsHost::on(server, 1))));
    Arc::new(host.bus.clone())
}
