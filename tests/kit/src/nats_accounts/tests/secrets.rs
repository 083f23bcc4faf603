//! No seed and no token where somebody may look who should not.

use std::fs;
use std::sync::Arc;

use host_bus::accounts::{Account, Accounts, Minter, connect};

use super::bench::{Bench, account, tenant};
use crate::AccountsServer;

/// Every seed in a folder of accounts.
fn seeds(server: &AccountsServer) -> Vec<String> {
    let read = |name| fs::read_to_string(server.dir().join(name)).unwrap().trim().to_owned();
    ["operator.nk", "signing.nk", "accounts.nk"].map(read).to_vec()
}

#[tokio::test]
async fn no_seed_stands_in_an_error_a_debug_text_the_servers_log_or_on_a_command_line() {
    let bench = Bench::new().await;
    let credentials = bench.meter("acme");
    let (host, meter) = (bench.host("acme").await, bench.with(&credentials).await);
    let mut secrets = seeds(&bench.server);
    secrets.extend([credentials.seed().to_string(), credentials.jwt().to_owned()]);

    // A host of another folder: nothing of it is taken here.
    let other = AccountsServer::start();
    let stranger = Arc::new(other.minter());
    secrets.extend(seeds(&other));
    let not_let_in = connect(&stranger, Account::System, bench.server.url()).await.unwrap_err();
    let system = connect(&bench.minter, Account::System, bench.server.url()).await.unwrap();
    let refused = Accounts::new(system, stranger.clone()).delete(&tenant("acme")).await.unwrap_err();
    assert!(refused.to_string().starts_with("the NATS server refuses the account of tenant acme"), "{refused}");

    let mut said = vec![
        format!("{not_let_in} {not_let_in:?}"),
        format!("{refused} {refused:?}"),
        format!("{credentials:?} {:?} {:?}", bench.minter, bench.accounts),
        format!("{host:?} {:?}", meter.client),
        fs::read_to_string(bench.server.dir().join("nats.conf")).unwrap(),
        fs::read_to_string(format!("/proc/{}/cmdline", bench.server.id())).unwrap(),
    ];
    said.extend(bench.server.log());
    for (secret, text) in secrets.iter().flat_map(|secret| said.iter().map(move |text| (secret, text))) {
        assert!(!text.contains(secret), "a secret stands in: {text}");
    }
}

#[test]
fn a_copy_of_the_folder_is_the_same_accounts_and_another_folder_is_none_of_them() {
    let (one, other) = (AccountsServer::start(), AccountsServer::start());
    let id = |minter: &Minter| minter.account_id(&account("acme"));
    assert_eq!(id(&one.minter()), id(&one.minter()));
    assert_ne!(id(&one.minter()), id(&other.minter()));
}
