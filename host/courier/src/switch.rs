//! Whether somebody takes part in messaging: one switch an agent, and one above all agents of a tenant.
//!
//! Stopping a party takes many steps, and messages move meanwhile. A switch is one step, and every way of a message looks at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use host_calls::{Refusal, RefusalNumbers};

/// Off, nothing is admitted from whoever is under it and nothing is delivered to them.
#[derive(Debug, Default)]
pub struct Switch {
    off: AtomicBool,
    above: Option<Arc<Switch>>,
}

impl Switch {
    /// A switch that is on, and off whenever the one above it is.
    pub fn under(above: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { off: AtomicBool::new(false), above: Some(above.clone()) })
    }

    /// From here on nothing passes.
    pub fn turn_off(&self) {
        self.off.store(true, Ordering::SeqCst);
    }

    /// From here on everything passes that a switch above lets pass.
    pub fn turn_on(&self) {
        self.off.store(false, Ordering::SeqCst);
    }

    /// `quarantined` while it is off, or one above it is.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.off.load(Ordering::SeqCst) {
            return Err(Refusal::Unavailable(RefusalNumbers::of("quarantined")));
        }
        self.above.as_ref().map_or(Ok(()), |above| above.check())
    }
}

#[cfg(test)]
mod tests {
    use tests_kit::gate::{born, grants};

    use super::*;
    use crate::samples::{World, publish, send};
    use crate::{Counters, Party};

    #[test]
    fn a_switch_is_off_while_it_or_one_above_is() {
        let tenant = Arc::new(Switch::default());
        let (one, other) = (Switch::under(&tenant), Switch::under(&tenant));
        let check = |on: [bool; 2]| assert_eq!([&one, &other].map(|switch| switch.check().is_ok()), on);
        check([true, true]);
        one.turn_off();
        check([false, true]);
        tenant.turn_off();
        check([false, false]);
        tenant.turn_on();
        check([false, true]);
        one.turn_on();
        check([true, true]);
    }

    #[test]
    fn who_is_switched_off_neither_sends_nor_receives_and_the_others_go_on() {
        let world = World::new();
        let switch = Arc::new(Switch::default());
        let join = |agent: &str, switch: &Arc<Switch>| {
            let requests = host_quota::Budget::new(10);
            let party = Party::new(born("acme", agent), grants(&["a.>"]), requests, false, Arc::<Counters>::default());
            world.join_as(party.switched_by(switch.clone()), 10)
        };
        let (off, on) = (join("off", &switch), join("on", &Arc::default()));
        world.now(&off, publish("a.b", "before")).unwrap();
        assert!(off.receive().is_some() && on.receive().is_some());

        switch.turn_off();
        for call in [publish("a.b", "x"), send("on", "x")] {
            assert_eq!(world.now(&off, call), Err(Refusal::Unavailable(RefusalNumbers::of("quarantined"))));
        }
        assert_eq!(world.now(&on, send("off", "x")), Err(Refusal::NotFound));
        world.now(&on, publish("a.b", "x")).unwrap();
        assert!(off.receive().is_none() && on.receive().is_some());

        switch.turn_on();
        world.now(&on, send("off", "after")).unwrap();
        assert!(off.receive().is_some());
    }
}
