//! Calls to other hosts: made by the way out, and the responses that are being read.
//!
//! A handle belongs to one start of one agent: the same number of another names nothing.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_calls::{
    Answer, Context, HostReply, HttpCall, HttpHeader, HttpOpen, HttpReply, HttpWaits, Refusal, RefusalNumbers,
};
use host_egress::{
    BadUrl, Egress, EgressError, EgressRequest, Header, Response, ResponseBody, Url, Waits, secrets_named,
};
use host_model::{Grants, HostPattern, Incarnation};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::party::count;
use crate::refusal::of_egress;
use crate::{Courier, Party};

/// Responses that one start of an agent may have open.
const OPEN_MAX: usize = 32;
/// The most bytes of one read.
const READ_LEN_MAX: usize = 64 << 10;

impl Courier {
    /// Said a second time: an agent without the grant is not even linked, but a pipe's far end does not rely on that.
    pub(crate) fn http(&self, party: &Arc<Party>, call: HttpCall, context: &Context) -> Answer {
        let who = party.caller.incarnation();
        match call {
            // Who may open nothing more may still let go of what is open.
            HttpCall::Close { handle } => {
                self.streams().close(who, handle);
                Answer::Now(Ok(HostReply::Http(HttpReply::Closed)))
            }
            _ if party.grants().http.is_empty() => refuse(party, not_granted()),
            HttpCall::Open(open) => match self.streams().begin(who) {
                Some(held) => {
                    let egress = self.parts().egress.clone();
                    Answer::Later(Box::pin(opened(egress, party.clone(), *open, held, context.remaining)))
                }
                None => refuse(party, too_many_open()),
            },
            HttpCall::Read { handle, max } => match self.streams().take(who, handle) {
                // Its tenant's policy allowed the host when it was opened, and does so no longer: the response ends here.
                Some((_, response)) if !may_call(&party.grants(), &response.host) => refuse(party, not_granted()),
                Some((held, response)) => Answer::Later(Box::pin(read(party.clone(), held, response, max as usize))),
                None => refuse(party, Refusal::NotFound),
            },
        }
    }
}

fn refuse(party: &Party, refusal: Refusal) -> Answer {
    count(&party.counters.refused);
    Answer::Now(Err(refusal))
}

fn not_granted() -> Refusal {
    Refusal::NotGranted(RefusalNumbers::of("http-not-granted"))
}

fn too_many_open() -> Refusal {
    let max = OPEN_MAX as u64;
    Refusal::OverQuota(RefusalNumbers::of("responses-open").past(max, max + 1).retry_after_ms(100))
}

/// Makes a request. The response lasts as long as the run that asks for it may, and no longer.
async fn opened(
    egress: Egress,
    party: Arc<Party>,
    open: HttpOpen,
    held: Held,
    remaining: Duration,
) -> Result<HostReply, Refusal> {
    let HttpOpen { method, url, headers, body, waits } = open;
    let grants = Arc::clone(&party.grants());
    let host = host_of(&url).map_err(|error| told(&party, &error))?;
    tried(&party, &grants, &host, &headers);
    let request = EgressRequest {
        tenant: party.caller.tenant(),
        grants: &grants,
        under_way: &party.http,
        method: &method,
        url: &url,
        headers: headers.into_iter().map(|HttpHeader { name, value }| Header { name, value }).collect(),
        body,
        waits: waits_of(waits, remaining),
    };
    let Response { status, headers, body } = egress.fetch(request).await.map_err(|error| told(&party, &error))?;
    let headers = headers.into_iter().map(|Header { name, value }| HttpHeader { name, value }).collect();
    Ok(HostReply::Http(HttpReply::Opened { status, headers, handle: held.put_back(Open { body, host }) }))
}

/// Reads on. The body's own deadline is within that of the run that opened it.
async fn read(party: Arc<Party>, held: Held, mut response: Open, max: usize) -> Result<HostReply, Refusal> {
    let bytes = response.body.read(max.min(READ_LEN_MAX)).await;
    Ok(HostReply::Http(match bytes.map_err(|error| told(&party, &error))? {
        Some(bytes) => {
            held.put_back(response);
            HttpReply::Chunk(bytes.into())
        }
        None => HttpReply::End,
    }))
}

/// The host that a URL names, as a grant would.
fn host_of(url: &str) -> Result<HostPattern, EgressError> {
    let url = Url::parse(url)?;
    let host = format!("{}://{}:{}", url.scheme().as_str(), url.host(), url.port());
    host.parse().map_err(|_| BadUrl::Host.into())
}

fn may_call(grants: &Grants, host: &HostPattern) -> bool {
    grants.http.iter().any(|granted| granted.covers(host))
}

/// What is allowed of a request, for a policy that is being tried.
fn tried(party: &Party, grants: &Grants, host: &HostPattern, headers: &[HttpHeader]) {
    if !may_call(grants, host) {
        return;
    }
    party.tried("http", host, |grants| may_call(grants, host));
    for name in headers.iter().flat_map(|header| secrets_named(&header.value)).filter(|name| grants.may_use(name)) {
        party.tried("secrets", &name, |grants| grants.may_use(&name));
    }
}

fn waits_of(waits: HttpWaits, remaining: Duration) -> Waits {
    let millis = |ms: Option<u64>| ms.map(Duration::from_millis);
    Waits {
        connect: millis(waits.connect_ms),
        first_byte: millis(waits.first_byte_ms),
        between_bytes: millis(waits.between_bytes_ms),
        total: Some(remaining),
    }
}

/// What an agent is told; why, with its causes, is for the host's log alone. Neither holds an URL, a header or a body.
fn told(party: &Party, error: &EgressError) -> Refusal {
    count(&party.counters.refused);
    let (tenant, agent) = (party.caller.tenant(), party.caller.agent());
    tracing::debug!(%tenant, %agent, %error, causes = causes(error), "a request to another host failed");
    of_egress(error)
}

fn causes(error: &EgressError) -> String {
    let (mut texts, mut next) = (Vec::new(), error.source());
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.join(": ")
}

/// The responses that are being read on this host.
#[derive(Default)]
pub(crate) struct Streams(Mutex<Table>);

#[derive(Default)]
struct Table {
    open: HashMap<Incarnation, BTreeMap<u32, Slot>, RandomState>,
    last: u32,
}

enum Slot {
    /// In the hands of a call.
    Busy,
    Idle(Box<Open>),
}

/// A response that is being read.
struct Open {
    body: ResponseBody,
    /// Where it comes from.
    host: HostPattern,
}

/// A response in the hands of a call. Dropping it before it was put back closes it.
struct Held {
    streams: Arc<Streams>,
    who: Incarnation,
    handle: u32,
}

impl Streams {
    /// A handle for a response that is still to come, unless its agent has as many as it may.
    fn begin(self: &Arc<Self>, who: Incarnation) -> Option<Held> {
        let mut table = self.0.lock();
        table.sweep();
        table.last = table.last.wrapping_add(1);
        let handle = table.last;
        let slots = table.open.entry(who).or_default();
        if slots.len() >= OPEN_MAX || slots.contains_key(&handle) {
            return None;
        }
        slots.insert(handle, Slot::Busy);
        Some(Held { streams: self.clone(), who, handle })
    }

    /// A response out of the table, unless it is not there or in other hands.
    fn take(self: &Arc<Self>, who: Incarnation, handle: u32) -> Option<(Held, Open)> {
        let mut table = self.0.lock();
        let slot = table.open.get_mut(&who)?.get_mut(&handle)?;
        match std::mem::replace(slot, Slot::Busy) {
            Slot::Busy => None,
            Slot::Idle(response) => Some((Held { streams: self.clone(), who, handle }, *response)),
        }
    }

    fn close(&self, who: Incarnation, handle: u32) {
        self.0.lock().remove(who, handle);
    }

    /// Closes all responses of one start of an agent.
    pub(crate) fn close_all(&self, who: Incarnation) {
        self.0.lock().open.remove(&who);
    }
}

impl Table {
    fn remove(&mut self, who: Incarnation, handle: u32) {
        let Some(slots) = self.open.get_mut(&who) else { return };
        slots.remove(&handle);
        if slots.is_empty() {
            self.open.remove(&who);
        }
    }

    /// Closes what is past its time: a guest that keeps a response and never reads it holds its tenant's share no longer.
    fn sweep(&mut self) {
        let now = Instant::now();
        let past = |slot: &Slot| matches!(slot, Slot::Idle(open) if open.body.deadline().is_some_and(|at| at <= now));
        self.open.retain(|_, slots| {
            slots.retain(|_, slot| !past(slot));
            !slots.is_empty()
        });
    }
}

impl Held {
    /// For the next call. If it was closed meanwhile, it ends here.
    fn put_back(self, response: Open) -> u32 {
        let mut table = self.streams.0.lock();
        if let Some(slot) = table.open.get_mut(&self.who).and_then(|slots| slots.get_mut(&self.handle)) {
            *slot = Slot::Idle(Box::new(response));
        }
        // Before `self` goes, which looks into the table too.
        drop(table);
        self.handle
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.streams.0.lock();
        let slots = table.open.get(&self.who);
        if slots.and_then(|slots| slots.get(&self.handle)).is_some_and(|slot| matches!(slot, Slot::Busy)) {
            table.remove(self.who, self.handle);
        }
    }
}

#[cfg(test)]
mod tests;
