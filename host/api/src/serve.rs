//! Serves, and stops in time.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests may take to finish after the host began to close. What is left then is cut off.
pub const GRACE: Duration = Duration::from_secs(3);

/// Serves until `closing` is cancelled, then takes no new connection and gives open requests [`GRACE`] to finish.
///
/// Give the same token to [`ApiState`](crate::ApiState), so that readiness turns false and streams end at that moment.
pub async fn serve(listener: TcpListener, router: Router, closing: CancellationToken) -> io::Result<()> {
    let graceful = axum::serve(listener, router).with_graceful_shutdown(closing.clone().cancelled_owned());
    tokio::select! {
        served = async { graceful.await } => served,
        () = overdue(&closing) => Ok(()),
    }
}

async fn overdue(closing: &CancellationToken) {
    closing.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn closing_waits_for_requests_and_not_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { pending::<()>().await }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let stop = closing.clone();
        let begun = Instant::now();
        let stopper = async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.cancel();
        };
        let (served, ()) = tokio::join!(serve(listener, router, closing), stopper);
        served.unwrap();
        assert!((GRACE..GRACE * 10).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn closing_an_idle_server_is_quick() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closing = CancellationToken::new();
        closing.cancel();
        let begun = Instant::now();
        serve(listener, Router::new(), closing).await.unwrap();
        assert!(begun.elapsed() < GRACE);
    }
}
