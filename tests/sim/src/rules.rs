//! What an operator does meanwhile: policies, switches, keys, quotas; and what the clock does.

use host_model::{AgentId, KeyId, Principal};
use host_vault::{KeyState, KeyView, VaultError};

use crate::agent::May;
use crate::book::{Check, ensure};
use crate::host::limits;
use crate::run::Sim;
use crate::vault::at_once;

/// The longest jump of the clock, in milliseconds: some days.
const JUMP_MILLIS_MAX: u64 = 3 * 24 * 3_600_000;
/// The longest way back, in milliseconds.
const BACK_MILLIS_MAX: u64 = 5_000;

impl Sim {
    /// An agent's grants are narrowed or widened while it runs.
    pub(crate) fn regrant(&mut self, (tenant, agent): (usize, usize)) {
        let agents = &mut self.host.tenants[tenant].agents;
        let peers: Vec<AgentId> = agents.iter().map(|agent| agent.id.clone()).collect();
        agents[agent].set_may(May::drawn(&mut self.chance, &peers));
    }

    /// One switch: from here on nothing of an agent moves, or everything again.
    pub(crate) fn switch_agent(&mut self, (tenant, agent): (usize, usize)) {
        let agent = &mut self.host.tenants[tenant].agents[agent];
        agent.is_off = !agent.is_off;
        if agent.is_off { agent.switch.turn_off() } else { agent.switch.turn_on() }
    }

    /// The same, for a whole tenant.
    pub(crate) fn switch_tenant(&mut self, tenant: usize) {
        let tenant = &mut self.host.tenants[tenant];
        tenant.is_off = !tenant.is_off;
        if tenant.is_off { tenant.switch.turn_off() } else { tenant.switch.turn_on() }
    }

    /// Ends an agent, or starts it again.
    pub(crate) fn stop_or_start(&mut self, (tenant, agent): (usize, usize)) -> Check {
        if self.host.tenants[tenant].agents[agent].address.is_some() {
            return self.stop((tenant, agent));
        }
        self.host.start(tenant, agent);
        Ok(())
    }

    /// What waits for it and what it handles is lost, and whoever asked is told.
    fn stop(&mut self, (tenant, agent): (usize, usize)) -> Check {
        let agent = &mut self.host.tenants[tenant].agents[agent];
        let (start, party) = (agent.incarnation(), agent.party.clone());
        let waiting = agent.stop(&self.host.courier, &self.host.bus, &self.host.lane);
        let booked = self.book.queues.remove(&start).unwrap_or_default();
        let handed_back: Vec<_> = waiting.iter().map(|accepted| accepted.envelope().id).collect();
        ensure(booked == handed_back, || format!("{handed_back:?} waited, by the book {booked:?}"))?;
        let of_it = |one: &crate::book::InFlight| one.accepted.receiver().incarnation().0 == start;
        let handled: Vec<_> = self.book.in_flight.extract_if(.., |one| of_it(one)).collect();
        for accepted in waiting.into_iter().chain(handled.into_iter().map(|one| one.accepted)) {
            // What was sealed goes back to whoever keeps it.
            agent.lost += u64::from(!accepted.was_sealed());
            self.host.courier.drop_waiting(&party, &accepted);
            self.book.ends(accepted.envelope().id, Err("stopping"));
            self.frames.finish(accepted.envelope());
        }
        self.book.open.retain(|request| request.asker != start);
        Ok(())
    }

    /// A new key signs; the one before it verifies what it signed.
    pub(crate) fn rotate(&mut self, tenant: usize) -> Check {
        self.numbered_keys(tenant);
        let (id, now) = (self.host.ids[tenant].clone(), self.host.now());
        let keys = self.host.vault.key_list(&id);
        let active = keys.iter().find(|key| key.state == KeyState::Active).map(|key| key.id);
        let rotated = at_once(self.host.vault.rotate(&id, &Principal::Host));
        self.numbered_keys(tenant);
        match rotated {
            Ok(_) => {
                self.book.ended_keys.extend(active.map(|key| ((id, key), (now, false))));
                Ok(())
            }
            Err(VaultError::TooManyKeys { .. }) => Ok(()),
            Err(other) => Err(format!("a key was not rotated: {other}")),
        }
    }

    /// A key's end: nothing it signed is believed any more.
    pub(crate) fn revoke(&mut self, tenant: usize) -> Check {
        let (id, now) = (self.host.ids[tenant].clone(), self.host.now());
        let mut keys = self.numbered_keys(tenant);
        keys.sort_unstable();
        let (_, key) = *self.chance.pick(&keys);
        let revoked = at_once(self.host.vault.revoke(&id, key));
        self.numbered_keys(tenant);
        match revoked {
            Ok(_) => {
                let ended = self.book.ended_keys.entry((id, key)).or_insert((now, true));
                if !ended.1 {
                    *ended = (now, true);
                }
                Ok(())
            }
            Err(VaultError::TooManyKeys { .. }) => Ok(()),
            Err(other) => Err(format!("a key was not revoked: {other}")),
        }
    }

    /// A tenant's keys, each with a number in order of birth: their names are random, and the same seed must mean the same key.
    fn numbered_keys(&mut self, tenant: usize) -> Vec<(usize, KeyId)> {
        let keys = self.host.vault.key_list(&self.host.ids[tenant]);
        let numbers = &mut self.book.key_numbers;
        let number = |key: &KeyView| {
            let next = numbers.len();
            (*numbers.entry(key.id).or_insert(next), key.id)
        };
        keys.iter().map(number).collect()
    }

    /// A tenant's limits are changed under what it uses.
    pub(crate) fn requota(&mut self, tenant: usize) {
        let tenant = &mut self.host.tenants[tenant];
        tenant.limits = limits(&mut self.chance);
        tenant.budgets.set(&tenant.limits);
    }

    /// Time passes, leaps, or goes back.
    pub(crate) fn tick(&mut self) {
        match self.chance.below(12) {
            0 => self.host.clock.forward(self.chance.within(1, JUMP_MILLIS_MAX)),
            1 => self.host.clock.back(self.chance.within(1, BACK_MILLIS_MAX)),
            2 => self.host.clock.forward(self.chance.within(60_000, 400_000)),
            _ => self.host.clock.forward(self.chance.within(1, 1_500)),
        }
        self.time_out();
    }

    /// Everything is switched on and started.
    pub(crate) fn everybody_on(&mut self) {
        for tenant in 0..self.host.tenants.len() {
            if self.host.tenants[tenant].is_off {
                self.switch_tenant(tenant);
            }
            for agent in 0..self.host.tenants[tenant].agents.len() {
                if self.host.tenants[tenant].agents[agent].is_off {
                    self.switch_agent((tenant, agent));
                }
                if self.host.tenants[tenant].agents[agent].address.is_none() {
                    self.host.start(tenant, agent);
                }
            }
        }
    }
}
