//! What the tenants do all the while: each lane sends as fast as its messages are acknowledged, each receiver takes what comes.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tests_kit::chance::Chance;
use tests_kit::{Api, Oracle, Stream};
use tokio::time::{sleep, timeout};

use crate::book::Book;
use crate::door;
use crate::town::Tenant;

/// How long until the next try, where the host refused or was not there.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);
/// Deliveries that one acknowledgement covers.
const ACK_EACH: usize = 16;
/// A receiver acknowledges what it has when nothing more comes for so long.
const QUIET: Duration = Duration::from_millis(50);
/// Once in so many deliveries a receiver loses its connection, and what it did not acknowledge comes again.
const LOST_ONE_IN: usize = 300;

/// Those who send and receive, and who writes it down.
pub(crate) struct Load<'a> {
    /// At the host as it runs now.
    pub(crate) url: &'a str,
    pub(crate) tenants: &'a [Tenant],
    pub(crate) book: &'a RefCell<Book>,
    pub(crate) oracle: &'a Oracle,
    pub(crate) seed: u64,
}

impl Load<'_> {
    /// Sends and receives until it is dropped.
    pub(crate) async fn all(&self) {
        tokio::join!(self.senders(), self.receivers());
    }

    /// Sends until it is dropped.
    pub(crate) async fn senders(&self) {
        // Of several hosts, each lane sends at one.
        let lanes = (0..self.book.borrow().lanes.len()).filter(|lane| self.tenants.iter().any(|of| of.sends(*lane)));
        join_all(lanes.map(|lane| self.send(lane))).await;
    }

    /// Receives until it is dropped.
    pub(crate) async fn receivers(&self) {
        join_all(self.tenants.iter().map(|tenant| self.receive(tenant))).await;
    }

    /// Has the next message of a lane acknowledged, however often that must be tried.
    pub(crate) async fn send_one(&self, lane: usize) -> usize {
        let (number, key, way, payload, tenant) = {
            let mut book = self.book.borrow_mut();
            let number = book.lanes[lane].next();
            book.sending(lane, number);
            let lane = &book.lanes[lane];
            (number, format!("{}-{number}", lane.name), lane.way, lane.payload(number), lane.tenant.clone())
        };
        let api = self.api(&self.tenant(&tenant).sender_token(lane));
        loop {
            match door::publish(&api, way, &key, &payload).await {
                Some(answer) if answer.status == 202 => {
                    let receipt = answer.json();
                    let word = |name: &str| receipt[name].as_str().unwrap_or_default().to_owned();
                    self.book.borrow_mut().acked(lane, number, &word("id"), &word("durability"));
                    return number;
                }
                Some(answer) => {
                    let code = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
                    self.book.borrow_mut().refused(answer.status, code["code"].as_str().unwrap_or("no code"));
                }
                None => {}
            }
            sleep(AFTER_REFUSAL).await;
        }
    }

    async fn send(&self, lane: usize) {
        loop {
            self.send_one(lane).await;
        }
    }

    async fn receive(&self, tenant: &Tenant) {
        let (api, mut chance) = (self.api(&tenant.receiver_token), Chance::new(self.seed));
        // What was received before the last connection ended may not have been acknowledged: it may come again.
        loop {
            if let Some(stream) = door::receive(&api).await {
                self.take(tenant, &api, stream, &mut chance).await;
            }
            sleep(AFTER_REFUSAL).await;
        }
    }

    /// Takes what comes until the connection ends.
    async fn take(&self, tenant: &Tenant, api: &Api, mut stream: Stream, chance: &mut Chance) {
        let (mut unacknowledged, mut last) = (0, None);
        loop {
            match timeout(QUIET, stream.next()).await {
                Ok(Some(event)) if event.kind == "message" => {
                    self.write_down(tenant, &event.data);
                    (unacknowledged, last) = (unacknowledged + 1, event.id.or(last));
                    if chance.one_in(LOST_ONE_IN) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) if unacknowledged > 0 => unacknowledged = ACK_EACH,
                Ok(Some(_)) | Err(_) => {}
            }
            if unacknowledged >= ACK_EACH {
                // Refused or not: what is not acknowledged comes again.
                let _ = door::acknowledge(api, last.as_deref().unwrap_or_default()).await;
                unacknowledged = 0;
            }
        }
    }

    fn write_down(&self, tenant: &Tenant, data: &str) {
        self.oracle.hear(&tenant.id, "deliveries", data);
        let message: Value = serde_json::from_str(data).unwrap_or_default();
        let id = message["id"].as_str().unwrap_or_default();
        self.book.borrow_mut().delivered(&tenant.id, id, &message["payload"]);
    }

    fn tenant(&self, id: &str) -> &Tenant {
        self.tenants.iter().find(|tenant| tenant.id == id).expect("a lane belongs to a tenant")
    }

    fn api(&self, token: &str) -> Api {
        Api::new(self.url, Some(token))
    }
}
