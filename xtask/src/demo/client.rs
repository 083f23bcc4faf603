//! The command-line client, as the demo's operator uses it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::{command, env};

/// `bailiwick`, pointed at the demo's host.
#[derive(Clone)]
pub(crate) struct Client {
    binary: PathBuf,
    folder: PathBuf,
    url: String,
    token: String,
}

impl Client {
    /// A client that works in `folder`.
    pub(crate) fn new(binary: &Path, folder: &Path, url: &str, token: &str) -> Self {
        Self { binary: binary.into(), folder: folder.into(), url: url.into(), token: token.into() }
    }

    /// Which binary this is.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Does something; the answer does not matter.
    pub(crate) fn tell<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<()> {
        command::capture(&mut self.command(args)).map(drop)
    }

    /// Reads something.
    pub(crate) fn ask<'a, T: DeserializeOwned>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<T> {
        let mut command = self.command(args);
        command.args(["-o", "json"]);
        let json = command::capture(&mut command)?;
        serde_json::from_str(&json)
            .with_context(|| format!("`{}` printed something else than expected", command::shown(&command)))
    }

    /// Starts to watch every topic of a tenant, one JSON document per line.
    pub(crate) fn watch(&self, tenant: &str) -> Result<Child> {
        let mut command = self.command(["topic", "sub", ">", "--tenant", tenant, "-o", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().with_context(|| format!("cannot start `{}`", command::shown(&command)))
    }

    fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.binary);
        for name in env::bailiwick_settings() {
            command.env_remove(name);
        }
        command.env("BAILIWICK_URL", &self.url).env("BAILIWICK_TOKEN", &self.token);
        command.current_dir(&self.folder).args(args).stdin(Stdio::null());
        command
    }
}
