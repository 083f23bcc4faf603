//! The host's own secrets in its data directory, made at the first start.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use host_bus::{HostId, NatsCredentials};
use host_ledger::SealKey;
use host_store::{DataDir, write_private};

/// The operator's token: 32 random bytes in hexadecimal, in a file that only the host's user can read.
pub(crate) fn operator_token(data: &DataDir) -> anyhow::Result<String> {
    let path = data.operator_token();
    if !path.exists() {
        let [high, low] = [random::<16>()?, random::<16>()?].map(u128::from_be_bytes);
        write_private(&path, format!("{high:032x}{low:032x}\n").as_bytes())?;
    }
    let token = fs::read_to_string(&path).with_context(|| unreadable(&path))?;
    ensure!(
        token.trim().len() >= 32,
        "{} holds no token of at least 32 characters: delete it and start again",
        path.display()
    );
    Ok(token.trim().to_owned())
}

/// The key under which this host signs the code it compiled.
pub(crate) fn artifact_key(data: &DataDir) -> anyhow::Result<[u8; 32]> {
    let path = data.artifact_key();
    if !path.exists() {
        write_private(&path, &random::<32>()?)?;
    }
    let key = fs::read(&path).with_context(|| unreadable(&path))?;
    key.try_into().map_err(|_| {
        anyhow::anyhow!("{} does not hold 32 bytes: delete it, components will be compiled again", path.display())
    })
}

/// The key under which heads of the audit are sealed.
pub(crate) fn audit_key(data: &DataDir) -> anyhow::Result<SealKey> {
    let path = data.audit_key();
    if !path.exists() {
        write_private(&path, &random::<32>()?)?;
    }
    let key = fs::read(&path).with_context(|| unreadable(&path))?;
    let key = key.try_into().map_err(|_| {
        anyhow::anyhow!(
            "{} does not hold 32 bytes: restore it, or delete it and have the audit sealed anew",
            path.display()
        )
    })?;
    Ok(SealKey(key))
}

/// Which of the hosts of one NATS this is: the same over its restarts.
pub(crate) fn host_id(data: &DataDir) -> anyhow::Result<HostId> {
    let path = data.host_id();
    if !path.exists() {
        let id = HostId(u64::from_be_bytes(random()?));
        write_private(&path, format!("{id}\n").as_bytes())?;
    }
    let text = fs::read_to_string(&path).with_context(|| unreadable(&path))?;
    text.trim().parse().with_context(|| format!("{} does not hold the id of a host: delete it", path.display()))
}

/// Credentials for NATS; an empty path names none. Nothing of what the file holds is told.
pub(crate) fn nats_credentials(path: &Path) -> anyhow::Result<Option<NatsCredentials>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| unreadable(path))?;
    NatsCredentials::read(&text).map(Some).with_context(|| format!("credentials of NATS in {}", path.display()))
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

fn random<const LEN: usize>() -> anyhow::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).context("the machine gives no random bytes")?;
    Ok(bytes)
}
