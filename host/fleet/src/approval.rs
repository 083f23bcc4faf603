//! Versions that ask for more than the one before them: they wait until an operator has looked.

use std::sync::Arc;

use host_component::{Component, Digest, Manifest, Version, Widened, widened};
use host_ledger::Recorded;
use host_model::{AgentId, TenantId, Timestamp};

use crate::agent::{Agent, Spec};
use crate::fleet::{Deploy, Fleet, Tenant};
use crate::{AgentStatus, FleetError, PendingRecord};

/// A version that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The revision it will be.
    pub revision: u32,
    /// The author's version.
    pub version: String,
    /// The component that approval is pinned to.
    pub digest: Digest,
    /// The digest of the manifest that approval is pinned to.
    pub manifest_digest: Digest,
    /// When it was deployed.
    pub asked: Timestamp,
    /// What it asks for beyond the version that serves.
    pub widened: Vec<Widened>,
    pub(crate) deploy: Deploy,
}

/// The version that was looked at. One that took its place since is not decided on unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedAt {
    /// The revision it will be, or the author's version.
    pub version: String,
    /// Its component.
    pub digest: Digest,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
}

impl Pending {
    /// Whether this is the one that was looked at: by its name, and by all it is made of.
    fn is(&self, looked_at: &LookedAt) -> bool {
        let LookedAt { version, digest, manifest_digest } = looked_at;
        let named = *version == self.version || version.parse() == Ok(self.revision);
        named && *digest == self.digest && *manifest_digest == self.manifest_digest
    }
}

impl Fleet {
    /// The version of an agent that waits now.
    pub fn pending(&self, tenant: &TenantId, agent: &AgentId) -> Result<Arc<Pending>, FleetError> {
        let (_, agent) = self.find(tenant, agent)?;
        agent.pending().ok_or_else(|| FleetError::NothingPending(agent.id.clone()))
    }

    /// Deploys a version that waits, exactly as it was looked at.
    pub async fn approve(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
        looked_at: &LookedAt,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        let _turn = tenant.deploying.lock().await;
        agent.hold.takes_work()?;
        let pending = waiting(&agent, looked_at)?;
        let manifest = Manifest::parse(&pending.deploy.manifest)?;
        let checked = self.check_new(&tenant, pending.digest, &manifest).await?;
        self.still_allowed(&tenant, &checked, &pending.digest, &manifest).await?;
        let spec = self.spec(&tenant, pending.revision, pending.deploy, manifest);
        self.replace(&tenant, &agent, spec, checked).await?;
        self.withdraw(&agent).await?;
        Ok(agent.status())
    }

    /// Gives up a version that waits. The one before it serves on.
    pub async fn reject(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
        looked_at: &LookedAt,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        let _turn = tenant.deploying.lock().await;
        waiting(&agent, looked_at)?;
        self.withdraw(&agent).await?;
        Ok(agent.status())
    }

    /// What a new version asks for beyond the one that is deployed.
    pub(crate) async fn widening(
        &self,
        agent: &Agent,
        digest: &Digest,
        manifest: &Manifest,
    ) -> Result<Vec<Widened>, FleetError> {
        let spec = agent.spec();
        let old = self.component(&spec.deployment.digest).await?;
        let new = self.component(digest).await?;
        Ok(widened(
            Version { component: &old, manifest: Some(&spec.manifest) },
            Version { component: &new, manifest: Some(manifest) },
        ))
    }

    /// Keeps a version until somebody decides. The one before it serves on.
    pub(crate) async fn keep_pending(
        &self,
        agent: &Agent,
        spec: &Spec,
        deploy: Deploy,
        widened: Vec<Widened>,
    ) -> Result<AgentStatus, FleetError> {
        let record = PendingRecord {
            tenant: agent.tenant.clone(),
            agent: agent.id.clone(),
            revision: spec.deployment.revision,
            digest: deploy.digest,
            manifest: deploy.manifest.clone(),
            start: deploy.start,
            asked: spec.deployment.deployed,
        };
        self.parts().repository.save_pending(&record).await?;
        agent.set_pending(Some(pending(&record, spec.manifest.agent.version.clone(), widened)));
        Ok(agent.status())
    }

    /// Nothing waits any more.
    pub(crate) async fn withdraw(&self, agent: &Agent) -> Result<(), FleetError> {
        if agent.pending().is_some() {
            self.parts().repository.delete_pending(&agent.tenant, &agent.id).await?;
            agent.set_pending(None);
        }
        Ok(())
    }

    /// Takes over what was kept.
    pub(crate) async fn load_pending(&self) -> Result<(), FleetError> {
        for record in self.parts().repository.pending().await? {
            let (_, agent) = self.find(&record.tenant, &record.agent)?;
            let manifest = Manifest::parse(&record.manifest).map_err(|source| FleetError::Kept {
                tenant: record.tenant.clone(),
                agent: record.agent.clone(),
                source,
            })?;
            let widened = self.widening(&agent, &record.digest, &manifest).await?;
            agent.set_pending(Some(pending(&record, manifest.agent.version, widened)));
        }
        Ok(())
    }

    pub(crate) async fn component(&self, digest: &Digest) -> Result<Component, FleetError> {
        let bytes = self.parts().components.load(digest).await?.ok_or(FleetError::NoComponent(*digest))?;
        Ok(Component::read(&bytes)?)
    }
}

fn waiting(agent: &Agent, looked_at: &LookedAt) -> Result<Pending, FleetError> {
    let pending = agent.pending().ok_or_else(|| FleetError::NothingPending(agent.id.clone()))?;
    if pending.is(looked_at) {
        return Ok(Pending::clone(&pending));
    }
    Err(FleetError::OtherPending {
        agent: agent.id.clone(),
        revision: pending.revision,
        version: pending.version.clone(),
    })
}

fn pending(record: &PendingRecord, version: String, widened: Vec<Widened>) -> Arc<Pending> {
    Arc::new(Pending {
        revision: record.revision,
        version,
        digest: record.digest,
        manifest_digest: Digest::of(record.manifest.as_bytes()),
        asked: record.asked,
        widened,
        deploy: Deploy { manifest: record.manifest.clone(), digest: record.digest, start: record.start },
    })
}

impl Tenant {
    pub(crate) fn each_agent(&self, act: impl Fn(&Agent)) {
        self.agents.read().values().for_each(|agent| act(agent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_decided_on_by_its_name_and_by_all_it_is_made_of() {
        let (component, manifest, other) = (Digest::of(b"component"), Digest::of(b"manifest"), Digest::of(b"other"));
        let waits = Pending {
            revision: 3,
            version: "1.1.0".to_owned(),
            digest: component,
            manifest_digest: manifest,
            asked: Timestamp::from_millis(0),
            widened: Vec::new(),
            deploy: Deploy { manifest: "manifest".to_owned(), digest: component, start: true },
        };
        let check = |version: &str, digest, manifest_digest, expected| {
            let looked_at = LookedAt { version: version.to_owned(), digest, manifest_digest };
            assert_eq!(waits.is(&looked_at), expected, "{looked_at:?}");
        };
        check("3", component, manifest, true);
        check("1.1.0", component, manifest, true);
        check("2", component, manifest, false);
        check("1.0.0", component, manifest, false);
        check("3", other, manifest, false);
        check("1.1.0", component, other, false);
    }
}
