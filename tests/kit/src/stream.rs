//! A stream of events that may end at any moment, because its host may.

use reqwest::Response;

/// One event, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where a reader goes on after it.
    pub id: Option<String>,
    /// What it is.
    pub kind: String,
    /// What it carries, if anything.
    pub data: String,
}

/// An open stream.
pub struct Stream {
    response: Response,
    unread: Vec<u8>,
}

impl Stream {
    pub(crate) const fn new(response: Response) -> Self {
        Self { response, unread: Vec::new() }
    }

    /// The next event; none when the stream has ended, in good order or not.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                match parse(&String::from_utf8_lossy(&block)) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            self.unread.extend_from_slice(&self.response.chunk().await.ok()??);
        }
    }
}

/// A comment is no event.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned());
    let (id, kind, data) = (field("id:"), field("event:"), field("data:"));
    (id.is_some() || kind.is_some() || data.is_some()).then(|| Event {
        id,
        kind: kind.unwrap_or_else(|| "message".to_owned()),
        data: data.unwrap_or_default(),
    })
}
