//! A host's own connections: each with credentials of its own, made when it connects and renewed while they are good.

use std::sync::Arc;

use async_nats::{Auth, AuthError, Client, ConnectOptions};
use tokio_util::sync::CancellationToken;

use super::{Account, AccountsError, Minter};

/// How to connect to an account as a host. Each connection, and each one after it was lost, gets new credentials.
///
/// The credentials live in this process alone: they are made for one connection and wiped with it.
pub fn options(minter: &Arc<Minter>, account: Account) -> ConnectOptions {
    let minter = minter.clone();
    ConnectOptions::with_auth_callback(move |nonce| {
        let answer = authenticate(&minter, &account, &nonce);
        async move { answer }
    })
    .name("bailiwick host")
}

/// Connects to an account as a host.
pub async fn connect(minter: &Arc<Minter>, account: Account, url: &str) -> Result<Client, AccountsError> {
    let connected = options(minter, account).connect(url).await;
    connected.map_err(|cause| AccountsError::NotConnected { url: url.to_owned(), cause })
}

/// Renews a host's credentials again and again, once three quarters of their time are over, until it is told to stop or the client
/// is closed. What is published meanwhile waits in the client; subscriptions are made again; a question that was under way is not
/// answered any more, and is asked again.
///
/// Left alone, the server closes the connection when they expire, and the client comes back with new ones: later, and unasked.
pub async fn renew(client: Client, minter: Arc<Minter>, stop: CancellationToken) {
    let every = minter.host_lifetime() * 3 / 4;
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        if client.force_reconnect().await.is_err() {
            return;
        }
    }
}

fn authenticate(minter: &Minter, account: &Account, nonce: &[u8]) -> Result<Auth, AuthError> {
    let credentials = minter.host_user(account).map_err(AuthError::new)?;
    let mut auth = Auth::new();
    auth.jwt = Some(credentials.jwt().to_owned());
    auth.signature = Some(credentials.sign(nonce));
    Ok(auth)
}
