//! A tenant's stream of messages, read line by line from the command-line client.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::client::Client;
use super::message::Message;

const READY_TIME_MAX: Duration = Duration::from_secs(10);
/// What the client says on stderr when no later message can be missed.
const READY: &str = "subscribed";

/// What comes out of the streams, and the one thing that ends them early.
pub(crate) enum Event {
    /// A message in the stream of a tenant, whatever stamp it bears.
    Message {
        stream: &'static str,
        message: Message,
    },
    Failed(anyhow::Error),
}

/// A subscription. Dropping it ends it.
pub(crate) struct Watch(Child);

impl Watch {
    /// Subscribes to all topics of `tenant`; returns when the subscription stands.
    pub(crate) fn open(client: &Client, tenant: &'static str, sink: SyncSender<Event>) -> Result<Self> {
        let mut watch = Self(client.watch(tenant)?);
        let stdout = watch.0.stdout.take().context("stdout was piped by the client")?;
        let stderr = watch.0.stderr.take().context("stderr was piped by the client")?;
        thread::spawn(move || read_messages(stdout, tenant, &sink));
        await_ready(stderr).with_context(|| format!("cannot subscribe to the topics of {tenant}"))?;
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_messages(stdout: impl Read, stream: &'static str, sink: &SyncSender<Event>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if sink.send(event(stream, &line)).is_err() {
            return;
        }
    }
    let _ = sink.send(Event::Failed(anyhow!("the subscription of {stream} ended early")));
}

fn event(stream: &'static str, line: &str) -> Event {
    match serde_json::from_str(line) {
        Ok(message) => Event::Message { stream, message },
        Err(cause) => Event::Failed(anyhow!(cause).context(format!("the subscription of {stream} printed {line:?}"))),
    }
}

/// Waits for the word on stderr; goes on reading it, so that the client is never blocked.
fn await_ready(stderr: impl Read + Send + 'static) -> Result<()> {
    let (said, heard) = mpsc::sync_channel(1);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Full means that the first word was heard already.
            let _ = said.try_send(line);
        }
    });
    let first = heard.recv_timeout(READY_TIME_MAX).context("the client said nothing in time")?;
    if first.starts_with(READY) { Ok(()) } else { Err(anyhow!(first)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subscription_stands_when_the_client_says_so() {
        assert!(await_ready("subscribed to > of acme\n".as_bytes()).is_ok());
        assert_eq!(await_ready("no such tenant\n".as_bytes()).unwrap_err().to_string(), "no such tenant");
        assert!(await_ready("".as_bytes()).is_err());
    }

    #[test]
    fn a_line_that_is_no_message_fails_the_demo_and_is_shown() {
        let Event::Failed(error) = event("acme", "oops") else { panic!("this is no message") };
        assert_eq!(error.to_string(), "the subscription of acme printed \"oops\"");
    }
}
