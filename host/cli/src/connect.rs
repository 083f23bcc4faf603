//! Which host, as whom, in which tenant.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use host_model::TenantId;
use reqwest::Url;

use crate::client::Client;
use crate::error::CliError;
use crate::print::Output;

/// Where `bailiwick host`, started in this directory, leaves its operator token.
const LOCAL_TOKEN_FILE: &str = ".bailiwick/data/operator.token";
/// The longest token, in bytes.
const TOKEN_LEN_MAX: usize = 4_096;

/// How every client verb reaches a host and prints what it says.
#[derive(Debug, clap::Args)]
pub(crate) struct Connection {
    /// The host's address; http only, so keep it on one machine or behind a TLS proxy
    #[arg(long, env = "BAILIWICK_URL", hide_env_values = true, default_value = "http://127.0.0.1:7410", global = true)]
    url: String,
    /// The operator's token, or @FILE to read it from one. Without it, and with a host on this machine, ./.bailiwick/data/operator.token is read
    #[arg(long, env = "BAILIWICK_TOKEN", hide_env_values = true, value_name = "TOKEN|@FILE", global = true)]
    token: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// The tenant flag of every verb about a tenant's things.
#[derive(Debug, clap::Args)]
pub(crate) struct InTenant {
    /// Whose agents and topics
    #[arg(long, env = "BAILIWICK_TENANT", hide_env_values = true, global = true)]
    tenant: Option<TenantId>,
}

impl InTenant {
    /// The tenant that was named.
    pub(crate) fn named(&self) -> Result<&TenantId, CliError> {
        self.tenant
            .as_ref()
            .ok_or_else(|| CliError::Usage("no tenant named: add --tenant ID or set BAILIWICK_TENANT".to_owned()))
    }
}

impl Connection {
    /// A client for the host that was named. Connects to nothing yet.
    pub(crate) fn client(&self) -> Result<Client, CliError> {
        let url = parse_url(&self.url)?;
        let token = self.token(&url)?;
        Client::new(url, token)
    }

    fn token(&self, url: &Url) -> Result<Option<String>, CliError> {
        match self.token.as_deref() {
            Some(given) => match given.strip_prefix('@') {
                Some(path) => read_token(Path::new(path)).map(Some),
                None => check_token(given, "--token").map(Some),
            },
            // A token found lying about is for the host on this machine and no other.
            None if is_local(url) => read_local_token(Path::new(LOCAL_TOKEN_FILE)),
            None => Ok(None),
        }
    }
}

fn parse_url(raw: &str) -> Result<Url, CliError> {
    let usage = |why: &str| CliError::Usage(format!("--url '{raw}' {why}"));
    let url: Url = raw.parse().map_err(|_| usage("is not a URL: give one like http://127.0.0.1:7410"))?;
    match url.scheme() {
        "http" if url.path() == "/" && url.query().is_none() && url.username().is_empty() => Ok(url),
        "http" => Err(usage("has more than a host and a port: give one like http://127.0.0.1:7410")),
        "https" => Err(usage(
            "is https, and this build speaks http only: use http on this machine, through an SSH tunnel or a local TLS proxy",
        )),
        _ => Err(usage("is not http: give one like http://127.0.0.1:7410")),
    }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn read_local_token(path: &Path) -> Result<Option<String>, CliError> {
    if path.exists() { read_token(path).map(Some) } else { Ok(None) }
}

fn read_token(path: &Path) -> Result<String, CliError> {
    let raw = fs::read_to_string(path).map_err(|cause| CliError::File { path: PathBuf::from(path), cause })?;
    check_token(raw.trim(), &path.display().to_string())
}

fn check_token(raw: &str, whence: &str) -> Result<String, CliError> {
    let ok = (1..=TOKEN_LEN_MAX).contains(&raw.len()) && raw.bytes().all(|b| b.is_ascii_graphic());
    ok.then(|| raw.to_owned())
        .ok_or_else(|| CliError::Usage(format!("{whence} holds no token: give what DATA/operator.token holds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, problem: Option<&str>) {
        let refused = parse_url(raw).err().map(|error| (error.exit_code(), error.to_string()));
        match (problem, refused) {
            (None, None) => {}
            (Some(problem), Some((2, text))) => assert!(text.contains(problem), "{text}"),
            (problem, refused) => unreachable!("{raw}: {problem:?} {refused:?}"),
        }
    }

    #[test]
    fn a_url_is_http_with_a_host_and_a_port() {
        check("http://127.0.0.1:7410", None);
        check("http://127.0.0.1:7410/", None);
        check("https://host", Some("speaks http only"));
        check("http://host/api", Some("more than a host"));
        check("http://user@host", Some("more than a host"));
        check("ftp://host", Some("is not http"));
        check("host:7410", Some("is not http"));
        check("", Some("not a URL"));
    }

    #[test]
    fn a_found_token_is_sent_to_this_machine_only() {
        let check = |url: &str, local| assert_eq!(is_local(&url.parse().unwrap()), local, "{url}");
        check("http://127.0.0.1:7410", true);
        check("http://[::1]:7410", true);
        check("http://localhost", true);
        check("http://10.0.0.1", false);
        check("http://localhost.example.org", false);
        check("http://127.0.0.1.example.org", false);
    }

    #[test]
    fn a_token_is_plain_text_of_bounded_length() {
        assert_eq!(check_token("abc", "--token").unwrap(), "abc");
        for bad in ["", "a b", "a\nb", &"x".repeat(TOKEN_LEN_MAX + 1)] {
            assert_eq!(check_token(bad, "--token").unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
