//! The embedded bus keeps every promise of a bus.

use std::sync::Arc;

use host_bus::{Bus, EmbeddedBus};

tests_kit::bus_conformance!(|| Arc::new(EmbeddedBus::new()) as Arc<dyn Bus>);
