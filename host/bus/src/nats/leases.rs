//! Leases that all hosts of one NATS share: one key of a bucket for each, changed only by who knows its latest change.
//!
//! Who holds what is in the bucket; when it ends each host counts by its own clock ([`seen`]). What the bucket loses, tokens
//! included, the disks of the hosts still know.

mod granted;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation, UpdateErrorKind};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use host_model::{Clock, Fence, FencingToken, LeaseName, LeaseScope, TenantId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::granted::Granted;
use self::seen::{Latest, Seen};
use super::connection::Connection;
use super::streams::Streams;
use super::{HostId, NatsError, failed};
use crate::{Acquired, Fenced, Holder, Lease, LeaseError, LeaseTtl, Leases};

/// The bucket.
const BUCKET: &str = "leases";
/// How long a question may take in all: less than a lease of the shortest time for leaders, so that it is known in time that nobody
/// answers.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How often a change is tried against a lease that others change meanwhile.
const TRIES_MAX: usize = 8;
/// How long to wait before a bucket that could not be followed is tried again.
const TRY_WAIT: Duration = Duration::from_millis(250);

/// Where a host keeps the latest token of each lease, beside the state that is written under them. `store` implements it.
#[async_trait]
pub trait Fences: Send + Sync {
    /// The latest token that this host knew of, over restarts.
    async fn latest(&self, name: &LeaseName) -> Result<Option<FencingToken>, LeaseError>;

    /// When it returns, no write under an earlier token is taken any more, over a power loss too. A token that is not higher than
    /// what is known changes nothing.
    async fn raise(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError>;

    /// Another host was granted a lease, and has raised its token wherever hosts share what is written: here only what this host
    /// keeps by itself is left.
    async fn heard(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError>;
}

/// The leases of all hosts of one NATS.
#[derive(Clone)]
pub struct NatsLeases(Arc<Inner>);

struct Inner {
    connection: Connection,
    streams: Streams,
    fences: Arc<dyn Fences>,
    seen: Seen,
    /// The bucket, once all that is in it was seen.
    bucket: watch::Sender<Option<kv::Store>>,
    /// The bucket may be another one: it has to be opened again.
    again: Notify,
    to_delete: Mutex<Vec<LeaseName>>,
    forgotten: Notify,
}

impl NatsLeases {
    /// Knows nothing until [`follow`](Self::follow) has read the bucket.
    pub(super) fn new(
        own: HostId,
        connection: Connection,
        streams: Streams,
        fences: Arc<dyn Fences>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            connection,
            streams,
            fences,
            seen: Seen::nothing(own, clock),
            bucket: watch::Sender::new(None),
            again: Notify::new(),
            to_delete: Mutex::default(),
            forgotten: Notify::new(),
        }))
    }

    /// Follows the bucket for as long as the host runs.
    pub(super) async fn follow(self) {
        let inner = &*self.0;
        loop {
            inner.connection.up().await;
            if let Err(error) = inner.follow().await {
                tracing::warn!(
                    error = error.source.to_string(),
                    "leases of other hosts are not followed; it is tried again"
                );
            }
            tokio::time::sleep(TRY_WAIT).await;
        }
    }
}

#[async_trait]
impl Leases for NatsLeases {
    async fn acquire(&self, name: &LeaseName, holder: &Holder, ttl: LeaseTtl) -> Result<Acquired, LeaseError> {
        self.0.may_grant()?;
        self.0.in_time(self.0.acquire(name, holder, ttl)).await
    }

    async fn renew(&self, lease: &Lease, ttl: LeaseTtl) -> Result<Option<Lease>, LeaseError> {
        self.0.may_grant()?;
        self.0.in_time(self.0.change(lease, |granted| granted.renewed(ttl))).await
    }

    async fn release(&self, lease: &Lease) -> Result<bool, LeaseError> {
        let changed = self.0.in_time(self.0.change(lease, Granted::given_back)).await?;
        Ok(changed.is_some())
    }

    async fn current(&self, name: &LeaseName) -> Result<Option<Lease>, LeaseError> {
        self.0.in_time(async { self.0.open().await.map(drop) }).await?;
        Ok(self.0.seen.latest(name).and_then(|latest| self.0.seen.live(name, &latest)))
    }

    fn check(&self, fence: &Fence) -> Result<(), Fenced> {
        self.0.seen.check(fence)
    }

    fn forget(&self, tenant: &TenantId, scope: Option<&LeaseScope>) {
        self.0.to_delete.lock().extend(self.0.seen.forget(tenant, scope));
        self.0.forgotten.notify_one();
    }
}

impl Inner {
    /// Servers that may lose what they acknowledged may have the same token granted twice.
    fn may_grant(&self) -> Result<(), LeaseError> {
        let health = self.connection.health();
        if health.refuses() { Err(unknown("rely on the NATS servers")(health.as_str())) } else { Ok(()) }
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, LeaseError>>) -> Result<T, LeaseError> {
        let answer = tokio::time::timeout(ANSWER_MAX, asked).await;
        let answer = answer.unwrap_or_else(|late| Err(unknown("hear of a lease in time")(late)));
        if matches!(answer, Err(LeaseError::Store(_))) {
            self.again.notify_one();
        }
        answer
    }

    /// The bucket, once a server is reached and all that is in it was seen.
    async fn open(&self) -> Result<kv::Store, LeaseError> {
        self.connection.up().await;
        let mut bucket = self.bucket.subscribe();
        let bucket = bucket.wait_for(Option::is_some).await.map_err(unknown("see the leases"))?;
        Ok(bucket.clone().expect("waited for"))
    }

    async fn acquire(&self, name: &LeaseName, holder: &Holder, ttl: LeaseTtl) -> Result<Acquired, LeaseError> {
        let bucket = self.open().await?;
        for _ in 0..TRIES_MAX {
            let asked = self.seen.now_millis();
            let latest = self.seen.latest(name);
            let held = latest.as_ref().and_then(|latest| self.seen.live(name, latest));
            let granted = match (&latest, held) {
                (_, Some(lease)) if lease.holder != *holder => return Ok(Acquired::Taken(lease)),
                (Some(latest), Some(_)) => latest.granted.clone().renewed(ttl),
                (latest, _) => self.next(name, latest.as_ref(), holder, ttl).await?,
            };
            let revision = latest.map_or(0, |latest| latest.revision);
            if self.write(&bucket, name, revision, &granted, asked).await? {
                return Ok(Acquired::Held(self.lease(name, &granted, ttl)));
            }
        }
        Err(unknown("change a lease that others change")("too many tries"))
    }

    /// A new grant. Its token is higher than all that the bucket, and this host's disk, know of.
    async fn next(
        &self,
        name: &LeaseName,
        latest: Option<&Latest>,
        holder: &Holder,
        ttl: LeaseTtl,
    ) -> Result<Granted, LeaseError> {
        self.seen.has_room_for(name)?;
        let known = self.fences.latest(name).await?.unwrap_or(FencingToken(0));
        let FencingToken(last) = latest.map_or(known, |latest| latest.granted.token.max(known));
        Ok(Granted::new(FencingToken(last + 1), self.seen.own, holder, ttl))
    }

    /// Changes a lease that has not ended and is still its holder's.
    async fn change(&self, lease: &Lease, how: impl Fn(Granted) -> Granted) -> Result<Option<Lease>, LeaseError> {
        let bucket = self.open().await?;
        for _ in 0..TRIES_MAX {
            let asked = self.seen.now_millis();
            let Some(latest) = self.seen.latest(&lease.name) else { return Ok(None) };
            let live = self.seen.live(&lease.name, &latest);
            if !live.is_some_and(|live| live.token == lease.token && live.holder == lease.holder) {
                return Ok(None);
            }
            let granted = how(latest.granted);
            if self.write(&bucket, &lease.name, latest.revision, &granted, asked).await? {
                let remaining = granted.lasts().unwrap_or_default();
                return Ok(Some(Lease { remaining, ..lease.clone() }));
            }
        }
        Err(unknown("change a lease that others change")("too many tries"))
    }

    /// Writes a change in place of the one before, unless there is another by now: then that one is known afterwards. When it
    /// returns true, this host's disk refuses earlier tokens.
    async fn write(
        &self,
        bucket: &kv::Store,
        name: &LeaseName,
        revision: u64,
        granted: &Granted,
        asked: u64,
    ) -> Result<bool, LeaseError> {
        let bytes = granted.written().map_err(unknown("write a lease"))?;
        match bucket.update(granted::key(name), bytes.into(), revision).await {
            Ok(revision) => {
                self.seen.see(name, revision, granted.clone(), asked);
                self.raise(name).await?;
                Ok(true)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                self.look(bucket, name).await?;
                Ok(false)
            }
            Err(error) => Err(unknown("write a lease")(error)),
        }
    }

    /// What the bucket has of a lease now.
    async fn look(&self, bucket: &kv::Store, name: &LeaseName) -> Result<(), LeaseError> {
        let entry = bucket.entry(granted::key(name)).await.map_err(unknown("read a lease"))?;
        match entry {
            Some(entry) => self.see(name, &entry),
            // It was lost, or deleted: who holds it goes on, and the next change is its first.
            None => self.seen.count_anew_of(name),
        }
        Ok(())
    }

    fn see(&self, name: &LeaseName, entry: &kv::Entry) {
        let granted = match entry.operation {
            Operation::Put => Granted::read(&entry.value),
            Operation::Delete | Operation::Purge => None,
        };
        match granted {
            Some(granted) => self.seen.see(name, entry.revision, granted, self.seen.now_millis()),
            None => self.seen.see_none(name, entry.revision),
        }
    }

    async fn raise(&self, name: &LeaseName) -> Result<(), LeaseError> {
        let Some(token) = self.seen.latest(name).and_then(|latest| latest.to_raise()) else { return Ok(()) };
        self.fences.raise(name, token).await?;
        self.seen.raised(name, token);
        Ok(())
    }

    /// What was granted here is raised by whoever asked for it, before it is told.
    async fn heard(&self, name: &LeaseName) -> Result<(), LeaseError> {
        let latest = self.seen.latest(name).filter(|latest| !latest.granted.is_on(self.seen.own));
        let Some(token) = latest.and_then(|latest| latest.to_raise()) else { return Ok(()) };
        self.fences.heard(name, token).await?;
        self.seen.raised(name, token);
        Ok(())
    }

    fn lease(&self, name: &LeaseName, granted: &Granted, ttl: LeaseTtl) -> Lease {
        let holder = granted.holder(self.seen.own);
        Lease { name: name.clone(), holder, token: granted.token, remaining: ttl.as_duration() }
    }

    async fn follow(&self) -> Result<(), NatsError> {
        let bucket = self.streams.bucket(BUCKET).await?;
        self.recognise(&bucket);
        let mut entries = bucket.watch_with_history(">").await.map_err(failed("watch the leases"))?;
        let mut changes = self.connection.changes();
        let status = bucket.status().await.map_err(failed("look at the leases"))?;
        let mut all_seen = status.values() == 0;
        loop {
            if all_seen {
                self.bucket.send_replace(Some(bucket.clone()));
            }
            tokio::select! {
                entry = entries.next() => {
                    let Some(entry) = entry else { return Ok(()) };
                    let entry = entry.map_err(failed("watch the leases"))?;
                    self.hear(&entry).await?;
                    all_seen |= entry.seen_current;
                }
                () = self.forgotten.notified() => self.delete(&bucket).await?,
                () = self.again.notified() => return Ok(()),
                () = self.connection.up_again(&mut changes) => return Ok(()),
            }
        }
    }

    /// A bucket that was lost and made anew counts its changes from 1, and one that lost its last changes from before them.
    fn recognise(&self, bucket: &kv::Store) {
        let made = |bucket: &kv::Store| bucket.stream.cached_info().created;
        let known = self.bucket.borrow().as_ref().map(made);
        let went_back = bucket.stream.cached_info().state.last_sequence < self.seen.last_revision();
        if went_back || known.is_some_and(|known| known != made(bucket)) {
            tracing::warn!("the leases in NATS were lost: what is held goes on");
            self.seen.count_anew();
        }
    }

    /// One entry of the bucket.
    async fn hear(&self, entry: &kv::Entry) -> Result<(), NatsError> {
        let Some(name) = granted::read_key(&entry.key) else {
            tracing::warn!(key = entry.key, "a lease has a name that no host writes");
            return Ok(());
        };
        self.see(&name, entry);
        if let Err(error) = self.heard(&name).await {
            // The next word of this lease tries it again; the others are not to wait for it.
            tracing::error!(lease = entry.key, %error, "what is done under an earlier grant cannot be refused on this disk");
        }
        Ok(())
    }

    /// Deletes what is forgotten here, unless somebody else was granted it meanwhile.
    async fn delete(&self, bucket: &kv::Store) -> Result<(), NatsError> {
        loop {
            let Some(name) = self.to_delete.lock().pop() else { return Ok(()) };
            if self.seen.latest(&name).is_some() {
                continue;
            }
            let subject = format!("{}{}", bucket.prefix, granted::key(&name));
            if let Err(error) = bucket.stream.purge().filter(subject).await {
                self.to_delete.lock().push(name);
                self.forgotten.notify_one();
                return Err(failed("delete a lease")(error));
            }
        }
    }
}

impl LeaseTtl {
    fn as_millis(self) -> u64 {
        millis(self.as_duration())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn unknown<E: Into<Box<dyn std::error::Error + Send + Sync>>>(act: &'static str) -> impl FnOnce(E) -> LeaseError {
    move |source| LeaseError::Store(Box::new(failed(act)(source)))
}
