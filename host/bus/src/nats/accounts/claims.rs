//! NATS JWTs of version 2: what an operator, an account and a user may be, signed by the one above.
//!
//! The format is that of `github.com/nats-io/jwt/v2`: a JWS (RFC 7515) in compact form with `alg` `ed25519-nkey`, and the claims of
//! NATS under `nats`. A limit of -1 is none; one of 0 is nothing at all.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde::Serialize;
use sha2::{Digest as _, Sha512_256};

use super::key::Key;

/// No limit, as NATS writes it.
pub(super) const NO_LIMIT: i64 = -1;
/// Base64 of nothing secret: `{"typ":"JWT","alg":"ed25519-nkey"}`.
const HEADER: &[u8] = br#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
/// Which version of the claims.
const VERSION: u8 = 2;

/// Whom claims are about, and how long they hold.
pub(super) struct About<'a> {
    /// Whose claims: a public key.
    pub(super) subject: String,
    /// A name for people.
    pub(super) name: &'a str,
    /// Seconds since the Unix epoch.
    pub(super) issued_at: u64,
    /// Seconds since the Unix epoch; none is never.
    pub(super) expires: Option<u64>,
}

/// What is claimed.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Claim {
    /// An operator, and who signs for it.
    Operator { signing_keys: Vec<String>, system_account: String },
    /// An account.
    Account { limits: Limits },
    /// A user of an account.
    User(Box<User>),
    /// Accounts to be deleted.
    Generic { accounts: Vec<String> },
}

/// What an account may use; all of its connections together, where the server counts so.
#[derive(Serialize)]
pub(super) struct Limits {
    /// Subscriptions of one connection.
    pub(super) subs: i64,
    pub(super) data: i64,
    /// Bytes of a message, its headers among them.
    pub(super) payload: i64,
    pub(super) imports: i64,
    pub(super) exports: i64,
    pub(super) wildcards: bool,
    pub(super) disallow_bearer: bool,
    /// Connections to all servers.
    pub(super) conn: i64,
    pub(super) leaf: i64,
    pub(super) mem_storage: i64,
    /// Bytes of all its streams, each replica counted.
    pub(super) disk_storage: i64,
    pub(super) streams: i64,
    pub(super) consumer: i64,
}

/// What a user may do. The account's limits hold beside these.
#[derive(Serialize)]
pub(super) struct User {
    #[serde(rename = "pub")]
    pub(super) publish: Permission,
    #[serde(rename = "sub")]
    pub(super) subscribe: Permission,
    pub(super) subs: i64,
    pub(super) data: i64,
    pub(super) payload: i64,
    /// Whether its token alone lets it in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) bearer_token: bool,
    /// How it may connect; empty is in any way.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) allowed_connection_types: &'static [&'static str],
}

/// Which subjects; an empty list is all.
#[derive(Serialize)]
pub(super) struct Permission {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) allow: Vec<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    jti: String,
    iat: u64,
    iss: String,
    name: &'a str,
    sub: String,
    nats: Versioned,
}

#[derive(Serialize)]
struct Versioned {
    #[serde(flatten)]
    claim: Claim,
    version: u8,
}

/// The claims as a signed token.
pub(super) fn sign(about: About<'_>, claim: Claim, issuer: &Key) -> String {
    let About { subject: sub, name, issued_at: iat, expires: exp } = about;
    let nats = Versioned { claim, version: VERSION };
    let mut claims = Claims { exp, jti: String::new(), iat, iss: issuer.public(), name, sub, nats };
    claims.jti = id_of(&claims);
    let signed = format!("{}.{}", BASE64URL_NOPAD.encode(HEADER), BASE64URL_NOPAD.encode(&json(&claims)));
    let signature = BASE64URL_NOPAD.encode(&issuer.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// SHA-512/256 in base32, as NATS does, but over all of the claims: a server takes an account's second claims of one second for the
/// first if their ids are the same.
fn id_of(claims: &Claims<'_>) -> String {
    BASE32_NOPAD.encode(&Sha512_256::digest(json(claims)))
}

fn json(claims: &Claims<'_>) -> Vec<u8> {
    serde_json::to_vec(claims).expect("plain structs with text keys are JSON")
}

impl Limits {
    /// What the hosts' own account may use: all that the server has.
    pub(super) const fn none() -> Self {
        Self {
            subs: NO_LIMIT,
            data: NO_LIMIT,
            payload: NO_LIMIT,
            imports: 0,
            exports: 0,
            wildcards: false,
            disallow_bearer: true,
            conn: NO_LIMIT,
            leaf: 0,
            mem_storage: NO_LIMIT,
            disk_storage: NO_LIMIT,
            streams: NO_LIMIT,
            consumer: NO_LIMIT,
        }
    }
}

impl User {
    /// One with all rights of its account.
    pub(super) fn full() -> Self {
        let (publish, subscribe) = (Permission { allow: Vec::new() }, Permission { allow: Vec::new() });
        Self {
            publish,
            subscribe,
            subs: NO_LIMIT,
            data: NO_LIMIT,
            payload: NO_LIMIT,
            bearer_token: false,
            allowed_connection_types: &[],
        }
    }

    /// One that may ask on these subjects and be answered.
    pub(super) fn asking(subjects: &str) -> Self {
        let [publish, subscribe] = [subjects, "_INBOX.>"].map(|subject| Permission { allow: vec![subject.to_owned()] });
        Self { publish, subscribe, ..Self::full() }
    }
}

#[cfg(test)]
mod tests {
    use nkeys::{KeyPair, KeyPairType};
    use serde_json::{Value, json};

    use super::*;

    fn account(streams: i64, signer: &Key) -> String {
        let about = About { subject: "A".to_owned(), name: "acme", issued_at: 7, expires: None };
        sign(about, Claim::Account { limits: Limits { streams, ..Limits::none() } }, signer)
    }

    fn read(token: &str) -> Value {
        let claims = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn claims_are_signed_by_whom_they_name_as_their_issuer() {
        let signer = Key::random(KeyPairType::Operator).unwrap();
        let token = account(1, &signer);
        let (claimed, signature) = token.rsplit_once('.').unwrap();
        let issuer = KeyPair::from_public_key(read(&token)["iss"].as_str().unwrap()).unwrap();
        issuer.verify(claimed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()).unwrap();
        assert_eq!(issuer.public_key(), signer.public());
    }

    #[test]
    fn claims_have_the_shape_that_nats_reads() {
        let claims = read(&account(3, &Key::random(KeyPairType::Operator).unwrap()));
        assert_eq!((&claims["sub"], &claims["iat"], claims.get("exp")), (&json!("A"), &json!(7), None));
        let nats = &claims["nats"];
        assert_eq!((&nats["type"], &nats["version"]), (&json!("account"), &json!(2)));
        assert_eq!((&nats["limits"]["streams"], &nats["limits"]["disallow_bearer"]), (&json!(3), &json!(true)));
    }

    #[test]
    fn other_claims_of_the_same_second_have_another_id() {
        let signer = Key::random(KeyPairType::Operator).unwrap();
        let id = |streams| read(&account(streams, &signer))["jti"].as_str().unwrap().to_owned();
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
        assert_eq!(id(1).len(), 52);
    }
}
