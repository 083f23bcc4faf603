//! The integration tests, in one binary: `e2e_*` drive the real program from outside, `inproc_*` its rooms from inside.

mod e2e_host;
mod e2e_isolation;
mod e2e_lifecycle;
mod e2e_limits;
mod e2e_logs;
mod e2e_refusals;
mod e2e_view;
mod inproc_bus;
mod inproc_pipe;
