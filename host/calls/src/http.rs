//! Calls to other hosts: a request is opened whole, its response is read in parts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::price::{CALL_BASE, Price, ROUTED_BASE};

/// A header as it travels: a value need not be text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// Never the value: it is the agent's.
impl fmt::Debug for HttpHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} bytes", self.name, self.value.len())
    }
}

/// How long a guest would wait, in milliseconds; the host's limits lie over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpWaits {
    /// For the connection.
    pub connect_ms: Option<u64>,
    /// From then on, for the head of the response.
    pub first_byte_ms: Option<u64>,
    /// From one part of the body to the next.
    pub between_bytes_ms: Option<u64>,
}

/// A request, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpOpen {
    /// The method as the guest wrote it.
    pub method: String,
    /// The URL as the guest wrote it.
    pub url: String,
    /// The headers, in order; values may hold placeholders of secrets, never secrets.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
    /// How long the guest would wait.
    pub waits: HttpWaits,
}

/// What an agent can ask about HTTP. A handle belongs to the start of the agent that opened it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpCall {
    /// Make a request and wait for the head of its response.
    Open(Box<HttpOpen>),
    /// Read on in a response's body.
    Read {
        /// Which response.
        handle: u32,
        /// The most bytes to read.
        max: u32,
    },
    /// Give a response up.
    Close {
        /// Which response.
        handle: u32,
    },
}

/// What the host answers to [`HttpCall`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpReply {
    /// The head of a response.
    Opened {
        /// The status.
        status: u16,
        /// The headers, in order.
        headers: Vec<HttpHeader>,
        /// Where its body is read.
        handle: u32,
    },
    /// The next bytes of a body; at least one.
    Chunk(Vec<u8>),
    /// The body has ended, and its handle with it.
    End,
    /// To close.
    Closed,
}

/// Routing, framing and identity: RFC 9110 §7.6.1 and RFC 9112 §6 for the hop, and what proxies and hosts tell one another.
const FORBIDDEN: [&str; 14] = [
    "connection",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];
const FORBIDDEN_STARTS: [&str; 3] = ["proxy-", "x-forwarded-", "x-tenant"];

/// Whether a guest may never send a header of this name, in lower case.
pub fn is_forbidden_header(name: &str) -> bool {
    FORBIDDEN.contains(&name) || FORBIDDEN_STARTS.iter().any(|start| name.starts_with(start))
}

/// The largest body that any host takes from a guest, in bytes; a host's own limit lies at or under it.
pub const REQUEST_BYTES_MAX: u32 = 4 << 20;

/// Each byte that leaves is charged.
pub(crate) fn price_of_call(call: &HttpCall) -> Price {
    match call {
        HttpCall::Open(open) => {
            let words = open.method.len() + open.url.len() + open.body.len();
            ROUTED_BASE + words as Price + headers_bytes(&open.headers)
        }
        HttpCall::Read { .. } | HttpCall::Close { .. } => CALL_BASE,
    }
}

/// Each byte that comes in is charged.
pub(crate) fn price_of_reply(reply: &HttpReply) -> Price {
    match reply {
        HttpReply::Opened { headers, .. } => headers_bytes(headers),
        HttpReply::Chunk(bytes) => bytes.len() as Price,
        HttpReply::End | HttpReply::Closed => 0,
    }
}

fn headers_bytes(headers: &[HttpHeader]) -> Price {
    headers.iter().map(|header| (header.name.len() + header.value.len()) as Price).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_charged_both_ways() {
        let headers = vec![HttpHeader { name: "ab".into(), value: b"cde".to_vec() }];
        let open = |body| {
            HttpCall::Open(Box::new(HttpOpen {
                method: "GET".into(),
                url: "https://a".into(),
                headers: headers.clone(),
                body,
                waits: HttpWaits::default(),
            }))
        };
        assert_eq!(price_of_call(&open(vec![])), ROUTED_BASE + 3 + 9 + 5);
        assert_eq!(price_of_call(&open(vec![0; 4096])) - price_of_call(&open(vec![])), 4096);
        assert_eq!(price_of_call(&HttpCall::Read { handle: 1, max: 9 }), CALL_BASE);
        assert_eq!(price_of_reply(&HttpReply::Opened { status: 200, headers, handle: 1 }), 5);
        assert_eq!(price_of_reply(&HttpReply::Chunk(vec![0; 7])), 7);
    }
}
