//! A client of MQTT 3.1.1 (OASIS standard, 2014) as far as quality of service 0 goes: what an external agent is that speaks no NATS.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: u8 = 0xc0;
const PINGRESP: u8 = 0xd0;
/// A user name, a password, and a session that ends with the connection (section 3.1.2.3).
const USER_AND_PASSWORD: u8 = 0b1100_0010;
/// What SUBACK says of a subscription that was refused (section 3.9.3).
const REFUSED: u8 = 0x80;

/// A connection.
pub struct Mqtt(TcpStream);

impl Mqtt {
    /// Connects to a port of loopback. None if the server does not let it in.
    pub async fn connect(port: u16, client: &str, password: &str) -> Option<Self> {
        let mut mqtt = Self(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?);
        let mut body = text("MQTT");
        // Level 4 is version 3.1.1; a keep-alive of 0 is none.
        body.extend([4, USER_AND_PASSWORD, 0, 0]);
        body.extend([text(client), text("agent"), text(password)].concat());
        mqtt.send(CONNECT, &body).await?;
        let (kind, body) = mqtt.packet().await?;
        (kind == CONNACK && body.get(1) == Some(&0)).then_some(mqtt)
    }

    /// Subscribes with quality of service 0, and says whether the server lets it.
    pub async fn subscribe(&mut self, filter: &str) -> bool {
        let mut body = vec![0, 1];
        body.extend(text(filter));
        body.push(0);
        let sent = self.send(SUBSCRIBE, &body).await;
        let answered = self.packet().await.filter(|(kind, _)| *kind == SUBACK);
        sent.is_some() && answered.is_some_and(|(_, body)| body.get(2).is_some_and(|code| *code != REFUSED))
    }

    /// Publishes with quality of service 0.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) {
        // A server that has closed the connection is found out by who reads.
        let _ = self.send(PUBLISH, &[&text(topic), payload].concat()).await;
    }

    /// The next message: its topic and payload. None once the connection is closed.
    pub async fn next(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            let (kind, body) = self.packet().await?;
            if kind == PUBLISH {
                let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let (topic, payload) = body[2..].split_at(len);
                return Some((String::from_utf8_lossy(topic).into_owned(), payload.to_vec()));
            }
        }
    }

    /// Whether the server answers: it has taken in then what was sent before. No message may be on its way.
    pub async fn ping(&mut self) -> bool {
        self.send(PINGREQ, &[]).await.is_some() && self.packet().await.is_some_and(|(kind, _)| kind == PINGRESP)
    }

    async fn send(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        let mut packet = vec![kind];
        // Seven bits a byte, the lowest first (section 2.2.3).
        let mut left = body.len();
        loop {
            let bits = u8::try_from(left & 0x7f).expect("seven bits");
            left >>= 7;
            packet.push(if left > 0 { bits | 0x80 } else { bits });
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        self.0.write_all(&packet).await.ok()
    }

    async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.0.read_u8().await.ok()?;
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = self.0.read_u8().await.ok()?;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).await.ok()?;
        Some((kind, body))
    }
}

/// A string: its length in two bytes, then it (section 1.5.3).
fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("a short text");
    [&len.to_be_bytes(), text.as_bytes()].concat()
}
