//! The other side of M8, M9, M10 and M-durable: a NATS server on loopback, spoken to by `async-nats`.

mod kept;
mod stream;
mod told;

pub(crate) use kept::Kept;
pub(crate) use stream::StreamAt;
pub(crate) use told::{Heard, Told};

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use async_nats::Client;
use host_bus::{Class, HostId, NatsCredentials, NatsSettings};
use serde_json::{Value, json};
use tests_kit::NatsServer;
use tokio::runtime::Runtime;

use crate::crowd;
use crate::laps::Laps;

/// Where requests are answered with their own body.
const ECHO: &str = "bench.echo";
/// Where each message is kept.
const KEPT: &str = "bench.kept";
/// The stream of that subject.
const STREAM: &str = "BENCH";

/// A server of our own, with its clients in this process.
pub(crate) struct Nats {
    pub(crate) runtime: Runtime,
    /// Asks and publishes.
    client: Client,
    server: NatsServer,
}

impl Nats {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (runtime, server) = (Runtime::new()?, NatsServer::start());
        let client = runtime.block_on(server.connect());
        Ok(Self { runtime, client, server })
    }

    /// How a host reaches the server.
    pub(crate) fn settings(&self, host: u64) -> anyhow::Result<NatsSettings> {
        Ok(NatsSettings {
            servers: vec![self.server.url().to_owned()],
            credentials: Some(credentials(&self.server.credentials())?),
            system: Some(credentials(&self.server.system_credentials())?),
            class: Class::Durable,
            host: HostId(host),
        })
    }

    /// Answers requests with their own body, over a connection of its own: another process would need one too.
    pub(crate) fn answer(&self) -> anyhow::Result<()> {
        let (url, options) = (self.server.url().to_owned(), self.server.options());
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let answering = async move {
            let client = options.connect(url).await?;
            let mut requests = client.subscribe(ECHO).await?;
            client.flush().await?;
            ready.send(client.clone())?;
            while let Some(request) = futures_util::StreamExt::next(&mut requests).await {
                let to = request.reply.context("a request without a place for its answer")?;
                client.publish(to, request.payload).await?;
            }
            anyhow::Ok(())
        };
        drop(self.runtime.spawn(answering));
        is_ready.recv().context("nobody answers requests: the server refused a connection")?;
        Ok(())
    }

    /// Makes the stream that keeps what is published on its subject: in files, synced before each acknowledgement.
    pub(crate) fn keep(&self) -> anyhow::Result<()> {
        let stream = json!({ "name": STREAM, "subjects": [KEPT], "storage": "file" }).to_string();
        let made = self.client.request(format!("$JS.API.STREAM.CREATE.{STREAM}"), stream.into());
        let made: Value = serde_json::from_slice(&self.runtime.block_on(made)?.payload)?;
        ensure!(made.get("error").is_none(), "no stream: {made}");
        Ok(())
    }

    /// So many requests, one after the other.
    pub(crate) fn ask(&self, count: u64, body: &[u8]) -> anyhow::Result<Laps> {
        let body = body.to_vec();
        self.runtime.block_on(async {
            let began = Instant::now();
            let ask = || {
                let asked = self.client.request(ECHO, body.clone().into());
                async {
                    ensure!(asked.await?.payload == body, "the answer is not what was asked");
                    Ok(())
                }
            };
            Ok(Laps::of([crowd::one_by_one(count, ask).await?], began))
        })
    }

    /// So many messages by each of several producers at once, each acknowledged before the next.
    pub(crate) fn publish(&self, producers: usize, each: u64, body: &[u8]) -> anyhow::Result<Laps> {
        let (client, body) = (self.client.clone(), body.to_vec());
        crowd::at_once(&self.runtime, producers, each, move || {
            let (client, body) = (client.clone(), body.clone());
            async move {
                let kept = client.request(KEPT, body.into()).await?;
                let kept: Value = serde_json::from_slice(&kept.payload)?;
                ensure!(kept.get("stream").is_some_and(|stream| stream == STREAM), "a message was not kept: {kept}");
                Ok(())
            }
        })
    }
}

fn credentials(file: &Path) -> anyhow::Result<NatsCredentials> {
    Ok(NatsCredentials::read(&fs::read_to_string(file)?)?)
}
