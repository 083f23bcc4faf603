//! Agents without a component: how they are registered, and the tokens they come with.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An agent without a component, or a new revision of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterAgent {
    /// The agent manifest, as TOML: `[agent]` id, name, version and description, `[grants]` publish, subscribe, send and queues.
    pub manifest: String,
}

/// A token to be minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MintToken {
    /// How long it is valid: `90s`, `10m`, `2h`, `30d`; a minute to 366 days.
    #[schema(example = "30d")]
    pub expires_in: String,
}

/// A token that was minted. It is told this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MintedToken {
    /// To be sent as `Authorization: Bearer TOKEN`.
    pub token: String,
    /// What lists call it: 16 hexadecimal digits.
    #[schema(example = "4be0643f1d98573b")]
    pub token_id: String,
    /// From when on it proves nothing (RFC 3339).
    pub expires_at: String,
}

/// Shows which one it is, and not the token.
impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MintedToken").field(&self.token_id).finish()
    }
}

/// Credentials for the bus to be minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MintCredentials {
    /// How long they are valid: `90s`, `10m`; one minute to fifteen.
    #[schema(example = "15m")]
    pub expires_in: String,
    /// What the agent connects with: `nats` (the default) or `mqtt`.
    #[serde(default)]
    pub transport: Transport,
}

/// What an external agent connects to the bus with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A client of NATS, which signs with the credentials' key.
    #[default]
    Nats,
    /// A client of MQTT 3.1.1: the credentials are its password, and any user name will do.
    Mqtt,
}

/// Credentials that were minted. They are told this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MintedCredentials {
    /// The text of a `.creds` file, as every client of NATS reads it; for MQTT the password.
    pub credentials: String,
    /// From when on they open nothing; the server then closes what they opened (RFC 3339).
    pub expires_at: String,
    /// The one subject (MQTT: topic) to publish to: what `POST /api/messages` takes.
    #[schema(example = "tenants.acme.ingress.meter")]
    pub publish: String,
    /// What subjects to subscribe to begin with.
    #[schema(example = "tenants.acme.deliveries.meter")]
    pub subscribe: String,
    /// What the client must begin the subjects with on which it awaits answers.
    #[schema(example = "_INBOX_meter")]
    pub inbox_prefix: String,
}

/// Shows where they lead, and not the credentials.
impl fmt::Debug for MintedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MintedCredentials").field(&self.publish).field(&self.expires_at).finish()
    }
}

/// What may be told of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentToken {
    /// Its name: 16 hexadecimal digits.
    #[schema(example = "4be0643f1d98573b")]
    pub token_id: String,
    /// When it was minted (RFC 3339).
    pub created_at: String,
    /// From when on it proves nothing (RFC 3339).
    pub expires_at: String,
}

/// How long something lasts, as people write it: `90s`, `10m`, `2h`, `30d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetime {
    text: String,
    duration: Duration,
}

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use a number and s, m, h or d: 90s, 10m, 2h, 30d")]
pub struct BadLifetime;

impl Lifetime {
    /// How long that is.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl FromStr for Lifetime {
    type Err = BadLifetime;

    fn from_str(raw: &str) -> Result<Self, BadLifetime> {
        let unit = raw.chars().last().ok_or(BadLifetime)?;
        let secs_each: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(BadLifetime),
        };
        let count = raw.strip_suffix(unit).filter(|count| count.bytes().all(|b| b.is_ascii_digit()));
        let secs = count.and_then(|count| count.parse::<u64>().ok()).and_then(|count| count.checked_mul(secs_each));
        Ok(Self { text: raw.to_owned(), duration: Duration::from_secs(secs.ok_or(BadLifetime)?) })
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_and_a_unit() {
        let secs = |raw: &str| raw.parse::<Lifetime>().map(|lifetime| lifetime.duration().as_secs()).ok();
        assert_eq!(["90s", "10m", "2h", "30d"].map(secs), [Some(90), Some(600), Some(7_200), Some(2_592_000)]);
        for bad in ["", "s", "30", "-1d", "1.5h", "30 d", "30w", "99999999999999999999d", "9999999999999999d", "+1d"] {
            assert_eq!(secs(bad), None, "{bad}");
        }
    }
}
