//! Where an instance keeps its agent.

use std::cell::RefCell;

/// The component model lets nobody in while a call is under way, so it is never borrowed twice.
pub type Slot<A> = RefCell<A>;
