//! Uploads without end: the host stops reading, says so, and holds no more than it may.

use tests_kit::{Host, Setup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The largest component.
const LEN_MAX: usize = 16 << 20;
/// What may at most be under way between the two, beyond what the host reads.
const UNREAD_MAX: usize = 16 << 20;
const CHUNK_LEN: usize = 64 << 10;

struct Upload {
    status: Option<u16>,
    sent: usize,
}

/// Sends a head, and then chunks for as long as they are taken, or up to `len_max` bytes.
async fn send(host: &Host, head: &str, chunk: &[u8], len_max: usize) -> Upload {
    let address = host.url.strip_prefix("http://").unwrap();
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    writing.write_all(head.as_bytes()).await.unwrap();
    let mut sent = 0;
    let mut answer = vec![0; 1024];
    let writer = async {
        while sent < len_max && writing.write_all(chunk).await.is_ok() {
            sent += chunk.len();
        }
        // The answer is what ends this.
        std::future::pending::<usize>().await
    };
    let read = tokio::select! {
        read = reading.read(&mut answer) => read.unwrap_or(0),
        read = writer => read,
    };
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    Upload { status: text.split(' ').nth(1).and_then(|status| status.parse().ok()), sent }
}

fn head(method: &str, path: &str, token: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/{kind}\r\n{body}\r\n\r\n",
        kind = if method == "PUT" { "wasm" } else { "json" },
    )
}

fn chunk() -> Vec<u8> {
    [format!("{CHUNK_LEN:x}\r\n").as_bytes(), &vec![b'x'; CHUNK_LEN], b"\r\n"].concat()
}

#[tokio::test]
async fn an_upload_without_end_is_refused_and_fills_no_memory() {
    let host = Setup::new().start().and_tenants(&["acme"]).await;
    let digest = host_component::Digest::of(b"");
    let component = format!("/api/components/{digest}");
    let before = host.resident_bytes_max();
    let check = async |method: &str, path: &str, token: &str, status: u16, read_max: usize| {
        let head = head(method, path, token, "transfer-encoding: chunked");
        let upload = send(&host, &head, &chunk(), 1 << 30).await;
        assert_eq!(upload.status, Some(status), "{method} {path} after {} bytes", upload.sent);
        assert!(upload.sent <= read_max + UNREAD_MAX, "{method} {path} took {} bytes", upload.sent);
    };
    check("PUT", &component, &host.token, 413, LEN_MAX).await;
    check("POST", "/api/agents/zoo/messages?tenant=acme", &host.token, 413, 4 << 20).await;
    check("POST", "/api/tenants", &host.token, 413, 4 << 20).await;
    check("PUT", &component, "nobodys", 401, 0).await;
    let more = host.resident_bytes_max() - before;
    // One whole component, and the buffer that it is gathered in as that grows.
    assert!(more <= 4 * LEN_MAX as u64, "the host grew by {} MiB", more >> 20);
}

#[tokio::test]
async fn an_upload_that_says_it_is_huge_is_refused_before_it_is_sent_and_a_small_one_is_not_unpacked() {
    let host = Host::start();
    let path = format!("/api/components/{}", host_component::Digest::of(b""));
    for len in [LEN_MAX + 1, 2 << 30] {
        for (method, path) in [("PUT", path.as_str()), ("POST", "/api/tenants")] {
            let told = head(method, path, &host.token, &format!("content-length: {len}"));
            assert_eq!(send(&host, &told, b"x", 0).await.status, Some(413), "{method} {len}");
        }
    }
    // Ten bytes of gzip's head: what is packed is taken for what it is, no component.
    let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
    let path = format!("/api/components/{}", host_component::Digest::of(packed));
    let body = format!("content-encoding: gzip\r\ncontent-length: {}", packed.len());
    let upload = send(&host, &head("PUT", &path, &host.token, &body), packed, packed.len()).await;
    assert!(upload.status.is_some_and(|status| (400..500).contains(&status)), "{:?}", upload.status);
}
