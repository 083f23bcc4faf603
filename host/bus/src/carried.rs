//! What is routed: a message of this process, or the bytes of one that came over the wire.

use std::borrow::Cow;
use std::sync::Arc;

use host_gate::{Delivery, Stamped, shard_key_of};
use host_model::{Destination, Queue, TenantId, Topic};

/// Where something goes, as far as routing asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Topic(&'a Topic),
    Queue(&'a Queue),
    Reply,
}

/// Something to be handed to receivers.
pub(crate) trait Carried {
    /// Where it goes.
    fn place(&self) -> Place<'_>;
    /// Its address within the tenant.
    fn address(&self) -> Cow<'_, str>;
    /// By what receivers that share by key share it.
    fn shard_key(&self) -> Cow<'_, str>;
    /// What one receiver is given.
    fn delivery(&self) -> Delivery;
}

impl Carried for Arc<Stamped> {
    fn place(&self) -> Place<'_> {
        match &self.envelope().to {
            Destination::Topic(topic) => Place::Topic(topic),
            Destination::Queue(queue) => Place::Queue(queue),
            Destination::Reply { .. } => Place::Reply,
        }
    }

    fn address(&self) -> Cow<'_, str> {
        Cow::Owned(self.envelope().to.to_string())
    }

    fn shard_key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.envelope().shard_key())
    }

    fn delivery(&self) -> Delivery {
        Delivery::Local(self.clone())
    }
}

/// Bytes from the wire, with what their subject says. Nothing of it is to be believed before the gate has verified it.
pub(crate) struct Arrived {
    pub(crate) tenant: TenantId,
    pub(crate) address: String,
    pub(crate) to: ArrivedAt,
    pub(crate) bytes: Arc<[u8]>,
}

/// What the address of an [`Arrived`] is.
pub(crate) enum ArrivedAt {
    Topic(Topic),
    Queue(Queue),
    Reply,
}

impl Carried for Arrived {
    fn place(&self) -> Place<'_> {
        match &self.to {
            ArrivedAt::Topic(topic) => Place::Topic(topic),
            ArrivedAt::Queue(queue) => Place::Queue(queue),
            ArrivedAt::Reply => Place::Reply,
        }
    }

    fn address(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.address)
    }

    fn shard_key(&self) -> Cow<'_, str> {
        Cow::Owned(shard_key_of(&self.bytes))
    }

    fn delivery(&self) -> Delivery {
        let Self { tenant, address, bytes, .. } = self;
        Delivery::Sealed { tenant: tenant.clone(), address: address.clone(), bytes: bytes.clone() }
    }
}
