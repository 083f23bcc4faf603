//! A response's body on its way in, with everything that bounds it.

use std::fmt;
use std::time::Duration;

use host_quota::Share;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::time::{Instant, timeout};

use crate::EgressError;

/// What is left of a response. The tenant's share of requests under way is held until the end, or until this is dropped.
pub struct ResponseBody {
    open: Option<Open>,
    /// Bytes that came and were not yet asked for.
    rest: Bytes,
    len_max: u64,
    left: u64,
}

/// What a body that has not ended holds.
struct Open {
    incoming: Incoming,
    deadline: Instant,
    wait: Duration,
    _under_way: Share,
}

/// What bounds one body.
pub(crate) struct BodyBounds {
    pub(crate) len_max: u64,
    pub(crate) deadline: Instant,
    pub(crate) wait: Duration,
    pub(crate) under_way: Share,
}

impl ResponseBody {
    /// Refuses a body that says beforehand that it is too long.
    pub(crate) fn new(incoming: Incoming, bounds: BodyBounds) -> Result<Self, EgressError> {
        let BodyBounds { len_max, deadline, wait, under_way } = bounds;
        if incoming.size_hint().lower() > len_max {
            return Err(EgressError::ResponseTooLarge { len_max });
        }
        let open = Open { incoming, deadline, wait, _under_way: under_way };
        Ok(Self { open: Some(open), rest: Bytes::new(), len_max, left: len_max })
    }

    /// The next bytes, at most `max` of them and at least one; `None` at the end. After an error there is nothing more.
    pub async fn read(&mut self, max: usize) -> Result<Option<Bytes>, EgressError> {
        while self.rest.is_empty() {
            let Some(open) = &mut self.open else { return Ok(None) };
            match open.next().await {
                Ok(Some(bytes)) => self.take_in(bytes)?,
                Ok(None) => self.open = None,
                Err(error) => {
                    self.open = None;
                    return Err(error);
                }
            }
        }
        Ok(Some(self.rest.split_to(max.clamp(1, self.rest.len()))))
    }

    /// When it ends at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.deadline)
    }

    fn take_in(&mut self, bytes: Bytes) -> Result<(), EgressError> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            self.open = None;
            return Err(EgressError::ResponseTooLarge { len_max: self.len_max });
        };
        (self.left, self.rest) = (left, bytes);
        Ok(())
    }
}

impl Open {
    /// The next bytes that come. Trailers are passed over.
    async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        loop {
            let wait = self.wait.min(self.deadline.saturating_duration_since(Instant::now()));
            let frame = timeout(wait, self.incoming.frame()).await;
            let Some(frame) = frame.map_err(|_| EgressError::TimedOut { after: wait })? else { return Ok(None) };
            if let Ok(bytes) = frame.map_err(|error| EgressError::Unavailable(error.into()))?.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// Never the bytes.
impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes read", self.len_max - self.left)
    }
}
