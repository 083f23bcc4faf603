//! Why something about accounts was not done.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why something about accounts was not done. No case holds a seed or a token.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The folder was never set up.
    #[error("{} holds no NATS accounts: run `bailiwick nats init {}` first", .0.display(), .0.display())]
    NotSetUp(PathBuf),
    /// It was set up in part: by a run that was cut off, or a file was taken away since.
    #[error("{} lacks {missing}: put it back, or remove the folder and run `bailiwick nats init` again", .dir.display())]
    Incomplete {
        /// The folder.
        dir: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// The disk did not do it.
    #[error("cannot {act} {}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Others than the host's own user may read a seed.
    #[error("{} has mode {mode:o}: others may read it; run `chmod 600 {}`", .path.display(), .path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file of a seed holds something else.
    #[error("{} holds no {kind} seed: put back the one that `bailiwick nats init` wrote", .path.display())]
    NoSeed {
        /// Which file.
        path: PathBuf,
        /// Of what it should be.
        kind: &'static str,
    },
    /// A path cannot be written into the server's configuration.
    #[error("{} cannot stand in a NATS configuration: use a path without quotes, backslashes, '$' and control characters", .0.display())]
    BadPath(PathBuf),
    /// A server's address is off.
    #[error("'{0}' is no server's address: use nats://HOST:PORT")]
    BadUrl(String),
    /// A limit cannot be meant.
    #[error("the account's {name} is {value}: it must lie between 1 and {max}")]
    BadLimit {
        /// Which.
        name: &'static str,
        /// What it is.
        value: u64,
        /// The most it may be.
        max: u64,
    },
    /// Credentials would be valid for too short or too long a time.
    #[error("credentials are valid for {} to {} seconds: name a time in between", .min.as_secs(), .max.as_secs())]
    Lifetime {
        /// The shortest time.
        min: Duration,
        /// The longest time.
        max: Duration,
    },
    /// The machine's random source failed.
    #[error("the machine gives no random bytes")]
    NoRandomness(#[source] getrandom::Error),
    /// No server lets the host in.
    #[error(
        "no NATS server at {url} takes this host's credentials: is it run with the nats.conf of the accounts' folder?"
    )]
    NotConnected {
        /// Where.
        url: String,
        /// Why not.
        #[source]
        cause: async_nats::ConnectError,
    },
    /// The server did not answer in time, or nobody was there to answer.
    #[error("the NATS server does not answer on {subject}: has it a resolver of type full, and a system account?")]
    NoAnswer {
        /// What was asked.
        subject: &'static str,
        /// What became of the question.
        #[source]
        cause: async_nats::RequestError,
    },
    /// The server refused what it was told of an account.
    #[error("the NATS server refuses the account of {account}: {description} ({code})")]
    Refused {
        /// Whose account.
        account: String,
        /// Its words, cut to a line.
        description: String,
        /// Its code, as HTTP has them.
        code: u16,
    },
    /// The subscription to what external agents send did not come about.
    #[error("cannot subscribe to what external agents send")]
    NotSubscribed(#[source] async_nats::SubscribeError),
}

impl AccountsError {
    /// From what the disk said.
    pub(super) fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::File { act, path: path.to_owned(), cause }
    }
}
