//! `wasi:http`, outgoing only: what a guest sends goes to [`host_calls::HostCalls`] like every other call, whole; what comes back
//! is read in parts.
//!
//! The resources are `wasmtime-wasi-http`'s; its sender is not even compiled in.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use host_calls::{
    Answer, HostCall, HostReply, HttpCall, HttpHeader, HttpOpen, HttpReply, HttpWaits, Price, REQUEST_BYTES_MAX,
    ROUTED_BASE, Refusal, price_of_call, price_of_reply,
};
use host_quota::Share;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

use crate::host::{Store, charge};
use crate::state::{AgentState, Birth, Numbered};

/// Memory one set of fields may take, in bytes, names and bookkeeping included.
const FIELDS_BYTES_MAX: usize = 16 << 10;
/// The most bytes of one write to a request's body, and how many writes wait to be taken.
const CHUNK_LEN_MAX: usize = 64 << 10;
const CHUNKS_MAX: usize = 2;
/// Requests of one instance whose bodies are still being written; one more is refused. One without a body needs no place.
pub(crate) const WRITTEN_AT_ONCE_MAX: usize = 8;

/// The name that `wasmtime-wasi-http` links; the linker takes each 0.2.N for it.
const OUTGOING_HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

/// Links the types and the handler for what goes out. There is none for what comes in.
pub(crate) fn link_http(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    types::add_to_linker::<_, WasiHttp>(linker, &options.into(), AgentState::http)?;
    linker.instance(OUTGOING_HANDLER)?.func_wrap("handle", |store: Store<'_>, (request, options)| {
        handle(store, request, options).map(|handled| (handled,))
    })
}

type Handled = Result<Resource<HostFutureIncomingResponse>, types::ErrorCode>;

/// Charges the call before anything is done for it; its bytes are charged as they are moved, as what is printed is.
fn handle(
    mut store: Store<'_>,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> wasmtime::Result<Handled> {
    charge(&mut store, ROUTED_BASE)?;
    match outgoing_handler::Host::handle(&mut store.data_mut().http(), request, options) {
        Ok(response) => Ok(Ok(response)),
        Err(error) => error.downcast().map(Err),
    }
}

/// What an instance holds once it has used `wasi:http`.
pub(crate) struct HttpState {
    ctx: WasiHttpCtx,
    hooks: Outgoing,
}

impl HttpState {
    pub(crate) fn new(birth: &Arc<Birth>, run: &Numbered, debt: &Arc<AtomicU64>) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELDS_BYTES_MAX);
        let asks = Asks { birth: birth.clone(), run: run.clone(), debt: debt.clone() };
        Self { ctx, hooks: Outgoing { asks, places: Arc::new(Semaphore::new(WRITTEN_AT_ONCE_MAX)) } }
    }

    /// The view of `wasi:http` during a run.
    pub(crate) fn view<'a>(
        &'a mut self,
        run: &Numbered,
        table: &'a mut wasmtime::component::ResourceTable,
    ) -> WasiHttpCtxView<'a> {
        self.hooks.asks.run = run.clone();
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.ctx }
    }
}

/// Sends for one instance.
struct Outgoing {
    asks: Asks,
    places: Arc<Semaphore>,
}

impl Outgoing {
    /// A place among the requests that are being written, unless nothing will be.
    fn place(&self, body: &WasiBody) -> Result<Option<OwnedSemaphorePermit>, Error> {
        if body.is_end_stream() {
            return Ok(None);
        }
        self.places.clone().try_acquire_owned().map(Some).map_err(|_all_taken| Error::ConnectionLimitReached)
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Outgoing {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| host_calls::is_forbidden_header(name.as_str()))
    }

    /// The way out sets it, from the URL.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let (asks, place) = (self.asks.clone(), self.place(request.body()));
        Box::new(async move {
            let place = place?;
            // In memory until the response is there, or all is dropped with this task.
            let (open, _room) = asks.gathered(request, options.unwrap_or_default()).await?;
            drop(place);
            let response = asks.response(open).await?;
            let nothing: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, nothing))
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS_MAX
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_LEN_MAX
    }
}

fn opening(head: &http::request::Parts, body: Vec<u8>, options: RequestOptions) -> HttpOpen {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| HttpHeader {
        name: name.as_str().to_owned(),
        value: value.as_bytes().to_vec(),
    };
    HttpOpen {
        method: head.method.as_str().to_owned(),
        url: head.uri.to_string(),
        headers: head.headers.iter().map(header).collect(),
        body,
        waits: waits(options),
    }
}

fn waits(options: RequestOptions) -> HttpWaits {
    let millis = |wait: Option<Duration>| wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    HttpWaits {
        connect_ms: millis(options.connect_timeout),
        first_byte_ms: millis(options.first_byte_timeout),
        between_bytes_ms: millis(options.between_bytes_timeout),
    }
}

/// Asks the host for one instance, from tasks that cannot reach its store: prices go on its debt, which its next charge settles.
#[derive(Clone)]
struct Asks {
    birth: Arc<Birth>,
    run: Numbered,
    debt: Arc<AtomicU64>,
}

impl Asks {
    /// A guest's request, once it has written all of it. Whether it may be made is asked only then; until then its body counts as
    /// its tenant's memory, and each part is paid for as it comes.
    async fn gathered(
        &self,
        request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(HttpOpen, Share), Error> {
        let (head, mut incoming) = request.into_parts();
        let (mut body, mut room) = (Vec::new(), self.birth.tenant_memory.found(0));
        while let Some(frame) = incoming.frame().await {
            // Trailers are passed over: the way out sends none.
            let Ok(bytes) = frame?.into_data() else { continue };
            self.owe(bytes.len() as Price);
            if body.len() + bytes.len() > REQUEST_BYTES_MAX as usize {
                return Err(Error::HttpRequestBodySize(Some(REQUEST_BYTES_MAX.into())));
            }
            room.grow(bytes.len() as u64).map_err(|_over| Error::ConnectionLimitReached)?;
            body.extend_from_slice(&bytes);
        }
        Ok((opening(&head, body, options), room))
    }

    async fn response(self, open: HttpOpen) -> Result<http::Response<WasiBody>, Error> {
        let paid = open.body.len() as Price;
        let call = HostCall::Http(HttpCall::Open(Box::new(open)));
        // The base was charged by `handle`, and the body as it was gathered.
        self.owe(price_of_call(&call).saturating_sub(ROUTED_BASE + paid));
        let HttpReply::Opened { status, headers, handle } = self.ask(call).await? else { return Err(wrong_kind()) };
        let body = Incoming { asks: self, handle, reading: None, ended: false };
        let mut response = http::Response::new(body.boxed_unsync());
        *response.status_mut() = http::StatusCode::from_u16(status).map_err(|_| Error::HttpProtocolError)?;
        for HttpHeader { name, value } in headers {
            let name = http::HeaderName::try_from(name).map_err(|_| Error::HttpProtocolError)?;
            let value = http::HeaderValue::try_from(value).map_err(|_| Error::HttpProtocolError)?;
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }

    async fn read(self, handle: u32) -> Result<HttpReply, Error> {
        let max = u32::try_from(CHUNK_LEN_MAX).unwrap_or(u32::MAX);
        let call = HostCall::Http(HttpCall::Read { handle, max });
        self.owe(price_of_call(&call));
        self.ask(call).await
    }

    /// Nobody waits for the answer: what is closed twice, or has ended, stays closed.
    fn close(&self, handle: u32) {
        let call = HostCall::Http(HttpCall::Close { handle });
        drop(self.birth.calls.call(&self.birth.caller, self.run.next(), call));
    }

    async fn ask(&self, call: HostCall) -> Result<HttpReply, Error> {
        let reply = match self.birth.calls.call(&self.birth.caller, self.run.next(), call) {
            Answer::Now(reply) => reply,
            Answer::Later(reply) => reply.await,
        };
        let reply = reply.map_err(|refusal| error_of(&refusal))?;
        self.owe(price_of_reply(&reply));
        match reply {
            HostReply::Http(reply) => Ok(reply),
            _ => Err(wrong_kind()),
        }
    }

    fn owe(&self, price: Price) {
        self.debt.fetch_add(price, Ordering::Relaxed);
    }
}

/// A read that is under way.
type Reading = Pin<Box<dyn Future<Output = Result<HttpReply, Error>> + Send>>;

/// A response's body, read as the guest reads it.
struct Incoming {
    asks: Asks,
    handle: u32,
    reading: Option<Reading>,
    ended: bool,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let (asks, handle) = (self.asks.clone(), self.handle);
        let reading = self.reading.get_or_insert_with(|| Box::pin(asks.read(handle)));
        let reply = ready!(reading.as_mut().poll(context));
        self.reading = None;
        self.ended = !matches!(reply, Ok(HttpReply::Chunk(_)));
        Poll::Ready(match reply {
            Ok(HttpReply::Chunk(bytes)) => Some(Ok(Frame::data(bytes.into()))),
            Ok(HttpReply::End) => None,
            Ok(_) => Some(Err(wrong_kind())),
            Err(error) => Some(Err(error)),
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.ended {
            self.asks.close(self.handle);
        }
    }
}

/// What a guest gets when the answer is of another kind than its call: the far side of a pipe broke its word.
fn wrong_kind() -> Error {
    Error::InternalError(Some("wrong-reply".to_owned()))
}

/// A refusal in the words of `wasi:http`. What cannot be reached is one case, whatever the reason.
fn error_of(refusal: &Refusal) -> Error {
    match refusal {
        Refusal::Invalid(numbers) if numbers.code == "url" => Error::HttpRequestUriInvalid,
        Refusal::Invalid(numbers) if numbers.code == "method" => Error::HttpRequestMethodInvalid,
        Refusal::NotGranted(_) | Refusal::Invalid(_) => Error::HttpRequestDenied,
        Refusal::TooLarge(numbers) if numbers.code == "request-bytes" => Error::HttpRequestBodySize(numbers.limit),
        Refusal::TooLarge(numbers) if numbers.code == "response-bytes" => Error::HttpResponseBodySize(numbers.limit),
        Refusal::TooLarge(_) => Error::HttpRequestHeaderSectionSize(None),
        Refusal::OverQuota(_) | Refusal::Backpressure(_) => Error::ConnectionLimitReached,
        Refusal::TimedOut(_) => Error::HttpResponseTimeout,
        Refusal::NotFound => Error::HttpResponseIncomplete,
        Refusal::Unavailable(_) | Refusal::Other(_) => Error::DestinationUnavailable,
    }
}
