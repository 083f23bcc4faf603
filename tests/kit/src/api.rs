//! The API, as any HTTP client sees it: JSON in, JSON out.

use host_component::Digest;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::package::Package;
use crate::stream::Stream;
use crate::watch::Watch;

/// How long an agent's answer is waited for, in milliseconds.
const WAIT_MILLIS: u64 = 15_000;

/// A client of one host.
#[derive(Clone)]
pub struct Api {
    http: Client,
    url: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// When to come back, in seconds.
    pub retry_after: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| unreachable!("not JSON: {self:#?}"))
    }

    /// The body, if the host did it.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem, if the host refused it with this status and code.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem:#}");
        assert_eq!(self.content_type, "application/problem+json");
        problem
    }

    /// What the agent answered, as JSON.
    pub fn said(&self) -> Value {
        self.ok()["payload"].clone()
    }
}

impl Api {
    /// A client that sends this token, or none.
    pub fn new(url: &str, token: Option<&str>) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { http, url: url.to_owned(), token: token.map(str::to_owned) }
    }

    /// The same host, with another token or none.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The token that it sends.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asks for anything. None when the host is not there or goes away.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        self.try_call_with(method, path, &[], body).await
    }

    /// Asks for anything, with more headers. None when the host is not there or goes away.
    pub async fn try_call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        let request =
            headers.iter().fold(self.request(method, path), |request, (name, value)| request.header(*name, *value));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        read(request.send().await.ok()?).await
    }

    /// Asks for anything.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body).await.unwrap_or_else(|| unreachable!("no answer to {method} {path}"))
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(&body)).await
    }

    /// Creates a tenant.
    pub async fn create_tenant(&self, id: &str) {
        self.post("/api/tenants", json!({ "tenantId": id })).await.ok();
    }

    /// Uploads and deploys an agent, and tells what the host says to that.
    pub async fn try_deploy(&self, tenant: &str, package: &Package) -> Answer {
        self.upload(&package.component).await.ok();
        let body = json!({ "manifest": package.text(), "digest": package.digest() });
        self.post(&format!("/api/agents?tenant={tenant}"), body).await
    }

    /// Uploads and deploys an agent.
    pub async fn deploy(&self, tenant: &str, package: &Package) -> Value {
        self.try_deploy(tenant, package).await.ok()
    }

    /// Uploads a component.
    pub async fn upload(&self, component: &[u8]) -> Answer {
        let path = format!("/api/components/{}", Digest::of(component));
        let request = self.request("PUT", &path).header("content-type", "application/wasm").body(component.to_vec());
        read(request.send().await.expect("the host is there")).await.expect("the host answers")
    }

    /// How an agent is.
    pub async fn agent(&self, tenant: &str, agent: &str) -> Value {
        self.get(&format!("/api/agents/{agent}?tenant={tenant}")).await.ok()
    }

    /// Starts, stops or restarts an agent.
    pub async fn steer(&self, tenant: &str, agent: &str, verb: &str) -> Answer {
        self.call("POST", &format!("/api/agents/{agent}/{verb}?tenant={tenant}"), None).await
    }

    /// Deletes an agent.
    pub async fn delete(&self, tenant: &str, agent: &str) -> Answer {
        self.call("DELETE", &format!("/api/agents/{agent}?tenant={tenant}"), None).await
    }

    /// Gives a resident agent a command.
    pub async fn command(&self, tenant: &str, agent: &str, name: &str, data: Value) -> Answer {
        let body = json!({ "name": name, "data": data });
        self.post(&format!("/api/agents/{agent}/commands?tenant={tenant}"), body).await
    }

    /// Sends a message and does not wait for its handling. `null` is an empty body.
    pub async fn send(&self, tenant: &str, agent: &str, kind: &str, payload: &Value) -> Answer {
        let path = format!("/api/agents/{agent}/messages?tenant={tenant}");
        self.post(&path, message(kind, payload)).await
    }

    /// Sends a message and waits for its answer. `null` is an empty body.
    pub async fn ask(&self, tenant: &str, agent: &str, kind: &str, payload: &Value) -> Answer {
        self.try_ask(tenant, agent, kind, payload).await.expect("the host answers")
    }

    /// As [`ask`](Self::ask); none when the host goes away.
    pub async fn try_ask(&self, tenant: &str, agent: &str, kind: &str, payload: &Value) -> Option<Answer> {
        let mut body = message(kind, payload);
        body["waitMillis"] = json!(WAIT_MILLIS);
        self.try_call("POST", &format!("/api/agents/{agent}/messages?tenant={tenant}"), Some(&body)).await
    }

    /// Publishes as the operator. `null` is an empty body.
    pub async fn publish(&self, tenant: &str, topic: &str, kind: &str, payload: &Value) -> Answer {
        let mut body = message(kind, payload);
        body["topic"] = json!(topic);
        self.post(&format!("/api/topics/messages?tenant={tenant}"), body).await
    }

    /// The last thousand lines of an agent's log.
    pub async fn logs(&self, tenant: &str, agent: &str) -> Vec<Value> {
        items(&self.get(&format!("/api/agents/{agent}/logs?tenant={tenant}&limit=1000")).await.ok())
    }

    /// The cards that a search finds; `conditions` is what stands after the tenant.
    pub async fn cards(&self, tenant: &str, conditions: &str) -> Vec<Value> {
        items(&self.get(&format!("/api/registry/agents/search?tenant={tenant}{conditions}")).await.ok())
    }

    /// Watches everything that passes in a tenant, from now on.
    pub async fn watch(&self, tenant: &str) -> Watch {
        let path = format!("/api/topics/stream?tenant={tenant}&pattern=%3E");
        Watch::open(self.request("GET", &path).send().await.expect("the host is there")).await
    }

    /// Sends as an external agent, under an idempotency key or none.
    pub async fn post_message(&self, key: Option<&str>, body: Value) -> Answer {
        let request = self.request("POST", "/api/messages").json(&body);
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        read(request.send().await.expect("the host is there")).await.expect("the host answers")
    }

    /// Receives as an external agent, behind the last event that was received.
    pub async fn mailbox(&self, last: Option<&str>) -> Watch {
        let request = self.request("GET", "/api/messages/stream");
        let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        Watch::open(request.send().await.expect("the host is there")).await
    }

    /// Opens a stream of events. None when the host is not there, or does not open it.
    pub async fn try_stream(&self, path: &str) -> Option<Stream> {
        let response = self.request("GET", path).send().await.ok()?;
        response.status().is_success().then(|| Stream::new(response))
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("an HTTP method");
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

async fn read(response: Response) -> Option<Answer> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
    let status = response.status().as_u16();
    Some(Answer { status, content_type, retry_after, body: response.bytes().await.ok()?.to_vec() })
}

fn message(kind: &str, payload: &Value) -> Value {
    match payload {
        Value::Null => json!({ "type": kind, "payloadBase64": "" }),
        payload => json!({ "type": kind, "payload": payload }),
    }
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().expect("a page has items").clone()
}
