//! The macros that make a component of an agent. Off `wasm32` they only check that it is one, so that the agent tests natively.

use crate::{Agent, Resident};

/// Compiles for an agent only, and keeps it from counting as unused in a native build.
#[doc(hidden)]
pub const fn is_agent<A: Agent>() {}

/// As [`is_agent`], for a resident one.
#[doc(hidden)]
pub const fn is_resident<A: Resident>() {}

/// Exports an [`Agent`](crate::Agent) as the component's `inbox`.
///
/// The component imports only the host calls that the agent makes. Use it once, at the root of a `cdylib`.
#[macro_export]
macro_rules! export_agent {
    ($agent:ty) => {
        const _: () = $crate::export::is_agent::<$agent>();

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the component's exported symbols are unsafe attributes")]
        const _: () = {
            ::std::thread_local! {
                static AGENT: $crate::guest::Slot<$agent> = $crate::guest::Slot::default();
            }
            $crate::__export_inbox!(AGENT);
        };
    };
}

/// Exports an agent that is [`Resident`](crate::Resident) as the component's `inbox` and `lifecycle`.
///
/// Both speak to the same value. Use it once, at the root of a `cdylib`, in place of [`export_agent!`](crate::export_agent).
#[macro_export]
macro_rules! export_resident_agent {
    ($agent:ty) => {
        const _: () = $crate::export::is_resident::<$agent>();

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the component's exported symbols are unsafe attributes")]
        const _: () = {
            ::std::thread_local! {
                static AGENT: $crate::guest::Slot<$agent> = $crate::guest::Slot::default();
            }
            $crate::__export_inbox!(AGENT);
            $crate::__export_lifecycle!(AGENT);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_inbox {
    ($slot:ident) => {
        struct Inbox;

        impl $crate::guest::inbox::Guest for Inbox {
            fn handle(message: $crate::guest::inbox::Message) -> $crate::guest::inbox::Handled {
                $crate::guest::inbox::handle(&$slot, message)
            }
        }

        $crate::guest::export_inbox!(Inbox with_types_in $crate::guest::inbox_bindings);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_lifecycle {
    ($slot:ident) => {
        struct Lifecycle;

        impl $crate::guest::lifecycle::Guest for Lifecycle {
            fn start() -> ::std::result::Result<(), ::std::string::String> {
                $crate::guest::lifecycle::start(&$slot)
            }

            fn stop() -> ::std::result::Result<(), ::std::string::String> {
                $crate::guest::lifecycle::stop(&$slot)
            }

            fn command(
                name: ::std::string::String,
                data: ::std::string::String,
            ) -> ::std::result::Result<::std::string::String, ::std::string::String> {
                $crate::guest::lifecycle::command(&$slot, &name, &data)
            }
        }

        $crate::guest::export_lifecycle!(Lifecycle with_types_in $crate::guest::lifecycle_bindings);
    };
}
