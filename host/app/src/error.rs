//! Why a verb was not done, with a stable code and what kind of problem it is.

use host_bus::JournalError;
use host_bus::accounts::AccountsError;
use host_calls::Refusal;
use host_component::{ComponentError, Digest};
use host_fleet::{FleetError, RepositoryError};
use host_ledger::LedgerError;
use host_vault::VaultError;

/// What kind of problem it is, for the edges to turn into their own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// No such thing here, or none of yours.
    NotFound,
    /// What was sent is off.
    Invalid,
    /// It is well formed, and not allowed or not possible.
    Refused,
    /// It does not fit how things are now.
    Conflict,
    /// Larger than allowed.
    TooLarge,
    /// Too much at the moment.
    Busy,
    /// No answer in time.
    TimedOut,
    /// The host failed. Its log says more.
    Internal,
}

/// Why a verb was not done.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No such thing here, or none of yours.
    #[error("not found")]
    NotFound,
    /// The display name is off.
    #[error("a name has 1 to {len_max} characters and no control characters")]
    BadName {
        /// Characters.
        len_max: usize,
    },
    /// The reason is off.
    #[error("a reason has 1 to {len_max} characters and no control characters")]
    BadReason {
        /// Characters.
        len_max: usize,
    },
    /// The pattern is off.
    #[error(
        "not a pattern: use tokens of A-Z, a-z, 0-9, '_' and '-' joined by '.', '*' for one token, a last '>' for the rest"
    )]
    BadPattern,
    /// What is asked about is off.
    #[error("cannot explain that: {problem}")]
    BadQuestion {
        /// What is wrong and what to do.
        problem: String,
    },
    /// The bytes have another digest than stated.
    #[error("the bytes are {actual}, not {stated}: send them again")]
    WrongDigest {
        /// What was stated.
        stated: Digest,
        /// What was sent.
        actual: Digest,
    },
    /// The component cannot be read.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The fleet did not do it.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The courier did not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The audit cannot be written, or read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The vault did not do it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The journal of messages did not do it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The bus has no accounts.
    #[error(
        "tenants are no accounts of this host's bus: use `bailiwick agent token` and HTTP, or run the host with --nats-accounts"
    )]
    NoAccounts,
    /// The accounts of the bus did not do it.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The host failed. Its log says more.
    #[error("the host failed; its log says more")]
    HostFailed,
}

impl AppError {
    /// A stable word for it.
    pub fn code(&self) -> &str {
        match self {
            Self::NotFound => "not-found",
            Self::BadName { .. } => "bad-name",
            Self::BadReason { .. } => "bad-reason",
            Self::BadPattern => "bad-pattern",
            Self::BadQuestion { .. } => "bad-question",
            Self::WrongDigest { .. } => "wrong-digest",
            Self::Component(_) => "bad-component",
            Self::Fleet(error) => fleet_code(error),
            Self::Refused(refusal) => refusal.code(),
            Self::Repository(_) => "store",
            Self::Ledger(LedgerError::Unwritable) => "audit-unavailable",
            Self::Vault(error) => vault_code(error),
            Self::Journal(JournalError::Full) => "storage-full",
            Self::Journal(JournalError::Broken { .. }) => "journal-broken",
            Self::NoAccounts => "no-nats-accounts",
            Self::Accounts(AccountsError::Lifetime { .. }) => "bad-lifetime",
            Self::Ledger(_) | Self::Accounts(_) | Self::HostFailed => "internal",
        }
    }

    /// What kind of problem it is.
    pub fn category(&self) -> Category {
        match self {
            Self::NotFound => Category::NotFound,
            Self::BadName { .. }
            | Self::BadReason { .. }
            | Self::BadPattern
            | Self::BadQuestion { .. }
            | Self::WrongDigest { .. }
            | Self::Component(_)
            | Self::Accounts(AccountsError::Lifetime { .. }) => Category::Invalid,
            Self::NoAccounts => Category::Conflict,
            Self::Fleet(error) => fleet_category(error),
            Self::Refused(refusal) => refusal_category(refusal),
            Self::Vault(error) => vault_category(error),
            Self::Ledger(LedgerError::Unwritable) | Self::Journal(JournalError::Full) => Category::Busy,
            Self::Ledger(_) | Self::Repository(_) | Self::Journal(_) | Self::Accounts(_) | Self::HostFailed => {
                Category::Internal
            }
        }
    }
}

fn fleet_code(error: &FleetError) -> &'static str {
    match error {
        FleetError::NoTenant(_) | FleetError::NoAgent(_) | FleetError::NoToken(_) | FleetError::NoGroup(_) => {
            "not-found"
        }
        FleetError::Settings(_) => "bad-settings",
        FleetError::TooManyGroups { .. } => "too-many-groups",
        FleetError::NoComponent(_) => "no-component",
        FleetError::Taken(_) => "taken",
        FleetError::Manifest(_) => "bad-manifest",
        FleetError::Policy(_) => "bad-policy",
        FleetError::NothingPending(_) => "nothing-pending",
        FleetError::OtherPending { .. } => "other-pending",
        FleetError::External(_) => "external-agent",
        FleetError::NotExternal(_) => "not-external",
        FleetError::TokenLifetime { .. } => "bad-lifetime",
        FleetError::TooManyTokens { .. } => "too-many-tokens",
        FleetError::TooManyExternal { .. } => "too-many-external-agents",
        FleetError::TooManyStreams { .. } => "too-many-streams",
        FleetError::BeyondPolicy(_) | FleetError::Objections(_) => "not-granted",
        FleetError::Component(_) => "bad-component",
        FleetError::Engine(_) => "cannot-run",
        FleetError::DidNotStart(_) => "did-not-start",
        FleetError::Suspended { .. } => "suspended",
        FleetError::TenantQuarantined { .. } | FleetError::Quarantined { .. } => "quarantined",
        FleetError::Quota(_) => "bad-quota",
        FleetError::NotRunning(_) => "not-running",
        FleetError::NoCommands(_) => "no-commands",
        FleetError::CommandRefused(_) => "command-refused",
        FleetError::HostPanicked
        | FleetError::NoRandomness(_)
        | FleetError::Kept { .. }
        | FleetError::KeptPolicy { .. } => "internal",
        FleetError::Repository(_) | FleetError::Cards(_) | FleetError::Leases(_) => "store",
    }
}

fn fleet_category(error: &FleetError) -> Category {
    match error {
        FleetError::NoTenant(_) | FleetError::NoAgent(_) | FleetError::NoToken(_) | FleetError::NoGroup(_) => {
            Category::NotFound
        }
        FleetError::Manifest(_)
        | FleetError::Policy(_)
        | FleetError::Component(_)
        | FleetError::Quota(_)
        | FleetError::Settings(_)
        | FleetError::TokenLifetime { .. } => Category::Invalid,
        FleetError::TooManyStreams { .. } => Category::Busy,
        FleetError::NoComponent(_)
        | FleetError::Taken(_)
        | FleetError::NothingPending(_)
        | FleetError::External(_)
        | FleetError::NotExternal(_)
        | FleetError::TooManyTokens { .. }
        | FleetError::TooManyExternal { .. }
        | FleetError::TooManyGroups { .. }
        | FleetError::OtherPending { .. }
        | FleetError::Suspended { .. }
        | FleetError::TenantQuarantined { .. }
        | FleetError::Quarantined { .. }
        | FleetError::NotRunning(_) => Category::Conflict,
        FleetError::Engine(error) if error.is_host_fault() => Category::Internal,
        FleetError::Objections(_)
        | FleetError::BeyondPolicy(_)
        | FleetError::Engine(_)
        | FleetError::DidNotStart(_)
        | FleetError::NoCommands(_)
        | FleetError::CommandRefused(_) => Category::Refused,
        FleetError::HostPanicked
        | FleetError::NoRandomness(_)
        | FleetError::Kept { .. }
        | FleetError::KeptPolicy { .. }
        | FleetError::Repository(_)
        | FleetError::Leases(_)
        | FleetError::Cards(_) => Category::Internal,
    }
}

fn vault_code(error: &VaultError) -> &'static str {
    match error {
        VaultError::NoKey(_) | VaultError::NoSecret(_) => "not-found",
        VaultError::Busy => "busy",
        VaultError::TooManyKeys { .. } => "too-many-keys",
        VaultError::TooManySecrets { .. } => "too-many-secrets",
        VaultError::SecretLength { .. } => "bad-secret",
        VaultError::Store(_) => "store",
        VaultError::DoesNotOpen { .. }
        | VaultError::Peer { .. }
        | VaultError::NotSealed
        | VaultError::NoRandomness(_) => "internal",
    }
}

fn vault_category(error: &VaultError) -> Category {
    match error {
        VaultError::NoKey(_) | VaultError::NoSecret(_) => Category::NotFound,
        VaultError::Busy => Category::Busy,
        VaultError::TooManyKeys { .. } | VaultError::TooManySecrets { .. } => Category::Conflict,
        VaultError::SecretLength { .. } => Category::Invalid,
        VaultError::Store(_)
        | VaultError::DoesNotOpen { .. }
        | VaultError::Peer { .. }
        | VaultError::NotSealed
        | VaultError::NoRandomness(_) => Category::Internal,
    }
}

fn refusal_category(refusal: &Refusal) -> Category {
    match refusal {
        Refusal::NotFound => Category::NotFound,
        Refusal::Invalid(_) => Category::Invalid,
        Refusal::NotGranted(_) | Refusal::Other(_) => Category::Refused,
        Refusal::TooLarge(_) => Category::TooLarge,
        Refusal::OverQuota(_) | Refusal::Backpressure(_) | Refusal::Unavailable(_) => Category::Busy,
        Refusal::TimedOut(_) => Category::TimedOut,
    }
}
