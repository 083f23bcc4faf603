//! The folder that accounts are made from: three seeds, and the server's configuration.
//!
//! `operator.nk` names the operator and signs once: keep it where no host is. `signing.nk` signs accounts, `accounts.nk` is what their
//! keys come from; a host needs these two. Nothing secret stands in `nats.conf`, and nothing is passed on a command line, which other
//! users of the machine can read and the server shows on its monitoring port.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use host_model::Timestamp;
use nkeys::KeyPairType;
use zeroize::Zeroizing;

use super::claims::{About, Claim, Limits, sign};
use super::key::Key;
use super::minter::seconds;
use super::{Account, AccountsError};

const OPERATOR: &str = "operator.nk";
const SIGNING: &str = "signing.nk";
const ACCOUNTS: &str = "accounts.nk";
const CONFIG: &str = "nats.conf";
/// The most bytes of a file with a seed.
const SEED_FILE_LEN_MAX: u64 = 1 << 10;
/// The longest message that the server takes, in bytes: a frame with a payload of 1 MiB in base64, and the room that larger ones need.
const PAYLOAD_BYTES_MAX: u32 = 8 << 20;

/// What a host needs to make accounts and users.
pub(super) struct Seeds {
    /// Signs accounts for the operator.
    pub(super) signing: Key,
    /// What the accounts' keys come from.
    pub(super) accounts: Key,
}

/// What [`init`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// All of it; the server's configuration is there.
    New(PathBuf),
    /// Nothing: it was there before.
    Already(PathBuf),
}

/// Where a server is to listen: `nats://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
}

/// Makes the operator, its system account and the hosts' account, and the configuration of a server that knows them.
///
/// Done twice it changes nothing. The configuration is written last: a folder without it was not finished. Blocks on the disk.
pub fn init(dir: &Path, listen: &ServerAddress, now: Timestamp) -> Result<Made, AccountsError> {
    if present(dir) == 0 {
        return make(dir, listen, now).map(Made::New);
    }
    open(dir)?;
    Ok(Made::Already(dir.join(CONFIG)))
}

/// Reads what a host needs.
pub(super) fn open(dir: &Path) -> Result<Seeds, AccountsError> {
    if present(dir) == 0 {
        return Err(AccountsError::NotSetUp(dir.to_owned()));
    }
    let lacks = [SIGNING, ACCOUNTS, CONFIG].into_iter().find(|name| !dir.join(name).exists());
    if let Some(missing) = lacks {
        return Err(AccountsError::Incomplete { dir: dir.to_owned(), missing });
    }
    let signing = read(&dir.join(SIGNING), KeyPairType::Operator, "operator")?;
    let accounts = read(&dir.join(ACCOUNTS), KeyPairType::Account, "account")?;
    Ok(Seeds { signing, accounts })
}

fn present(dir: &Path) -> usize {
    [OPERATOR, SIGNING, ACCOUNTS, CONFIG].iter().filter(|name| dir.join(name).exists()).count()
}

fn make(dir: &Path, listen: &ServerAddress, now: Timestamp) -> Result<PathBuf, AccountsError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(AccountsError::file("create", dir))?;
    let dir = dir.canonicalize().map_err(AccountsError::file("find", dir))?;
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\'' | '\\' | '$');
    let path =
        dir.to_str().filter(|path| path.chars().all(plain)).ok_or_else(|| AccountsError::BadPath(dir.clone()))?;
    let operator = Key::random(KeyPairType::Operator)?;
    let seeds = Seeds { signing: Key::random(KeyPairType::Operator)?, accounts: Key::random(KeyPairType::Account)? };
    for (name, key) in [(OPERATOR, &operator), (SIGNING, &seeds.signing), (ACCOUNTS, &seeds.accounts)] {
        write(&dir.join(name), 0o600, format_args!("{}\n", key.seed().as_str()))?;
    }
    let config = dir.join(CONFIG);
    write(&config, 0o644, format_args!("{}", configuration(&operator, &seeds, path, listen, now)))?;
    File::open(&dir).and_then(|dir| dir.sync_all()).map_err(AccountsError::file("sync", &dir))?;
    Ok(config)
}

fn configuration(operator: &Key, seeds: &Seeds, dir: &str, listen: &ServerAddress, now: Timestamp) -> String {
    let ServerAddress { host, port } = listen;
    let [system, hosts] = [Account::System, Account::Hosts].map(|account| seeds.account(&account).public());
    // The system account has no streams: the server refuses to keep any for it.
    let system_limits = Limits { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0, ..Limits::none() };
    let system_claims = seeds.account_claims(&Account::System, system_limits, now);
    let hosts_claims = seeds.account_claims(&Account::Hosts, Limits::none(), now);
    let about = About { subject: operator.public(), name: "bailiwick", issued_at: seconds(now), expires: None };
    let claim = Claim::Operator { signing_keys: vec![seeds.signing.public()], system_account: system.clone() };
    let operator = sign(about, claim, operator);
    format!(
        "# Written by `bailiwick nats init`. Run it with: nats-server -c {dir}/{CONFIG}\n\
         # Nothing in here is secret. A server on another machine needs this file alone, with paths and an address of its own.\n\
         listen: \"{host}:{port}\"\n\
         max_payload: {PAYLOAD_BYTES_MAX}\n\
         \n\
         # An acknowledged message is on the disk.\n\
         jetstream {{\n  store_dir: \"{dir}/server/jetstream\"\n  sync_interval: always\n}}\n\
         \n\
         # Hosts tell the server of each tenant's account, and it keeps what it was told.\n\
         operator: {operator}\n\
         system_account: {system}\n\
         resolver {{\n  type: full\n  dir: \"{dir}/server/accounts\"\n  allow_delete: true\n  interval: \"2m\"\n}}\n\
         resolver_preload {{\n  {system}: {system_claims}\n  {hosts}: {hosts_claims}\n}}\n"
    )
}

/// Writes a new file, durably.
fn write(path: &Path, mode: u32, text: fmt::Arguments<'_>) -> Result<(), AccountsError> {
    let text = Zeroizing::new(text.to_string());
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(AccountsError::file("write", path))
}

fn read(path: &Path, kind: KeyPairType, name: &'static str) -> Result<Key, AccountsError> {
    let file = fs::metadata(path).map_err(AccountsError::file("read", path))?;
    if file.mode() & 0o077 != 0 {
        return Err(AccountsError::TooOpen { path: path.to_owned(), mode: file.mode() & 0o777 });
    }
    let no_seed = || AccountsError::NoSeed { path: path.to_owned(), kind: name };
    if file.len() > SEED_FILE_LEN_MAX {
        return Err(no_seed());
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => return Err(no_seed()),
        Err(cause) => return Err(AccountsError::file("read", path)(cause)),
    };
    Key::parse(kind, text.trim()).ok_or_else(no_seed)
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nats://{}:{}", self.host, self.port)
    }
}

impl FromStr for ServerAddress {
    type Err = AccountsError;

    fn from_str(raw: &str) -> Result<Self, AccountsError> {
        let parts = raw.strip_prefix("nats://").and_then(|rest| rest.trim_end_matches('/').rsplit_once(':'));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let read = parts.and_then(|(host, port)| {
            let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
            (!host.is_empty() && host.chars().all(plain)).then(|| Self { host: host.to_owned(), port })
        });
        read.ok_or_else(|| AccountsError::BadUrl(raw.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn address() -> ServerAddress {
        "nats://127.0.0.1:4222".parse().unwrap()
    }

    /// A folder that was set up.
    fn made() -> (TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/nats");
        assert_eq!(init(&dir, &address(), NOW).unwrap(), Made::New(dir.join(CONFIG)));
        (home, dir)
    }

    fn refused(dir: &Path) -> String {
        open(dir).err().unwrap().to_string()
    }

    #[test]
    fn a_seed_is_for_its_owners_eyes_and_stands_in_no_other_file() {
        let (_home, dir) = made();
        let config = fs::read_to_string(dir.join(CONFIG)).unwrap();
        for name in [OPERATOR, SIGNING, ACCOUNTS] {
            assert_eq!(fs::metadata(dir.join(name)).unwrap().mode() & 0o777, 0o600, "{name}");
            let seed = fs::read_to_string(dir.join(name)).unwrap();
            assert!(seed.starts_with('S') && !config.contains(seed.trim()), "{name}");
        }
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn done_twice_it_changes_nothing_and_says_so() {
        let (_home, dir) = made();
        let all = || [OPERATOR, SIGNING, ACCOUNTS, CONFIG].map(|name| fs::read(dir.join(name)).unwrap());
        let before = all();
        let other = "nats://127.0.0.1:4333".parse().unwrap();
        assert_eq!(init(&dir, &other, NOW).unwrap(), Made::Already(dir.join(CONFIG)));
        assert_eq!(all(), before);
        fs::remove_file(dir.join(OPERATOR)).unwrap();
        assert_eq!(init(&dir, &address(), NOW).unwrap(), Made::Already(dir.join(CONFIG)));
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do() {
        let (home, dir) = made();
        assert!(refused(&home.path().join("none")).contains("run `bailiwick nats init"));
        let signing = dir.join(SIGNING);
        fs::set_permissions(&signing, Permissions::from_mode(0o640)).unwrap();
        assert!(refused(&dir).contains("has mode 640: others may read it; run `chmod 600"));
        fs::set_permissions(&signing, Permissions::from_mode(0o600)).unwrap();
        let seed = fs::read_to_string(&signing).unwrap();
        for bad in ["", "SOAXXX", &seed.replace('A', "B"), &"A".repeat(2_000)] {
            fs::write(&signing, bad).unwrap();
            let said = refused(&dir);
            assert!(said.contains("holds no operator seed"), "{said}");
            assert!(bad.is_empty() || !said.contains(bad.trim()), "{said}");
        }
        fs::remove_file(&signing).unwrap();
        assert!(refused(&dir).contains("lacks signing.nk"));
        assert!(init(&dir, &address(), NOW).unwrap_err().to_string().contains("lacks signing.nk"));
    }

    #[test]
    fn a_path_that_would_mean_something_to_the_server_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a\"b", "a$b", "a\nb"] {
            let refused = init(&home.path().join(name), &address(), NOW).unwrap_err();
            assert!(matches!(refused, AccountsError::BadPath(_)), "{refused}");
        }
    }

    #[test]
    fn an_address_names_a_host_and_a_port() {
        let check = |raw: &str, ok: bool| assert_eq!(raw.parse::<ServerAddress>().is_ok(), ok, "{raw}");
        check("nats://127.0.0.1:4222", true);
        check("nats://nats-1.example:4222/", true);
        check("nats://[::1]:4222", true);
        check("nats://127.0.0.1", false);
        check("nats://127.0.0.1:0", false);
        check("nats://user:password@127.0.0.1:4222", false);
        check("nats://a\"b:4222", false);
        check("http://127.0.0.1:4222", false);
        check("", false);
    }
}
