//! The description of the whole API (`/api/openapi.json`), made from the handlers themselves.

use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::router::{guarded, of_agents, open};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bailiwick",
        description = "Runs tenants' agents. Errors are problem details (RFC 9457) with a stable `code`; lists page with `limit` and `cursor`; \
            query parameters and body fields that are not listed here are refused. Another tenant's thing is answered as one that does not exist."
    ),
    tags(
        (name = "tenants", description = "Whose agents, messages and data nobody else sees"),
        (name = "components", description = "The code of agents, by digest"),
        (name = "agents", description = "Deploy agents, watch them, steer them"),
        (name = "messages", description = "Talk to agents, and watch them talk"),
        (name = "queues", description = "What waits, and what was given up"),
        (name = "registry", description = "A2A cards of running agents"),
        (name = "audit", description = "What happened, who asked for it, and what it used"),
        (name = "vault", description = "The key that seals all tenants' keys and secrets"),
        (name = "health", description = "For whoever watches the host")
    ),
    components(schemas(host_wire::Problem, host_wire::Message, host_wire::LogRecord)),
    security(("operator" = [])),
    modifiers(&Tokens)
)]
struct ApiDoc;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for whose in ["operator", "agent"] {
            let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            components.add_security_scheme(whose, scheme);
        }
    }
}

/// The description as JSON, laid out for people and for diffs.
pub fn openapi_json() -> String {
    let described = OpenApiRouter::with_openapi(ApiDoc::openapi()).merge(open()).merge(guarded()).merge(of_agents());
    let (_, described) = described.split_for_parts();
    // A description that does not serialise is a defect that the snapshot test would show; it is no reason to stop a host.
    serde_json::to_value(&described)
        .and_then(|described| serde_json::to_string_pretty(&with_problems(described)))
        .unwrap_or_default()
}

/// Every operation can fail, and fails with a problem; and every answer has a description, as `OpenAPI` 3.1 wants it.
fn with_problems(mut described: Value) -> Value {
    let problem = json!({
        "description": "Refused or failed",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    });
    let paths = described.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    let operations = paths.filter_map(|(_, path)| path.as_object_mut()).flatten();
    let answers = operations.filter_map(|(_, operation)| operation.get_mut("responses")?.as_object_mut());
    for responses in answers {
        responses.values_mut().filter_map(Value::as_object_mut).for_each(describe);
        responses.insert("default".to_owned(), problem.clone());
    }
    described
}

fn describe(response: &mut serde_json::Map<String, Value>) {
    response.entry("description").or_insert_with(|| "Done".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/openapi.json` is what was reviewed. To change it, change the handlers and copy what the test wrote.
    #[test]
    fn the_description_is_as_reviewed() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let reviewed = std::fs::read_to_string(format!("{root}/docs/openapi.json")).unwrap_or_default();
        let described = openapi_json() + "\n";
        if reviewed != described {
            std::fs::write(format!("{root}/target/openapi.json"), described).unwrap();
            panic!("the API changed: if it is meant, copy target/openapi.json to docs/openapi.json");
        }
    }

    #[test]
    fn every_operation_says_how_it_fails_and_who_may_ask() {
        let described: Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut operations = 0;
        for (path, item) in described["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                operations += 1;
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.contains_key("default"), "{method} {path}");
                assert!(answers.values().all(|answer| answer["description"].is_string()), "{method} {path}");
                let who = operation["security"].as_array().map(|who| who.iter().any(|who| who["agent"].is_array()));
                let expected = match path.as_str() {
                    of_agents if of_agents.starts_with("/api/messages") => Some(true),
                    of_operators if of_operators.starts_with("/api/") => None,
                    _ => Some(false),
                };
                assert_eq!(who, expected, "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
            }
        }
        assert_eq!(operations, 64);
    }
}
