//! The verbs about external agents: an operator's, to register them and mint their tokens; and their own, to send and receive.

use std::sync::Arc;
use std::time::Duration;

use host_bus::accounts::{AgentUser, Credentials, LIFETIME_MAX};
use host_component::{Digest, Manifest};
use host_courier::Post;
use host_fleet::{AgentStatus, Bearer, Cursor, Minted, Stream, TokenId, TokenRecord};
use host_ledger::{Act, Recorded};
use host_model::{AgentId, Receipt, TenantId};
use serde_json::json;

use crate::{App, AppError};

impl App {
    /// Registers an agent without a component, or a new revision of one.
    pub async fn register(&self, tenant: &TenantId, manifest: String) -> Result<AgentStatus, AppError> {
        let (fleet, tenant) = (self.fleet().clone(), tenant.clone());
        let agent = Manifest::parse(&manifest).ok().map(|manifest| manifest.agent.id);
        let before = agent.as_ref().and_then(|agent| fleet.status(&tenant, agent).ok()).map(|before| before.revision);
        let target = agent.map_or_else(|| "unreadable manifest".to_owned(), |agent| agent.to_string());
        let digest = Digest::of(manifest.as_bytes()).to_string();
        let act = Act::operator("agent.register").tenant(&tenant).on(&target);
        let act = act.detail(json!({ "manifest": digest, "before": before }));
        let register = move |r: Arc<Recorded>| async move { fleet.register(&r, &tenant, manifest).await };
        let status = self.controlled(act, register).await?;
        tracing::info!(tenant = %status.tenant, agent = %status.agent, revision = status.revision, "registered");
        Ok(status)
    }

    /// Mints a token for an external agent. It is told here and never again.
    pub async fn mint_token(&self, tenant: &TenantId, agent: &AgentId, lifetime: Duration) -> Result<Minted, AppError> {
        let (act, fleet, tenant, agent) = self.act("agent.token.mint", tenant, agent);
        let act = act.detail(json!({ "lifetimeSeconds": lifetime.as_secs() }));
        let mint = move |r: Arc<Recorded>| async move { fleet.mint_token(&r, &tenant, &agent, lifetime).await };
        let minted = self.controlled(act, mint).await?;
        let TokenRecord { tenant, agent, .. } = &minted.record;
        tracing::info!(%tenant, %agent, token = %minted.record.id(), "token minted");
        Ok(minted)
    }

    /// An external agent's tokens, oldest first: their names, never what they are.
    pub fn tokens(&self, tenant: &TenantId, agent: &AgentId) -> Result<Vec<TokenRecord>, AppError> {
        Ok(self.fleet().tokens(tenant, agent)?)
    }

    /// Ends a token at once.
    pub async fn revoke_token(&self, tenant: &TenantId, agent: &AgentId, token: TokenId) -> Result<(), AppError> {
        let (act, fleet, in_tenant, of_agent) = self.act("agent.token.revoke", tenant, agent);
        let act = act.detail(json!({ "token": token.to_string() }));
        let revoke = move |r: Arc<Recorded>| async move { fleet.revoke_token(&r, &in_tenant, &of_agent, token).await };
        self.controlled(act, revoke).await?;
        tracing::info!(%tenant, %agent, %token, "token revoked");
        Ok(())
    }

    /// Mints credentials for the bus for an external agent that takes work. They are told here and never again.
    pub async fn mint_credentials(&self, user: AgentUser) -> Result<Credentials, AppError> {
        let minter = self.minter().cloned().ok_or(AppError::NoAccounts)?;
        let (act, fleet, tenant, agent) = self.act("agent.credentials.mint", &user.tenant, &user.agent);
        let act = act.detail(json!({ "lifetimeSeconds": user.lifetime.as_secs() }));
        let mint = move |_| async move {
            fleet.external_party(&user.tenant, &user.agent)?;
            let credentials = minter.agent_user(&user)?;
            fleet.may_listen(&user.tenant, &user.agent, user.lifetime)?;
            Ok::<_, AppError>(credentials)
        };
        let credentials = self.controlled(act, mint).await?;
        tracing::info!(%tenant, %agent, expires = %credentials.expires(), "credentials minted");
        Ok(credentials)
    }

    /// Whom a token is for. Everything that is no valid token is counted in the audit as such.
    pub fn bearer(&self, token: Option<&str>) -> Option<Arc<Bearer>> {
        let bearer = token.and_then(|token| self.fleet().bearer(token));
        if bearer.is_none() {
            self.count_unauthorized();
        }
        bearer
    }

    /// Sends as an external agent.
    pub async fn post_as(&self, bearer: &Bearer, post: Post) -> Result<Receipt, AppError> {
        Ok(self.courier().post(bearer.at_work()?, post).await?)
    }

    /// Sends as an external agent that the bus has proven to be it.
    pub async fn post_proven(&self, tenant: &TenantId, agent: &AgentId, post: Post) -> Result<Receipt, AppError> {
        let party = self.fleet().external_party(tenant, agent)?;
        // It has credentials that are good now, whichever host made them: they last no longer than that.
        self.fleet().may_listen(tenant, agent, LIFETIME_MAX)?;
        Ok(self.courier().post(&party, post).await?)
    }

    /// Acknowledges what was handed to an external agent, up to and including a cursor, and says how much that was.
    pub fn acknowledge(&self, bearer: &Bearer, cursor: Cursor) -> Result<usize, AppError> {
        Ok(bearer.acknowledge(cursor)?)
    }

    /// Streams to an external agent what it did not acknowledge, once `last` and all before it are.
    pub fn receive(&self, bearer: &Arc<Bearer>, last: Option<Cursor>) -> Result<Stream, AppError> {
        if let Some(last) = last {
            bearer.acknowledge(last)?;
        }
        Ok(bearer.stream()?)
    }
}
