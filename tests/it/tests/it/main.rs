//! The integration tests, in one binary: `e2e_*` drive the real program from outside, `inproc_*` its rooms from inside, `zoo_*` attack it.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects ends there and then"
)]

mod desk;
mod e2e_audit;
mod e2e_control;
mod e2e_dlq;
mod e2e_egress;
mod e2e_external;
mod e2e_groups;
mod e2e_host;
mod e2e_isolation;
mod e2e_leaders;
mod e2e_lifecycle;
mod e2e_limits;
mod e2e_logs;
mod e2e_nats_accounts;
mod e2e_nats_external;
mod e2e_policy;
mod e2e_queues;
mod e2e_refusals;
mod e2e_storage;
mod e2e_vault;
mod e2e_view;
mod inproc_bus;
mod inproc_leases;
mod inproc_nats_accounts;
mod inproc_nats_answers;
mod inproc_nats_blocks;
mod inproc_nats_bus;
mod inproc_nats_cluster;
mod inproc_nats_faults;
mod inproc_nats_headers;
mod inproc_nats_hosts;
mod inproc_nats_leases;
mod inproc_nats_state;
mod inproc_nats_ways;
mod inproc_nats_wire;
mod inproc_pipe;
mod inproc_queues;
mod nats_host;
mod zoo_cancels;
mod zoo_compiling;
mod zoo_cutting;
mod zoo_http;
mod zoo_labels;
mod zoo_loops;
mod zoo_memory;
mod zoo_names;
mod zoo_oracle;
mod zoo_rotation;
mod zoo_secrets;
mod zoo_sharing;
mod zoo_uploads;
