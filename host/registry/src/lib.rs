//! Who is there: A2A cards of running agents, found only from within their own tenant.

mod card;
mod registry;
mod repository;

pub use card::card_of;
pub use registry::Registry;
pub use repository::{CardRepository, CardStoreError};
