//! Each tenant's way to the servers: the hosts' one connection, or, where tenants are accounts, one of its own in its account.
//!
//! The rest of the bus asks here, and does not know which it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_model::TenantId;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::accounts::{Account, AccountLimits, Accounts, AccountsError, Minter, renew};
use super::connection::Connection;
use super::streams::Streams;
use super::{NatsCredentials, NatsError, NatsSettings, failed};
use crate::QueueLimits;

/// How long a tenant that is deleted may take to be reached once more.
const REACHED_WITHIN: Duration = Duration::from_secs(5);
/// When servers that let nobody into an account are told of it again.
const TOLD_AGAIN: Duration = Duration::from_secs(10);
/// The waits between two tries to tell the servers of an account.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A connection, and the streams that are reached over it.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) streams: Streams,
}

/// All tenants' links.
pub(super) struct Links {
    hosts: Arc<Link>,
    accounts: Option<InAccounts>,
}

/// Tenants as accounts.
struct InAccounts {
    accounts: Accounts,
    minter: Arc<Minter>,
    settings: NatsSettings,
    tenants: RwLock<HashMap<TenantId, OfTenant, RandomState>>,
}

struct OfTenant {
    limits: watch::Sender<QueueLimits>,
    link: watch::Receiver<Option<Arc<Link>>>,
    over: CancellationToken,
}

/// A link that is to be opened, and looked after from then on.
pub(super) struct Opening {
    pub(super) tenant: TenantId,
    /// The link ends with this.
    pub(super) over: CancellationToken,
    limits: watch::Receiver<QueueLimits>,
    link: watch::Sender<Option<Arc<Link>>>,
}

impl Links {
    /// Over the hosts' link; `accounts` reaches the servers' system account, where tenants are accounts.
    pub(super) fn new(hosts: Arc<Link>, settings: &NatsSettings, accounts: Option<Accounts>) -> Self {
        let accounts = settings.minter().zip(accounts).map(|(minter, accounts)| InAccounts {
            accounts,
            minter: minter.clone(),
            settings: settings.clone(),
            tenants: RwLock::default(),
        });
        Self { hosts, accounts }
    }

    /// The hosts' own link, where all tenants share it.
    pub(super) fn shared(&self) -> Option<&Arc<Link>> {
        self.accounts.is_none().then_some(&self.hosts)
    }

    /// A tenant's link, if it is open. Never waits.
    pub(super) fn now(&self, tenant: &TenantId) -> Option<Arc<Link>> {
        match &self.accounts {
            None => Some(self.hosts.clone()),
            Some(in_accounts) => in_accounts.tenants.read().get(tenant)?.link.borrow().clone(),
        }
    }

    /// Whether a tenant's connection is open, and up.
    pub(super) fn are_up(&self, tenant: &TenantId) -> bool {
        match &self.accounts {
            None => self.hosts.connection.is_up(),
            Some(_) => self.now(tenant).is_some_and(|link| link.connection.is_up()),
        }
    }

    /// A tenant's link, once it is open. Never returns for one that nobody begins to open.
    pub(super) async fn of(&self, tenant: &TenantId) -> Arc<Link> {
        let Some(in_accounts) = &self.accounts else { return self.hosts.clone() };
        let link = in_accounts.tenants.read().get(tenant).map(|of_tenant| of_tenant.link.clone());
        match link {
            Some(link) => once_there(link).await,
            None => std::future::pending().await,
        }
    }

    /// The links that are open.
    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        match &self.accounts {
            None => vec![self.hosts.clone()],
            Some(in_accounts) => {
                in_accounts.tenants.read().values().filter_map(|of_tenant| of_tenant.link.borrow().clone()).collect()
            }
        }
    }

    /// A link to be opened, if the tenant needs one of its own and has none.
    pub(super) fn begin(&self, tenant: &TenantId, limits: QueueLimits) -> Option<Opening> {
        let in_accounts = self.accounts.as_ref()?;
        if in_accounts.tenants.read().contains_key(tenant) {
            return None;
        }
        in_accounts.begin(tenant, limits)
    }

    /// Sets what a tenant's account may keep.
    pub(super) fn set_limits(&self, tenant: &TenantId, limits: QueueLimits) {
        if let Some(in_accounts) = &self.accounts
            && let Some(of_tenant) = in_accounts.tenants.read().get(tenant)
        {
            of_tenant.limits.send_if_modified(|before| std::mem::replace(before, limits) != limits);
        }
    }

    /// Opens a link and looks after it until it is over: the servers know the account, and the credentials are renewed. Returns at
    /// once where there are no accounts.
    pub(super) async fn look_after(&self, opening: &Opening) {
        if let Some(in_accounts) = &self.accounts
            && let Err(error) = in_accounts.look_after(&self.hosts, opening).await
        {
            tracing::error!(tenant = %opening.tenant, error = error.source.to_string(), "the tenant's account cannot be used");
        }
    }

    /// Deletes what the servers have of a deleted tenant: its stream, and its account with every connection to it.
    pub(super) async fn forget(&self, tenant: &TenantId) -> Result<(), NatsError> {
        let link = tokio::time::timeout(REACHED_WITHIN, self.of(tenant))
            .await
            .map_err(failed("reach the tenant's account"))?;
        link.streams.forget(tenant).await?;
        let Some(in_accounts) = &self.accounts else { return Ok(()) };
        in_accounts.close(tenant, &link).await?;
        in_accounts.accounts.delete(tenant).await.map_err(failed("delete the tenant's account"))
    }
}

/// What is there, or comes; never returns if nothing does.
pub(super) async fn once_there<T: Clone>(mut awaited: watch::Receiver<Option<T>>) -> T {
    loop {
        if let Some(there) = awaited.borrow_and_update().clone() {
            return there;
        }
        if awaited.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

impl InAccounts {
    fn begin(&self, tenant: &TenantId, limits: QueueLimits) -> Option<Opening> {
        let mut tenants = self.tenants.write();
        if tenants.contains_key(tenant) {
            return None;
        }
        let ((limits, told), (opened, link)) = (watch::channel(limits), watch::channel(None));
        let over = CancellationToken::new();
        tenants.insert(tenant.clone(), OfTenant { limits, link, over: over.clone() });
        Some(Opening { tenant: tenant.clone(), over, limits: told, link: opened })
    }

    async fn look_after(&self, hosts: &Link, opening: &Opening) -> Result<(), NatsError> {
        let Opening { tenant, over, limits, link } = opening;
        let mut limits = limits.clone();
        let tell = async |limits: &mut watch::Receiver<QueueLimits>| self.tell(hosts, tenant, limits).await;
        if over.run_until_cancelled(tell(&mut limits)).await.is_none() {
            return Ok(());
        }
        let credentials = NatsCredentials::Minted(self.minter.clone(), Account::Tenant(tenant.clone()));
        let connection = Connection::open_as(&self.settings, Some(&credentials)).await?;
        let streams = Streams::new(connection.jetstream.clone(), self.settings.class);
        link.send_replace(Some(Arc::new(Link { connection: connection.clone(), streams })));
        let told = async {
            loop {
                tokio::select! {
                    // A server that lost its accounts is told of them again: otherwise nobody is let in.
                    () = connection.down() => {}
                    changed = limits.changed() => if changed.is_err() { std::future::pending().await },
                }
                tell(&mut limits).await;
                // Where that helped nothing, they are told once more.
                let _ = tokio::time::timeout(TOLD_AGAIN, connection.up()).await;
            }
        };
        let renewed = renew(connection.client.clone(), self.minter.clone(), over.clone());
        over.run_until_cancelled(async { tokio::join!(told, renewed) }).await;
        Ok(())
    }

    /// Closes a tenant's connection before its account is deleted: it would try to come back for ever.
    async fn close(&self, tenant: &TenantId, link: &Link) -> Result<(), NatsError> {
        if let Some(of_tenant) = self.tenants.write().remove(tenant) {
            of_tenant.over.cancel();
        }
        link.connection.client.drain().await.map_err(failed("close the tenant's connection"))?;
        let closed = tokio::time::timeout(REACHED_WITHIN, link.connection.down()).await;
        closed.map_err(failed("close the tenant's connection"))
    }

    /// Tells the servers of the account, until they know.
    async fn tell(&self, hosts: &Link, tenant: &TenantId, limits: &mut watch::Receiver<QueueLimits>) {
        let mut wait = WAIT_MIN;
        loop {
            hosts.connection.up().await;
            let queues = *limits.borrow_and_update();
            match self.push(hosts, tenant, &queues).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%tenant, %error, "the NATS servers do not know the tenant's account; they are told again");
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(WAIT_MAX);
        }
    }

    async fn push(&self, hosts: &Link, tenant: &TenantId, queues: &QueueLimits) -> Result<(), AccountsError> {
        let frame_bytes_max = u32::try_from(hosts.connection.client.max_payload()).unwrap_or(u32::MAX);
        let replicas = u8::try_from(self.settings.class.replicas()).unwrap_or(u8::MAX);
        self.accounts.push(tenant, &AccountLimits::of(queues, frame_bytes_max, replicas)).await
    }
}
