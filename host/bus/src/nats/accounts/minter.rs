//! Makes every account and every user, from two seeds.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use host_model::{Clock, TenantId, Timestamp};

use super::claims::{About, Claim, Limits, User, sign};
use super::folder::{self, Seeds};
use super::key::Key;
use super::{AccountLimits, AccountsError, AgentUser, Credentials};

/// How long a host's own credentials are valid, unless it was given another time. They are renewed well before.
pub const HOST_LIFETIME: Duration = Duration::from_hours(1);

/// An account of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// The server's own, over which it is told of accounts.
    System,
    /// The hosts': control subjects and streams, which no tenant sees.
    Hosts,
    /// A tenant's.
    Tenant(TenantId),
}

/// Makes accounts and users. Hosts with a copy of the same folder make the same accounts.
pub struct Minter {
    seeds: Seeds,
    clock: Arc<dyn Clock>,
    host_lifetime: Duration,
}

impl Minter {
    /// From the folder that `bailiwick nats init` made. Blocks on the disk.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, AccountsError> {
        Ok(Self { seeds: folder::open(dir)?, clock, host_lifetime: HOST_LIFETIME })
    }

    /// The same, with another lifetime of hosts' own credentials, of whole seconds from one upwards.
    #[must_use]
    pub fn with_host_lifetime(self, lifetime: Duration) -> Self {
        Self { host_lifetime: lifetime.max(Duration::from_secs(1)), ..self }
    }

    /// How long a host's own credentials are valid.
    pub fn host_lifetime(&self) -> Duration {
        self.host_lifetime
    }

    /// The public key that names an account to the server.
    pub fn account_id(&self, account: &Account) -> String {
        self.seeds.account(account).public()
    }

    /// New credentials of a host, with all rights that it needs in an account: in the system's it asks and is answered, no more.
    pub fn host_user(&self, account: &Account) -> Result<Credentials, AccountsError> {
        let user = match account {
            Account::System => User::asking("$SYS.REQ.>"),
            Account::Hosts | Account::Tenant(_) => User::full(),
        };
        self.user(account, "host", self.host_lifetime, user)
    }

    /// New credentials of an external agent.
    pub fn agent_user(&self, agent: &AgentUser) -> Result<Credentials, AccountsError> {
        let AgentUser { tenant, agent: id, lifetime, .. } = agent.checked()?;
        self.user(&Account::Tenant(tenant.clone()), id.as_str(), *lifetime, agent.claims())
    }

    /// The claims of a tenant's account, for [`Accounts::push`](super::Accounts::push).
    pub(super) fn tenant_claims(&self, tenant: &TenantId, limits: &AccountLimits) -> Result<String, AccountsError> {
        let limits = limits.checked()?.claims();
        Ok(self.seeds.account_claims(&Account::Tenant(tenant.clone()), limits, self.clock.now()))
    }

    /// The order to delete a tenant's account.
    pub(super) fn deletion(&self, tenant: &TenantId) -> String {
        let accounts = vec![self.account_id(&Account::Tenant(tenant.clone()))];
        let Seeds { signing, .. } = &self.seeds;
        let about =
            About { subject: signing.public(), name: "delete", issued_at: seconds(self.clock.now()), expires: None };
        sign(about, Claim::Generic { accounts }, signing)
    }

    fn user(
        &self,
        account: &Account,
        name: &str,
        lifetime: Duration,
        user: User,
    ) -> Result<Credentials, AccountsError> {
        let now = self.clock.now();
        // Whole seconds, rounded down: credentials open nothing past the time that was asked for.
        let expires = now.as_millis().saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)) / 1_000;
        Credentials::new(Timestamp::from_millis(expires.saturating_mul(1_000)), |subject| {
            let about = About { subject, name, issued_at: seconds(now), expires: Some(expires) };
            sign(about, Claim::User(Box::new(user)), &self.seeds.account(account))
        })
    }
}

impl Seeds {
    /// An account's own key.
    pub(super) fn account(&self, account: &Account) -> Key {
        match account {
            Account::System => self.accounts.account("system"),
            Account::Hosts => self.accounts.account("hosts"),
            Account::Tenant(tenant) => self.accounts.account(&format!("tenants.{tenant}")),
        }
    }

    /// What an account may use, signed for the operator.
    pub(super) fn account_claims(&self, account: &Account, limits: Limits, now: Timestamp) -> String {
        let subject = self.account(account).public();
        let name = account.to_string();
        sign(
            About { subject, name: &name, issued_at: seconds(now), expires: None },
            Claim::Account { limits },
            &self.signing,
        )
    }
}

pub(super) fn seconds(at: Timestamp) -> u64 {
    at.as_millis() / 1_000
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system"),
            Self::Hosts => f.write_str("the hosts"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
        }
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Minter({:?})", self.seeds.signing)
    }
}
