//! Tells the servers of tenants' accounts, over the system account.

use std::sync::Arc;

use async_nats::Client;
use host_model::TenantId;
use serde::Deserialize;

use super::{AccountLimits, AccountsError, Minter};

/// Where the server takes an account's claims (NATS docs, "Full resolver").
const UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";
/// Where it takes the order to delete accounts.
const DELETE: &str = "$SYS.REQ.CLAIMS.DELETE";
/// The most bytes of the server's words that are passed on.
const DESCRIPTION_LEN_MAX: usize = 200;

/// Keeps the servers' idea of tenants' accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    system: Client,
    minter: Arc<Minter>,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Problem>,
    data: Option<Done>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Done {
    code: u16,
}

impl Accounts {
    /// Over a connection to [`Account::System`](super::Account::System).
    pub fn new(system: Client, minter: Arc<Minter>) -> Self {
        Self { system, minter }
    }

    /// Makes a tenant's account, or gives it these limits from now on. Before it returns no host can connect to a new one. The servers
    /// of a cluster tell each other.
    pub async fn push(&self, tenant: &TenantId, limits: &AccountLimits) -> Result<(), AccountsError> {
        let claims = self.minter.tenant_claims(tenant, limits)?;
        self.ask(UPDATE, tenant, claims).await
    }

    /// Deletes a tenant's account: its connections are closed, and no credential of it opens one.
    pub async fn delete(&self, tenant: &TenantId) -> Result<(), AccountsError> {
        let order = self.minter.deletion(tenant);
        self.ask(DELETE, tenant, order).await
    }

    async fn ask(&self, subject: &'static str, tenant: &TenantId, claims: String) -> Result<(), AccountsError> {
        let answer = self.system.request(subject, claims.into()).await;
        let answer = answer.map_err(|cause| AccountsError::NoAnswer { subject, cause })?;
        read(&answer.payload).map_err(|(code, description)| AccountsError::Refused {
            account: format!("tenant {tenant}"),
            description,
            code,
        })
    }
}

/// Done, or the server's code and words.
fn read(answer: &[u8]) -> Result<(), (u16, String)> {
    match serde_json::from_slice(answer) {
        Ok(Answer { error: Some(Problem { code, description }), .. }) => Err((code, line(&description))),
        Ok(Answer { data: Some(Done { code: 200 }), .. }) => Ok(()),
        Ok(Answer { data, .. }) => Err((data.map_or(0, |done| done.code), "it does not say why".to_owned())),
        Err(error) => Err((0, format!("its answer is none: {error}"))),
    }
}

/// The server's words on one line, cut.
fn line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DESCRIPTION_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        let check = |answer: &str, expected: Result<(), (u16, &str)>| {
            let found = read(answer.as_bytes());
            assert_eq!(found.as_ref().map_err(|(code, words)| (*code, words.as_str())).copied(), expected, "{answer}");
        };
        check(r#"{"data":{"code":200,"message":"jwt updated"},"server":{}}"#, Ok(()));
        check(r#"{"error":{"code":500,"description":"not\ntrusted"}}"#, Err((500, "not trusted")));
        check(r#"{"data":{"code":200},"error":{"code":500,"description":"x"}}"#, Err((500, "x")));
        check(r#"{"data":{"code":202}}"#, Err((202, "it does not say why")));
        check("{}", Err((0, "it does not say why")));
        assert_eq!(read(b"yes").unwrap_err().0, 0);
        let long = format!(r#"{{"error":{{"code":500,"description":"{}"}}}}"#, "x".repeat(5_000));
        assert_eq!(read(long.as_bytes()).unwrap_err().1.len(), DESCRIPTION_LEN_MAX);
    }
}
