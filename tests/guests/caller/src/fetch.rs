//! One request over `wasi:http`, word for word as an order says.

use serde::Deserialize;
use serde_json::{Value, json};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

/// The most bytes of one write or read.
const CHUNK_LEN: usize = 4096;

/// What to send; all but the host may be missing.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Order {
    method: String,
    http: bool,
    host: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    /// So many bytes instead of `body`.
    size: usize,
    /// All three timeouts, in nanoseconds.
    timeout_ns: Option<u64>,
    /// Give up after so many bytes.
    read_max: usize,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            http: true,
            host: String::new(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            size: 0,
            timeout_ns: None,
            read_max: usize::MAX,
        }
    }
}

/// `{status, headers, body}`, or `{error}` with the step that failed.
pub(crate) fn fetch(order: &Order) -> Value {
    let fetched = respond(order).and_then(|response| {
        let headers: Vec<_> =
            response.headers().entries().into_iter().map(|(name, value)| (name, text(value))).collect();
        let (status, body) = (response.status(), read(&response, order.read_max)?);
        Ok(json!({ "status": status, "headers": headers, "len": body.len(), "body": text(body) }))
    });
    fetched.unwrap_or_else(|error| json!({ "error": error }))
}

/// Opens responses without reading them until that fails, and tells how many there were and why no more.
pub(crate) fn hold(order: &Order) -> (usize, String) {
    let mut held = Vec::new();
    loop {
        match respond(order) {
            Ok(response) => held.push(response),
            Err(error) => return (held.len(), error),
        }
    }
}

fn respond(order: &Order) -> Result<IncomingResponse, String> {
    let fields = Fields::new();
    for (name, value) in &order.headers {
        fields.append(name, value.as_bytes()).map_err(|error| format!("header: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let set = |what: &str, done: Result<(), ()>| done.map_err(|()| format!("{what}: refused"));
    set("method", request.set_method(&method(&order.method)))?;
    set("scheme", request.set_scheme(Some(if order.http { &Scheme::Http } else { &Scheme::Https })))?;
    set("authority", request.set_authority(Some(&order.host)))?;
    set("path", request.set_path_with_query(Some(&order.path)))?;
    let body = request.body().map_err(|()| "body: refused".to_owned())?;
    let response = handle(request, order.timeout_ns.map(options)).map_err(named)?;
    write(body, order)?;
    response.subscribe().block();
    let response = response.get().ok_or("not there")?;
    response.map_err(|()| "taken before".to_owned())?.map_err(named)
}

fn method(raw: &str) -> Method {
    match raw {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    }
}

fn options(nanos: u64) -> RequestOptions {
    let options = RequestOptions::new();
    // Each of them may be unsupported; that is no error of this guest.
    let _ = options.set_connect_timeout(Some(nanos));
    let _ = options.set_first_byte_timeout(Some(nanos));
    let _ = options.set_between_bytes_timeout(Some(nanos));
    options
}

fn write(body: OutgoingBody, order: &Order) -> Result<(), String> {
    let filler = vec![b'x'; order.size];
    let bytes = if order.size > 0 { &filler } else { order.body.as_bytes() };
    let stream = body.write().map_err(|()| "body: taken".to_owned())?;
    for chunk in bytes.chunks(CHUNK_LEN) {
        // The response says why nothing more is taken.
        if stream.blocking_write_and_flush(chunk).is_err() {
            break;
        }
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(named)
}

fn read(response: &IncomingResponse, max: usize) -> Result<Vec<u8>, String> {
    let body = response.consume().map_err(|()| "response: taken".to_owned())?;
    let stream = body.stream().map_err(|()| "response: taken".to_owned())?;
    let mut all = Vec::new();
    while all.len() < max {
        match stream.blocking_read(CHUNK_LEN as u64) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.map_or_else(|| "unknown".to_owned(), named));
            }
        }
    }
    Ok(all)
}

fn named(code: ErrorCode) -> String {
    format!("{code:?}")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
