//! The log macros: `format!` with a level and a host in front.

/// Writes a log record without fields: `log!(host, Level::Info, "{n} found")`. Use [`Host::log`](crate::Host::log) for fields.
#[macro_export]
macro_rules! log {
    ($host:expr, $level:expr, $($text:tt)+) => {
        $crate::Host::log($host, $level, &::std::format!($($text)+), &[])
    };
}

/// Logs at [`Level::Trace`](crate::Level::Trace).
#[macro_export]
macro_rules! trace {
    ($host:expr, $($text:tt)+) => { $crate::log!($host, $crate::Level::Trace, $($text)+) };
}

/// Logs at [`Level::Debug`](crate::Level::Debug).
#[macro_export]
macro_rules! debug {
    ($host:expr, $($text:tt)+) => { $crate::log!($host, $crate::Level::Debug, $($text)+) };
}

/// Logs at [`Level::Info`](crate::Level::Info).
#[macro_export]
macro_rules! info {
    ($host:expr, $($text:tt)+) => { $crate::log!($host, $crate::Level::Info, $($text)+) };
}

/// Logs at [`Level::Warn`](crate::Level::Warn).
#[macro_export]
macro_rules! warn {
    ($host:expr, $($text:tt)+) => { $crate::log!($host, $crate::Level::Warn, $($text)+) };
}

/// Logs at [`Level::Error`](crate::Level::Error).
#[macro_export]
macro_rules! error {
    ($host:expr, $($text:tt)+) => { $crate::log!($host, $crate::Level::Error, $($text)+) };
}
