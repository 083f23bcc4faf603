//! Values as the log keeps them. What no column can hold is cut off at what it can.

use host_bus::Position;
use host_model::{MessageId, Timestamp};

/// A moment; one past 2⁶³ ms is as good as never.
pub(super) fn millis(moment: Timestamp) -> i64 {
    clamped(moment.as_millis())
}

/// A place; none is past 2⁶³.
pub(super) fn place(position: Position) -> i64 {
    clamped(position.0)
}

/// A length.
pub(super) fn len(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A message's id; `None` if these are not its 16 bytes.
pub(super) fn message(bytes: &[u8]) -> Option<MessageId> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(MessageId::new(uuid::Uuid::from_bytes(bytes)))
}
