//! The leakage oracle: each tenant has random words of its own, and a run is clean if nobody else's stand where a tenant's things are.
//!
//! Every tenant gets two words of 128 random bits. Its *canary* may be in anything that the tenant says, keeps or is called; its
//! *secret* is put only where the host promises to seal it, and must then stand nowhere at all. [`Oracle::hear`] takes what somebody
//! saw while the test ran, [`Oracle::scan`] looks through all that a host has and answers.

mod database;
mod forms;
mod report;
mod sinks;
mod spread;

use std::sync::Mutex;

use serde_json::json;

use self::forms::{Forms, Sighting};
pub use self::report::{Leak, Report, Seen as SinkSeen};
use crate::host::Host;
use crate::paths;

/// Knows each tenant's words, and keeps what was found so far.
pub struct Oracle {
    tenants: Vec<Words>,
    forms: Forms,
    report: Mutex<Report>,
}

/// What one tenant is known by.
struct Words {
    tenant: String,
    canary: String,
    secret: String,
}

/// Whose place it is that something stands in.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// This tenant's alone: its answers, its directory.
    Of(&'a str),
    /// Everybody's, and this is one record of it: of two tenants, it may know one.
    Record,
    /// Everybody's, without records that could be told apart (the pages of a database).
    Mixed,
}

impl Oracle {
    /// New words for each of these tenants.
    pub fn new(tenants: &[&str]) -> Self {
        let words =
            |tenant: &&str| Words { tenant: (*tenant).to_owned(), canary: paths::canary(), secret: paths::canary() };
        let tenants: Vec<_> = tenants.iter().map(words).collect();
        let forms = Forms::of(tenants.iter().flat_map(|words| [words.canary.as_str(), words.secret.as_str()]));
        Self { tenants, forms, report: Mutex::default() }
    }

    /// Creates the tenants, each with its canary for a display name.
    pub async fn create_tenants(&self, host: &Host) {
        for words in &self.tenants {
            let body = json!({ "tenantId": words.tenant, "name": words.canary });
            host.api.post("/api/tenants", body).await.ok();
        }
    }

    /// The word that a tenant may say.
    pub fn canary(&self, tenant: &str) -> &str {
        &self.words(tenant).canary
    }

    /// The word that is sealed wherever it is.
    pub fn secret(&self, tenant: &str) -> &str {
        &self.words(tenant).secret
    }

    /// Takes in what a tenant saw: a delivery to it, an answer to it.
    pub fn hear(&self, tenant: &str, sink: &'static str, seen: impl AsRef<[u8]>) {
        self.judge(sink, Place::Of(tenant), tenant, seen.as_ref());
    }

    /// Looks through all that a host has: each tenant's answers from the API, the host's output, its files and its databases. Tells of
    /// those and of what was heard before.
    pub async fn scan(&self, host: &Host) -> Report {
        sinks::api(self, host).await;
        sinks::output(self, host);
        sinks::files(self, host).await;
        self.report()
    }

    /// What was found so far.
    pub fn report(&self) -> Report {
        self.report.lock().expect("nobody panics with it").clone()
    }

    /// [`scan`](Self::scan), and fails the test where something crossed, or where a tenant's canary stood nowhere at all: an oracle that
    /// saw nothing has shown nothing.
    pub async fn expect_clean(&self, host: &Host) -> Report {
        let report = self.scan(host).await;
        assert!(report.leaks.is_empty(), "{report}");
        for words in &self.tenants {
            assert!(report.saw(&words.tenant), "{}'s canary was seen nowhere\n{report}", words.tenant);
        }
        report
    }

    fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.iter().map(|words| words.tenant.as_str())
    }

    fn words(&self, tenant: &str) -> &Words {
        let found = self.tenants.iter().find(|words| words.tenant == tenant);
        found.unwrap_or_else(|| unreachable!("no words were made for {tenant}"))
    }

    /// Everything that comes in passes here. `at` says where it stood, for people.
    fn judge(&self, sink: &'static str, place: Place<'_>, at: &str, bytes: &[u8]) {
        let sightings = self.forms.sightings(bytes);
        let leaks = sightings.iter().filter_map(|sighting| {
            let why = self.crossed(place, bytes, sighting)?;
            Some(Leak {
                sink,
                at: at.to_owned(),
                whose: self.owner(sighting).to_owned(),
                why,
                near: sighting.near(bytes),
            })
        });
        let leaks: Vec<_> = leaks.collect();
        let owners = sightings.iter().map(|sighting| self.owner(sighting));
        self.report.lock().expect("nobody panics with it").add(sink, bytes.len(), owners, leaks);
    }

    /// Why a word may not stand here, or none if it may.
    fn crossed(&self, place: Place<'_>, bytes: &[u8], sighting: &Sighting) -> Option<String> {
        let whose = self.owner(sighting);
        if sighting.is_sealed() {
            return Some("a sealed word in the clear".to_owned());
        }
        match place {
            Place::Of(tenant) if tenant == whose => None,
            Place::Of(tenant) => Some(format!("in {tenant}'s place")),
            Place::Record => self
                .tenants()
                .find(|other| *other != whose && names(bytes, other))
                .map(|other| format!("beside {other}")),
            Place::Mixed => None,
        }
    }

    fn owner(&self, sighting: &Sighting) -> &str {
        &self.tenants[sighting.tenant()].tenant
    }
}

/// Whether a record has this id as a word of its own.
fn names(record: &[u8], id: &str) -> bool {
    let in_an_id = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    record.split(|byte| !in_an_id(byte)).any(|word| word == id.as_bytes())
}

#[cfg(test)]
mod tests;
