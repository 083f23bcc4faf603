//! Agents, as operators see them.

use host_app::AgentStatus;
use host_wire::Agent;

pub(crate) fn agent_of(_status: AgentStatus) -> Agent {
    todo!()
}
