//! What was acknowledged and what was delivered, written down by who read it. After a kill nothing else counts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// How many complaints are kept word by word; all are counted.
const COMPLAINTS_MAX: usize = 50;
/// What fills a message up, in bytes.
const FILLER_LEN: usize = 700;

/// Which way messages of a lane go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the receiver.
    Direct,
    /// To a topic that the receiver subscribes to.
    Topic,
    /// To a guest, which passes them on to the receiver.
    Chain,
}

/// One sender's messages to one destination, each sent once the one before was acknowledged.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) way: Way,
    canary: String,
    messages: Vec<Message>,
    /// The highest number that was delivered.
    highest: Option<usize>,
}

#[derive(Debug, Default)]
struct Message {
    /// The id in its receipt.
    acked: Option<String>,
    /// The id it was delivered under.
    delivered: Option<String>,
    /// The host may not deliver it any more.
    spoilt: bool,
}

/// The whole record of a run.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) acked: u64,
    pub(crate) delivered: u64,
    /// Deliveries beyond the first of a message.
    pub(crate) again: u64,
    /// Deliveries to another tenant than the sender's.
    pub(crate) foreign: u64,
    /// Refusals, by status and code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// What must not be, apart from loss.
    pub(crate) complaints: Vec<String>,
    pub(crate) complaints_len: u64,
    /// Several hosts hand out: between what they have there is no order.
    pub(crate) unordered: bool,
    /// A receipt was for less than was asked. Said once: where one is, all are.
    promised_less: bool,
}

/// A message that was acknowledged and has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) tenant: String,
    pub(crate) lane: String,
    pub(crate) number: usize,
    pub(crate) id: String,
}

impl Lane {
    pub(crate) fn new(tenant: &str, name: &str, way: Way, canary: &str) -> Self {
        let name = format!("{tenant}.{name}");
        Self { tenant: tenant.to_owned(), name, way, canary: canary.to_owned(), messages: Vec::new(), highest: None }
    }

    /// The number of the message that is sent next, or again.
    pub(crate) fn next(&self) -> usize {
        let pending = self.messages.last().is_some_and(|last| last.acked.is_none());
        self.messages.len() - usize::from(pending)
    }

    /// A word that stands in one message alone.
    pub(crate) fn mark(&self, number: usize) -> String {
        format!("mark-{}-{number}-end", self.name)
    }

    /// The same for the same number, so that whoever receives it can compare every byte.
    pub(crate) fn payload(&self, number: usize) -> Value {
        let mark = self.mark(number);
        let filler = mark.repeat(FILLER_LEN / mark.len() + 1);
        let filler = filler.get(..FILLER_LEN + number % 64).unwrap_or(&filler);
        json!({ "canary": self.canary, "lane": self.name, "number": number, "mark": mark, "filler": filler })
    }

    fn message(&mut self, number: usize) -> &mut Message {
        while self.messages.len() <= number {
            self.messages.push(Message::default());
        }
        self.messages.get_mut(number).expect("they were just made")
    }

    fn missing(&self) -> impl Iterator<Item = Missing> {
        let numbered =
            self.messages.iter().enumerate().filter(|(_, message)| message.delivered.is_none() && !message.spoilt);
        numbered.filter_map(|(number, message)| {
            let id = message.acked.clone()?;
            Some(Missing { tenant: self.tenant.clone(), lane: self.name.clone(), number, id })
        })
    }
}

impl Book {
    pub(crate) fn new(lanes: Vec<Lane>) -> Self {
        Self { lanes, ..Self::default() }
    }

    /// A message of a lane is about to be sent: from now on it may arrive.
    pub(crate) fn sending(&mut self, lane: usize, number: usize) {
        self.lanes[lane].message(number);
    }

    /// The host has promised to keep it.
    pub(crate) fn acked(&mut self, lane: usize, number: usize, id: &str, durability: &str) {
        let lane = &mut self.lanes[lane];
        let (name, way) = (lane.name.clone(), lane.way);
        let message = lane.message(number);
        let delivered = message.delivered.clone();
        self.acked += u64::from(message.acked.is_none());
        message.acked = Some(id.to_owned());
        if durability != "durable" && !self.promised_less {
            self.promised_less = true;
            self.complain(format!("{name} {number} ({id}) was acknowledged as {durability}, and so may others be"));
        }
        if way != Way::Chain && delivered.as_deref().is_some_and(|delivered| delivered != id) {
            self.complain(format!("{name} {number} was delivered as {delivered:?} and acknowledged as {id}"));
        }
    }

    pub(crate) fn refused(&mut self, status: u16, code: &str) {
        *self.refused.entry(format!("{status} {code}")).or_default() += 1;
    }

    /// A tenant's receiver was given a message.
    pub(crate) fn delivered(&mut self, tenant: &str, id: &str, payload: &Value) {
        self.delivered += 1;
        let unordered = self.unordered;
        let lane = self.lanes.iter_mut().find(|lane| payload["lane"] == lane.name.as_str());
        let (Some(lane), Some(number)) =
            (lane, payload["number"].as_u64().and_then(|number| usize::try_from(number).ok()))
        else {
            return self.complain(format!("{tenant} was given what nobody sent: {id} {payload}"));
        };
        self.foreign += u64::from(lane.tenant != tenant);
        let complaint = lane.deliver(number, id, payload, unordered);
        match complaint {
            Ok(first) => self.again += u64::from(!first),
            Err(complaint) => self.complain(complaint),
        }
    }

    /// The host may not deliver this one: what is kept of it is not what was sent.
    pub(crate) fn spoil(&mut self, missing: &Missing) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.name == missing.lane) {
            lane.message(missing.number).spoilt = true;
        }
    }

    /// What was acknowledged and has not arrived.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        self.lanes.iter().flat_map(Lane::missing).collect()
    }

    pub(crate) fn complain(&mut self, complaint: String) {
        self.complaints_len += 1;
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(complaint);
        }
    }
}

impl Lane {
    /// Whether it is the first delivery of this message; what is wrong with it otherwise.
    fn deliver(&mut self, number: usize, id: &str, payload: &Value, unordered: bool) -> Result<bool, String> {
        let (name, way) = (self.name.clone(), self.way);
        if number >= self.messages.len() {
            return Err(format!("{name} {number} ({id}) was delivered and never sent"));
        }
        if *payload != self.payload(number) {
            return Err(format!("{name} {number} ({id}) was altered: {payload}"));
        }
        let highest = self.highest;
        let message = self.message(number);
        if message.spoilt {
            return Err(format!("{name} {number} ({id}) came after it was given up as changed or lost"));
        }
        if let Some(before) = &message.delivered {
            return if before == id { Ok(false) } else { Err(format!("{name} {number} came as {before} and as {id}")) };
        }
        message.delivered = Some(id.to_owned());
        let acked = message.acked.clone();
        self.highest = highest.max(Some(number));
        if way != Way::Chain && acked.as_deref().is_some_and(|acked| acked != id) {
            return Err(format!("{name} {number} was acknowledged as {acked:?} and came as {id}"));
        }
        // A guest may handle several messages at once, and tries again what failed.
        if !unordered && way != Way::Chain && highest > Some(number) {
            return Err(format!("{name} {number} came first after {}", highest.unwrap_or_default()));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A book with one lane that had so many messages acknowledged, as `id-N`.
    fn book(way: Way, acked: usize) -> Book {
        let mut book = Book::new(vec![Lane::new("a", "lane", way, "canary")]);
        for number in 0..acked {
            book.sending(0, number);
            book.acked(0, number, &format!("id-{number}"), "durable");
        }
        book
    }

    fn check(way: Way, deliveries: &[(usize, &str)], complaints: u64, missing: usize) {
        let mut book = book(way, 3);
        for (number, id) in deliveries {
            let payload = book.lanes[0].payload(*number);
            book.delivered("a", id, &payload);
        }
        assert_eq!((book.complaints_len, book.missing().len()), (complaints, missing), "{deliveries:?}: {book:?}");
    }

    #[test]
    fn what_was_acknowledged_must_come_in_order_under_its_id_and_may_come_again() {
        check(Way::Direct, &[(0, "id-0"), (1, "id-1"), (2, "id-2")], 0, 0);
        check(Way::Direct, &[(0, "id-0"), (1, "id-1"), (0, "id-0"), (1, "id-1"), (2, "id-2")], 0, 0);
        check(Way::Direct, &[(0, "id-0"), (1, "id-1")], 0, 1);
        check(Way::Direct, &[], 0, 3);
        check(Way::Direct, &[(0, "id-0"), (2, "id-2"), (1, "id-1")], 1, 0);
        check(Way::Direct, &[(0, "id-0"), (1, "other"), (2, "id-2")], 1, 0);
        check(Way::Direct, &[(0, "id-0"), (0, "id-9"), (1, "id-1"), (2, "id-2")], 1, 0);
        check(Way::Direct, &[(0, "id-0"), (1, "id-1"), (2, "id-2"), (3, "id-3")], 1, 0);
    }

    #[test]
    fn between_what_several_hosts_hand_out_there_is_no_order() {
        let mut book = Book { unordered: true, ..book(Way::Direct, 2) };
        for number in [1, 0] {
            let payload = book.lanes[0].payload(number);
            book.delivered("a", &format!("id-{number}"), &payload);
        }
        assert_eq!((book.complaints_len, book.missing().len()), (0, 0), "{book:?}");
    }

    #[test]
    fn a_guest_may_change_the_order_and_gives_its_own_ids_but_the_same_each_time() {
        check(Way::Chain, &[(2, "x-2"), (0, "x-0"), (1, "x-1"), (1, "x-1")], 0, 0);
        check(Way::Chain, &[(2, "x-2"), (0, "x-0"), (1, "x-1"), (1, "y-1")], 1, 0);
    }

    #[test]
    fn a_message_that_was_altered_spoilt_or_given_to_another_is_found() {
        let mut book = book(Way::Direct, 2);
        let mut altered = book.lanes[0].payload(0);
        altered["filler"] = json!("other");
        book.delivered("a", "id-0", &altered);
        assert_eq!((book.complaints_len, book.foreign), (1, 0));
        let (first, payload) = (book.missing().remove(0), book.lanes[0].payload(0));
        book.spoil(&first);
        assert_eq!(book.missing().len(), 1);
        book.delivered("a", "id-0", &payload);
        assert_eq!(book.complaints_len, 2);
        let payload = book.lanes[0].payload(1);
        book.delivered("b", "id-1", &payload);
        assert_eq!(book.foreign, 1);
    }

    #[test]
    fn a_message_whose_receipt_was_not_read_is_sent_again_under_its_number() {
        let mut book = book(Way::Direct, 2);
        assert_eq!(book.lanes[0].next(), 2);
        book.sending(0, 2);
        assert_eq!((book.lanes[0].next(), book.missing().len()), (2, 2));
        book.acked(0, 2, "id-2", "durable");
        assert_eq!((book.lanes[0].next(), book.missing().len()), (3, 3));
    }

    #[test]
    fn an_acknowledgement_that_promises_less_is_found() {
        let mut book = book(Way::Direct, 0);
        book.sending(0, 0);
        book.acked(0, 0, "id-0", "volatile");
        assert_eq!(book.complaints_len, 1);
    }
}
