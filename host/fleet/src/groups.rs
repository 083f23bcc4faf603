//! Groups of agents: the settings they share, who is in one, and who leads it.

use std::collections::{BTreeMap, BTreeSet};

use host_bus::Lease;
use host_component::{BadSettings, check_settings};
use host_ledger::Recorded;
use host_model::{AgentId, GroupId, LeaseId, LeaseName, LeaseScope, TenantId};

use crate::fleet::{Fleet, Tenant};
use crate::{FleetError, GroupRecord};

/// The most groups of a tenant that have settings.
const GROUPS_MAX: usize = 256;

/// Text by name, as an agent reads it.
pub type Settings = BTreeMap<String, String>;

/// A group as it is.
#[derive(Debug, Clone)]
pub struct GroupStatus {
    /// Which.
    pub group: GroupId,
    /// What its members share. A member's own `[config]` goes over it.
    pub settings: Settings,
    /// The agents whose manifest names it, by id.
    pub members: Vec<AgentId>,
    /// Who leads it now.
    pub leader: Option<Lease>,
}

impl Fleet {
    /// The groups of a tenant that have settings or members, by id.
    pub async fn groups(&self, tenant: &TenantId) -> Result<Vec<GroupStatus>, FleetError> {
        let tenant = self.tenant(tenant)?;
        let mut all = Vec::new();
        for group in tenant.group_ids() {
            all.push(self.group_status(&tenant, group).await?);
        }
        Ok(all)
    }

    /// One group.
    pub async fn group(&self, tenant: &TenantId, group: &GroupId) -> Result<GroupStatus, FleetError> {
        let tenant = self.tenant(tenant)?;
        if !tenant.group_ids().contains(group) {
            return Err(FleetError::NoGroup(group.clone()));
        }
        self.group_status(&tenant, group.clone()).await
    }

    /// Sets what the members of a group share, in place of all that was; nothing ends it. A member reads it from its next start on.
    pub async fn set_group(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        group: GroupId,
        settings: Settings,
    ) -> Result<GroupStatus, FleetError> {
        check_settings(&settings)?;
        let tenant = self.tenant(tenant)?;
        let _turn = tenant.deploying.lock().await;
        self.still_there(&tenant)?;
        tenant.has_room_for(&group, &settings)?;
        let record = GroupRecord { tenant: tenant.id().clone(), group: group.clone(), settings: settings.clone() };
        self.parts().repository.save_group(&record).await?;
        tenant.set_group(group.clone(), settings);
        self.group_status(&tenant, group).await
    }

    pub(crate) async fn load_groups(&self) -> Result<(), FleetError> {
        for GroupRecord { tenant, group, settings } in self.parts().repository.groups().await? {
            self.tenant(&tenant)?.set_group(group, settings);
        }
        Ok(())
    }

    async fn group_status(&self, tenant: &Tenant, group: GroupId) -> Result<GroupStatus, FleetError> {
        let scope = LeaseScope::Group(group.clone());
        let name = LeaseName { tenant: tenant.id().clone(), scope, id: LeaseId::leader() };
        let leader = match self.parts().courier.leases() {
            Some(leases) => leases.current(&name).await?,
            None => None,
        };
        Ok(GroupStatus { settings: tenant.settings_of(&group), members: tenant.members_of(&group), leader, group })
    }
}

impl Tenant {
    /// What the members of a group share.
    pub(crate) fn settings_of(&self, group: &GroupId) -> Settings {
        self.groups.read().get(group).cloned().unwrap_or_default()
    }

    fn set_group(&self, group: GroupId, settings: Settings) {
        let mut groups = self.groups.write();
        if settings.is_empty() {
            groups.remove(&group);
        } else {
            groups.insert(group, settings);
        }
    }

    fn has_room_for(&self, group: &GroupId, settings: &Settings) -> Result<(), FleetError> {
        let groups = self.groups.read();
        let full = groups.len() >= GROUPS_MAX && !groups.contains_key(group) && !settings.is_empty();
        if full { Err(FleetError::TooManyGroups { len_max: GROUPS_MAX }) } else { Ok(()) }
    }

    fn group_ids(&self) -> BTreeSet<GroupId> {
        let named = self.all().into_iter().filter_map(|agent| agent.spec().manifest.run.group.clone());
        let set: Vec<GroupId> = self.groups.read().keys().cloned().collect();
        named.chain(set).collect()
    }

    fn members_of(&self, group: &GroupId) -> Vec<AgentId> {
        let is_in =
            |agent: &std::sync::Arc<crate::agent::Agent>| agent.spec().manifest.run.group.as_ref() == Some(group);
        let mut members: Vec<AgentId> = self.all().into_iter().filter(is_in).map(|agent| agent.id.clone()).collect();
        members.sort();
        members
    }
}

impl From<BadSettings> for FleetError {
    fn from(bad: BadSettings) -> Self {
        Self::Settings(bad)
    }
}
