//! The house's door: REST, streams, health, and the description of all of it.
//!
//! A handler converts, calls the app, converts. It decides nothing but the form: who may do what is said in `app` and below.

mod auth;
mod bounds;
mod convert;
mod docs;
mod door;
mod extract;
mod headers;
mod health;
mod openapi;
mod page;
mod problem;
mod router;
mod routes;
mod serve;
mod state;
mod stream;

pub use auth::TokenDigest;
pub use openapi::openapi_json;
pub use router::router;
pub use serve::{GRACE, serve};
pub use state::ApiState;
