//! The JSON that a sealed message is, on a wire and on a disk (docs/envelope.md, "The frame").

mod key;
mod read;
mod write;

use host_model::{Envelope, KeyId};
use serde_json::value::RawValue;

use crate::keys::MAC_LEN;
use crate::mac_input::Encoding;
use crate::words::is_json;

pub use key::shard_key_of;
pub(crate) use read::read;
pub(crate) use write::write;

/// The one version of the envelope.
const VERSION: u64 = 1;
/// What a signature begins with.
const SIGNATURE_PREFIX: &str = "v1.";
/// The largest whole number that every JSON reader keeps exact (RFC 7493, section 2.2).
pub(crate) const NUMBER_MAX: u64 = (1 << 53) - 1;
/// The deepest nesting of a JSON payload.
const DEPTH_MAX: usize = 128;
/// The most headers whatever a host's limit is, and the most extensions.
const HEADERS_MAX: usize = 1_024;
const EXTENSIONS_MAX: usize = 8;
/// Room in a frame for all but the payload: 32 headers of the largest size with each character escaped, and then some.
const FRAME_REST_BYTES_MAX: usize = 256 << 10;

/// A frame that was read, before anything about it is known to be true.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) envelope: Envelope,
    pub(crate) encoding: Encoding,
    pub(crate) key: KeyId,
    pub(crate) signature: [u8; MAC_LEN],
}

/// The longest frame around a payload of at most so many bytes: base64 takes four for three.
pub(crate) fn frame_bytes_max(payload_bytes_max: usize) -> usize {
    payload_bytes_max.div_ceil(3) * 4 + FRAME_REST_BYTES_MAX
}

/// How a message's payload is written: as JSON if its media type says so and it is JSON that can stand in the frame as it is.
pub(crate) fn encoding_of(envelope: &Envelope) -> Encoding {
    if is_json(&envelope.content_type) && can_stand_in_a_frame(&envelope.payload) {
        Encoding::Json
    } else {
        Encoding::Base64
    }
}

/// Whether a payload is one JSON text without white space around it, not too deep.
fn can_stand_in_a_frame(payload: &[u8]) -> bool {
    let raw: Result<&RawValue, _> = serde_json::from_slice(payload);
    raw.is_ok_and(|raw| raw.get().len() == payload.len() && depth_of(payload) <= DEPTH_MAX)
}

/// How deep arrays and objects are nested in what is known to be JSON; at most that deep, where so few are opened that none is too deep.
fn depth_of(json: &[u8]) -> usize {
    let opened = json.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if opened <= DEPTH_MAX { opened } else { depth_by_each(json) }
}

fn depth_by_each(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
