//! Finding peers: only in the caller's tenant, only who runs, only where granted.

use host_calls::{HostReply, Refusal, RefusalNumbers};
use host_model::CardQuery;
use host_registry::Registry;

use crate::Party;

pub(crate) fn find(registry: &Registry, party: &Party, query: &CardQuery) -> Result<HostReply, Refusal> {
    check_grant(party)?;
    Ok(HostReply::Found(registry.find(party.caller.tenant(), query)))
}

pub(crate) fn card(registry: &Registry, party: &Party, raw: &str) -> Result<HostReply, Refusal> {
    check_grant(party)?;
    // An id that cannot exist is an agent that does not.
    let card = raw.parse().ok().and_then(|agent| registry.get(party.caller.tenant(), &agent));
    Ok(HostReply::Card(card))
}

/// Said a second time: an agent without the grant is not even linked, but a pipe's far end does not rely on that.
fn check_grant(party: &Party) -> Result<(), Refusal> {
    if !party.grants().discover {
        return Err(Refusal::NotGranted(RefusalNumbers::of("discover-not-granted")));
    }
    party.tried("discover", &"true", |grants| grants.discover);
    Ok(())
}
