//! How a host reaches its NATS, and as whom.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::accounts::{Account, Minter};

/// What the host may promise of kept messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Fsynced on this host, and in a stream on one server that syncs each write.
    Durable,
    /// Fsynced on this host, and in a stream with three replicas on servers that sync each write.
    Replicated,
}

impl Class {
    /// Replicas of each stream.
    pub(crate) const fn replicas(self) -> usize {
        match self {
            Self::Durable => 1,
            Self::Replicated => 3,
        }
    }
}

/// A host among those of one NATS: the same over its restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub u64);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for HostId {
    type Err = std::num::ParseIntError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(raw, 16).map(Self)
    }
}

/// As whom the host connects. Never shown.
#[derive(Clone)]
pub enum NatsCredentials {
    /// A user and a password.
    UserPassword {
        /// Who.
        user: String,
        /// Its password.
        password: Zeroizing<String>,
    },
    /// The text of a `.creds` file: a JWT and the seed of its nkey.
    Creds(Zeroizing<String>),
    /// As a host in this account, with credentials that are made for each connection.
    Minted(Arc<Minter>, Account),
}

impl fmt::Debug for NatsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NatsCredentials")
    }
}

/// A text that is neither kind of credentials. Says nothing of what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds neither a NATS .creds file nor one line `user:password`")]
pub struct BadCredentials;

impl NatsCredentials {
    /// In which account, where there are some.
    pub(super) fn account(&self) -> Option<&Account> {
        match self {
            Self::Minted(_, account) => Some(account),
            Self::UserPassword { .. } | Self::Creds(_) => None,
        }
    }

    /// Reads a `.creds` file, or one line `user:password`.
    pub fn read(text: &str) -> Result<Self, BadCredentials> {
        if text.contains("-----BEGIN NATS USER JWT-----") {
            return Ok(Self::Creds(Zeroizing::new(text.to_owned())));
        }
        let line = text.trim_end_matches(['\r', '\n']);
        match line.split_once(':') {
            Some((user, password)) if !user.is_empty() && !line.contains('\n') => {
                Ok(Self::UserPassword { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) })
            }
            _ => Err(BadCredentials),
        }
    }
}

/// How a host reaches its NATS.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// Where: `nats://` or `tls://` addresses, without users in them.
    pub servers: Vec<String>,
    /// As whom; as nobody in particular without.
    pub credentials: Option<NatsCredentials>,
    /// A user of the system account: only it can see whether the servers sync each write.
    pub system: Option<NatsCredentials>,
    /// What is promised of kept messages.
    pub class: Class,
    /// Which host this is.
    pub host: HostId,
}

impl NatsSettings {
    /// What makes accounts and their users, where tenants are accounts.
    pub(super) fn minter(&self) -> Option<&Arc<Minter>> {
        match &self.credentials {
            Some(NatsCredentials::Minted(minter, _)) => Some(minter),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_a_creds_file_or_one_line_and_never_shown() {
        let read = |text| NatsCredentials::read(text);
        assert!(matches!(read("host:s3cret\n"), Ok(NatsCredentials::UserPassword { user, .. }) if user == "host"));
        assert!(matches!(read("-----BEGIN NATS USER JWT-----\nx\n"), Ok(NatsCredentials::Creds(_))));
        for bad in ["", "host", ":x", "a:b\nc:d"] {
            assert_eq!(read(bad).err(), Some(BadCredentials), "{bad:?}");
        }
        assert!(!format!("{:?}", read("host:s3cret")).contains("s3cret"));
    }
}
