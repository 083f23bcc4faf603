//! The way between a host and a server, which a test can make slow, silent or closed.

use std::io;
use std::net::{SocketAddr, TcpListener as Bound};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::aside;
use crate::chance::Chance;

/// How many bytes are carried at once.
const CHUNK_LEN_MAX: usize = 16 * 1024;
/// How many of them may be under way in one direction: what is sent past that waits at its sender, as on any line.
const UNDER_WAY_MAX: usize = 256;
/// How much later a chunk comes that was lost on the way: the least that Linux waits before it sends again.
const SENT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Carries connections to a server. Dropping it cuts them.
///
/// On a thread of its own: a test that waits for a host to start has a way open to it all the while.
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

/// How the way is.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    latency: Duration,
    /// In 1000 chunks.
    lost: usize,
    /// What a client says does not pass.
    deaf: bool,
    /// What the server says does not pass.
    dumb: bool,
    refuses: bool,
    /// Counts cuts: a connection ends with the age it was made in.
    age: u64,
}

impl Proxy {
    /// A way to the server at an address `nats://HOST:PORT`, open and quick.
    pub fn to(url: &str) -> Self {
        let server: SocketAddr = url.trim_start_matches("nats://").parse().expect("an address");
        let listener = Bound::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a socket can be");
        let (way, seen) = watch::channel(Way::default());
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, server, seen));
        });
        Self { address, way }
    }

    /// Where clients reach the server over it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// What is sent from now on takes so much longer, in each direction.
    pub fn slow(&self, latency: Duration) {
        self.way.send_modify(|way| way.latency = latency);
    }

    /// So many in 1000 chunks are lost and sent again: they come later, and so does all behind them.
    pub fn lossy(&self, lost_per_1000: usize) {
        self.way.send_modify(|way| way.lost = lost_per_1000);
    }

    /// Nothing passes any more, and nobody is told: a cable was pulled.
    pub fn stall(&self) {
        self.way.send_modify(|way| (way.deaf, way.dumb) = (true, true));
    }

    /// The server hears all, and nothing that it says passes any more.
    pub fn stall_answers(&self) {
        self.way.send_modify(|way| way.dumb = true);
    }

    /// Closes what is connected. Who connects again may.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.age += 1);
    }

    /// Closes what is connected, and each new connection at once.
    pub fn refuse(&self) {
        self.way.send_modify(|way| *way = Way { refuses: true, age: way.age + 1, ..*way });
    }

    /// Open and quick again, and what was stalled goes on.
    pub fn restore(&self) {
        self.way.send_modify(|way| *way = Way { age: way.age, ..Way::default() });
    }
}

/// Until the proxy is gone. What is carried ends with the runtime that this runs on.
async fn serve(listener: Bound, server: SocketAddr, way: watch::Receiver<Way>) {
    let listener = TcpListener::from_std(listener).expect("it is bound");
    let mut changes = way.clone();
    let gone = async { while changes.changed().await.is_ok() {} };
    tokio::select! { () = accept(listener, server, way) => {}, () = gone => {} }
}

async fn accept(listener: TcpListener, server: SocketAddr, way: watch::Receiver<Way>) {
    while let Ok((client, _)) = listener.accept().await {
        let now = *way.borrow();
        if !now.refuses {
            drop(aside(carry(client, server, now.age, way.clone())));
        }
    }
}

/// Carries one connection until either side closes it or it is cut.
async fn carry(client: TcpStream, server: SocketAddr, age: u64, way: watch::Receiver<Way>) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    // What is small waits for nothing but the way.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut cuts = way.clone();
    tokio::select! {
        ended = one_way(from_client, to_server, way.clone(), |way| way.deaf) => ended,
        ended = one_way(from_server, to_client, way, |way| way.dumb) => ended,
        _ = cuts.wait_for(|way| way.age != age) => Ok(()),
    }
}

async fn one_way(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: watch::Receiver<Way>,
    stalled: fn(&Way) -> bool,
) -> io::Result<()> {
    let (sent, coming) = mpsc::channel(UNDER_WAY_MAX);
    tokio::try_join!(take(from, sent, way.clone()), hand_out(coming, to, way, stalled)).map(drop)
}

/// Reads what is sent, and says when it is to arrive.
async fn take(
    mut from: OwnedReadHalf,
    sent: mpsc::Sender<(Instant, Vec<u8>)>,
    way: watch::Receiver<Way>,
) -> io::Result<()> {
    let mut chance = Chance::new(0);
    loop {
        let mut chunk = vec![0; CHUNK_LEN_MAX];
        let len = from.read(&mut chunk).await?;
        chunk.truncate(len);
        let now = *way.borrow();
        let again = if chance.below(1000) < now.lost { SENT_AGAIN_AFTER } else { Duration::ZERO };
        if len == 0 || sent.send((Instant::now() + now.latency + again, chunk)).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes what has arrived, in order, unless nothing passes.
async fn hand_out(
    mut coming: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    stalled: fn(&Way) -> bool,
) -> io::Result<()> {
    while let Some((arrives, chunk)) = coming.recv().await {
        // A timer has ticks of a millisecond: what is due already must not wait for the next.
        if arrives > Instant::now() {
            sleep_until(arrives).await;
        }
        // With the proxy gone, so is this.
        let _ = way.wait_for(|way| !stalled(way)).await;
        to.write_all(&chunk).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// Longer than anything here takes by itself.
    const LONG: Duration = Duration::from_secs(20);
    /// Shorter than what is not to come at all.
    const SHORT: Duration = Duration::from_millis(300);

    /// A server that answers each connection with what it hears there.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answering = async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut hears, mut says) = client.into_split();
                drop(aside(async move { tokio::io::copy(&mut hears, &mut says).await }));
            }
        };
        drop(aside(answering));
        format!("nats://{address}")
    }

    async fn ask(client: &mut TcpStream) -> io::Result<()> {
        client.write_all(b"x").await?;
        client.read_exact(&mut [0]).await.map(drop)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address).await.unwrap()
    }

    #[tokio::test]
    async fn a_slow_way_takes_its_time_in_both_directions_and_does_not_queue() {
        let proxy = Proxy::to(&echo().await);
        let mut client = connect(&proxy).await;
        timeout(LONG, ask(&mut client)).await.unwrap().unwrap();
        proxy.slow(Duration::from_millis(50));
        let began = Instant::now();
        client.write_all(&vec![0; 10 * CHUNK_LEN_MAX]).await.unwrap();
        client.read_exact(&mut vec![0; 10 * CHUNK_LEN_MAX]).await.unwrap();
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(100), "{took:?}");
        assert!(took < Duration::from_secs(1), "chunk after chunk: {took:?}");
    }

    #[tokio::test]
    async fn what_is_lost_comes_later() {
        let proxy = Proxy::to(&echo().await);
        let mut client = connect(&proxy).await;
        proxy.lossy(1000);
        let began = Instant::now();
        timeout(LONG, ask(&mut client)).await.unwrap().unwrap();
        assert!(began.elapsed() >= 2 * SENT_AGAIN_AFTER);
    }

    #[tokio::test]
    async fn nothing_passes_a_stalled_way_and_all_of_it_once_it_is_restored() {
        let proxy = Proxy::to(&echo().await);
        let mut client = connect(&proxy).await;
        proxy.stall();
        timeout(SHORT, ask(&mut client)).await.unwrap_err();
        proxy.restore();
        timeout(LONG, client.read_exact(&mut [0])).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_cut_connection_ends_and_a_new_one_is_refused_until_it_may() {
        let proxy = Proxy::to(&echo().await);
        let mut first = connect(&proxy).await;
        timeout(LONG, ask(&mut first)).await.unwrap().unwrap();
        proxy.cut();
        timeout(LONG, ask(&mut first)).await.unwrap().unwrap_err();
        timeout(LONG, ask(&mut connect(&proxy).await)).await.unwrap().unwrap();
        proxy.refuse();
        timeout(LONG, ask(&mut connect(&proxy).await)).await.unwrap().unwrap_err();
        proxy.restore();
        timeout(LONG, ask(&mut connect(&proxy).await)).await.unwrap().unwrap();
    }
}
