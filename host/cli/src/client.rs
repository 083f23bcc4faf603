//! Speaks to a host's REST API.

use std::time::Duration;

use host_wire::{LIMIT_MAX, Page, Problem};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CliError;
use crate::stream::Events;

/// How long to wait for a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long to wait for a whole answer; longer than the host may take for one.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(90);
/// The most pages of a list.
const PAGES_MAX: usize = 1_000;

/// What is put after `?`.
pub(crate) type Query<'a> = &'a [(&'a str, String)];

/// A client of one host, as one principal.
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    token: Option<HeaderValue>,
}

impl Client {
    /// Follows no redirect and uses no proxy: the token goes to the host that was named.
    pub(crate) fn new(url: Url, token: Option<String>) -> Result<Self, CliError> {
        let http =
            reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().connect_timeout(CONNECT_TIME_MAX);
        let http = http.build().map_err(|cause| CliError::Broken { url: url.to_string(), cause })?;
        let token = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Ok(Self { http, url, token })
    }

    /// Reads one thing.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T, CliError> {
        self.answer(self.request(Method::GET, path, query)).await
    }

    /// Reads a list to its end.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<Vec<T>, CliError> {
        let mut items = Vec::new();
        let mut query = [query, &[("limit", LIMIT_MAX.to_string())]].concat();
        let base_len = query.len();
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            let Some(next) = page.next else { break };
            query.truncate(base_len);
            query.push(("cursor", next));
        }
        Ok(items)
    }

    /// Asks for something to be done, without a body.
    pub(crate) async fn act<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T, CliError> {
        self.answer(self.request(Method::POST, path, query)).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.answer(self.request(Method::POST, path, query).json(body)).await
    }

    /// Sends bytes.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, len: u64, body: Body) -> Result<T, CliError> {
        let request = self
            .request(Method::PUT, path, &[])
            .header("content-length", len)
            .header("content-type", "application/wasm");
        self.answer(request.body(body)).await
    }

    /// Sets something.
    pub(crate) async fn put_json<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        self.answer(self.request(Method::PUT, path, &[]).json(body)).await
    }

    /// Deletes something.
    pub(crate) async fn delete(&self, path: &str, query: Query<'_>) -> Result<(), CliError> {
        self.send(self.request(Method::DELETE, path, query).timeout(ANSWER_TIME_MAX)).await.map(drop)
    }

    /// Listens.
    pub(crate) async fn events(&self, path: &str, query: Query<'_>) -> Result<Events, CliError> {
        let request = self.request(Method::GET, path, query).header(ACCEPT, "text/event-stream");
        self.send(request).await.map(Events::new)
    }

    fn request(&self, method: Method, path: &str, query: Query<'_>) -> RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(path);
        let request = self.http.request(method, url).query(query);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let response = self.send(request.timeout(ANSWER_TIME_MAX)).await?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|cause| self.broken(cause))?;
        serde_json::from_slice(&body).map_err(|_| self.not_a_host(status))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|cause| self.broken(cause))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|cause| self.broken(cause))?;
        let problem: Problem = serde_json::from_slice(&body).map_err(|_| self.not_a_host(status))?;
        Err(CliError::Refused(Box::new(problem)))
    }

    fn broken(&self, cause: reqwest::Error) -> CliError {
        let url = self.url.as_str().trim_end_matches('/').to_owned();
        if cause.is_connect() {
            CliError::Unreachable { url }
        } else {
            CliError::Broken { url, cause: cause.without_url() }
        }
    }

    fn not_a_host(&self, status: u16) -> CliError {
        CliError::NotAHost { url: self.url.as_str().trim_end_matches('/').to_owned(), status }
    }
}
