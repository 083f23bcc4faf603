//! What a client sends, as a draft.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_model::{Draft, Header};
use host_wire::{Content, Qos};

use super::message::is_json;
use crate::problem::ApiError;

/// The longest wait for an agent's answer.
const WAIT_MILLIS_MAX: u64 = 60_000;
/// The option of a draft that says how surely it is to arrive.
const QOS: &str = "qos";
/// What a body is that came as JSON.
const JSON: &str = "application/json";
/// What a body is that came as base64.
const BYTES: &str = "application/octet-stream";

/// The draft a client means. The gate looks at what it holds; here only its form is looked at.
pub(crate) fn draft_of(content: Content) -> Result<Draft, ApiError> {
    let Content { message_type, payload, payload_base64, content_type, correlation_id, headers } = content;
    let (payload, content_type) = match (payload, payload_base64) {
        (Some(json), None) => (Vec::from(json.get()), json_type(content_type)?),
        (None, Some(base64)) => {
            (STANDARD.decode(base64).map_err(not_base64)?, content_type.unwrap_or_else(|| BYTES.to_owned()))
        }
        _ => return Err(ApiError::BadBody("give either payload (any JSON) or payloadBase64".to_owned())),
    };
    let headers = headers.into_iter().map(|header| Header { name: header.name, value: header.value }).collect();
    Ok(Draft { message_type, content_type, payload, correlation_id, headers, options: Vec::new() })
}

/// The same draft, to arrive as surely as this.
pub(crate) fn sure(mut draft: Draft, qos: Qos) -> Draft {
    draft.options.push(Header { name: QOS.to_owned(), value: qos.as_str().to_owned() });
    draft
}

fn json_type(given: Option<String>) -> Result<String, ApiError> {
    match given {
        None => Ok(JSON.to_owned()),
        Some(given) if is_json(&given) => Ok(given),
        Some(given) => Err(ApiError::BadBody(format!(
            "payload is JSON, and contentType says {given:?}: give the bytes as payloadBase64"
        ))),
    }
}

/// How long to wait for an answer, if so long may be waited.
pub(crate) fn wait_of(millis: u64) -> Result<Duration, ApiError> {
    if (1..=WAIT_MILLIS_MAX).contains(&millis) {
        return Ok(Duration::from_millis(millis));
    }
    Err(ApiError::BadBody(format!("waitMillis is {millis}: it must lie between 1 and {WAIT_MILLIS_MAX}")))
}

fn not_base64(cause: base64::DecodeError) -> ApiError {
    ApiError::BadBody(format!("payloadBase64 is not standard base64 with padding (RFC 4648, section 4): {cause}"))
}

#[cfg(test)]
mod tests {
    use host_wire::SendMessage;

    use super::*;

    fn draft(fields: &str) -> Result<Draft, u16> {
        let message: SendMessage = serde_json::from_str(&format!(r#"{{"type":"t"{fields}}}"#)).unwrap();
        draft_of(message.into_parts().0).map_err(|refused| refused.problem().status)
    }

    fn check(fields: &str, expected: Result<(&str, &str), u16>) {
        let read = draft(fields).map(|draft| (draft.content_type, String::from_utf8(draft.payload).unwrap()));
        let read = read.as_ref().map(|(kind, body)| (kind.as_str(), body.as_str())).map_err(|status| *status);
        assert_eq!(read, expected, "{fields}");
    }

    #[test]
    fn a_body_is_json_or_base64_and_exact() {
        check(r#","payload":{"n": 1.10}"#, Ok(("application/json", r#"{"n": 1.10}"#)));
        check(r#","payload":null"#, Ok(("application/json", "null")));
        check(
            r#","payload":"x","contentType":"application/cloudevents+json""#,
            Ok(("application/cloudevents+json", "\"x\"")),
        );
        check(r#","payloadBase64":"aGVsbG8=""#, Ok(("application/octet-stream", "hello")));
        check(r#","payloadBase64":"aGVsbG8=","contentType":"text/plain""#, Ok(("text/plain", "hello")));
        check(r#","payloadBase64":"""#, Ok(("application/octet-stream", "")));
    }

    #[test]
    fn a_body_that_is_neither_or_both_is_refused() {
        check("", Err(400));
        check(r#","payload":1,"payloadBase64":"""#, Err(400));
        check(r#","payloadBase64":"aGVsbG8""#, Err(400));
        check(r#","payloadBase64":"-_-_""#, Err(400));
        check(r#","payload":1,"contentType":"text/plain""#, Err(400));
    }

    #[test]
    fn a_wait_has_two_ends() {
        let wait = |millis| wait_of(millis).map_err(|refused| refused.problem().status);
        assert_eq!(wait(0), Err(400));
        assert_eq!(wait(1), Ok(Duration::from_millis(1)));
        assert_eq!(wait(WAIT_MILLIS_MAX), Ok(Duration::from_mins(1)));
        assert_eq!(wait(WAIT_MILLIS_MAX + 1), Err(400));
    }
}
