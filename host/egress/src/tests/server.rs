//! A server on the loopback that answers with bytes as they are, and keeps what it got.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How a server answers: the request as text, and the rest of the connection.
type Answers = dyn Fn(&str) -> Answer + Send + Sync;

/// What a server does with a request.
pub(super) enum Answer {
    /// Writes this.
    Bytes(Vec<u8>),
    /// Writes this, and then that for ever, as often as it is taken.
    Endless(Vec<u8>, Vec<u8>),
    /// Writes this, and then that a hundred times a second.
    Drip(Vec<u8>, Vec<u8>),
    /// Nothing, but keeps the connection.
    Silence,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
    /// Dropped with the server, and what it serves with it.
    _serving: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(answers: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::behind(None, answers).await
    }

    /// With TLS in front.
    pub(super) async fn behind(
        tls: Option<tokio_rustls::TlsAcceptor>,
        answers: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let (kept, answers): (_, Arc<Answers>) = (seen.clone(), Arc::new(answers));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, answers, tls) = (kept.clone(), answers.clone(), tls.clone());
                connections.spawn(async move {
                    // The other side may go away at any time.
                    let _ = match tls {
                        None => serve(stream, number, &kept, &answers).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, number, &kept, &answers).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { address, seen, _serving: serving }
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(_, request)| request.clone()).collect()
    }

    /// On how many connections they came.
    pub(super) fn connections(&self) -> usize {
        self.seen.lock().iter().map(|(number, _)| *number).collect::<std::collections::BTreeSet<_>>().len()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    seen: &Mutex<Vec<(usize, String)>>,
    answers: &Arc<Answers>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let Some(len) = request_len(&bytes) else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let request = String::from_utf8_lossy(&bytes[..len]).into_owned();
        bytes.drain(..len);
        seen.lock().push((number, request.clone()));
        match answers(&request) {
            Answer::Bytes(answer) => stream.write_all(&answer).await?,
            Answer::Endless(first, rest) => {
                stream.write_all(&first).await?;
                loop {
                    stream.write_all(&rest).await?;
                }
            }
            Answer::Drip(first, part) => {
                stream.write_all(&first).await?;
                let mut beat = tokio::time::interval(std::time::Duration::from_millis(10));
                loop {
                    beat.tick().await;
                    stream.write_all(&part).await?;
                }
            }
            Answer::Silence => std::future::pending().await,
        }
    }
}

/// The length of the first request in `bytes`, once all of it is there.
fn request_len(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let len = head + length.map_or(0, |length| length.parse::<usize>().unwrap());
    (bytes.len() >= len).then_some(len)
}

/// A good answer with a body.
pub(super) fn ok(body: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}
