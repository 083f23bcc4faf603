//! A stream of events (SSE), read as it comes.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

/// The longest an expected event is waited for.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// One event.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it is: `message`, `log`, `lagged`.
    pub kind: String,
    /// Its id, where the stream can be taken up again.
    pub id: Option<String>,
    /// What it carries.
    pub data: Value,
}

/// An open stream.
pub struct Watch {
    response: Response,
    unread: String,
}

impl Watch {
    pub(crate) async fn open(response: Response) -> Self {
        assert_eq!(response.status().as_u16(), 200, "the stream opens");
        let mut watch = Self { response, unread: String::new() };
        let ready = watch.next().await.expect("a stream begins");
        assert_eq!(ready.kind, "ready");
        watch
    }

    /// The next event; none when the host has closed the stream.
    pub async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let (seen, rest) = (parse(event), rest.to_owned());
                self.unread = rest;
                match seen {
                    Some(seen) => return Some(seen),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(WAIT_MAX, self.response.chunk()).await;
            let chunk = chunk.expect("an event comes before long").ok()??;
            self.unread.push_str(std::str::from_utf8(&chunk).expect("events are text"));
        }
    }

    /// Everything until the host has closed the stream.
    pub async fn until_end(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(event) = self.next().await {
            seen.push(event);
        }
        seen
    }

    /// Everything up to the first event that is wanted, with that one.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let event = self.next().await.expect("the stream goes on");
            let found = wanted(&event.data);
            seen.push(event);
            if found {
                return seen;
            }
        }
    }
}

/// A comment is no event.
fn parse(event: &str) -> Option<Seen> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let data = serde_json::from_str(field("data:")?).expect("events carry JSON");
    let (kind, id) = (field("event:").unwrap_or("message").to_owned(), field("id:").map(str::to_owned));
    Some(Seen { kind, id, data })
}
