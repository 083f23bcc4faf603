//! What wit-bindgen makes of `wit/`. One world per export, so that an agent without a lifecycle exports none; both may import
//! everything, and what a component does not call is left out of it.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    reason = "generated code keeps its own style"
)]

pub mod inbox {
    //! Every import, and the export that each agent has.
    wit_bindgen::generate!({
        path: ["../wit/agent-0.1", "../wit/discovery-0.1", "../wit/leases-0.1", "../wit/state-0.1", "../wit/storage-0.1"],
        inline: "
            package bailiwick:sdk;

            world receiving {
                include bailiwick:agent/agent@0.1.0;
                import bailiwick:discovery/registry@0.1.0;
                import bailiwick:leases/leases@0.1.0;
                import bailiwick:state/store@0.1.0;
                import bailiwick:storage/files@0.1.0;
            }
        ",
        pub_export_macro: true,
        export_macro_name: "export_inbox",
        default_bindings_module: "bailiwick_sdk::guest::inbox_bindings",
        generate_all,
    });
}

pub mod lifecycle {
    //! The export of resident agents only.
    wit_bindgen::generate!({
        path: ["../wit/agent-0.1", "../wit/discovery-0.1"],
        inline: "
            package bailiwick:sdk;

            world living {
                export bailiwick:agent/lifecycle@0.1.0;
            }
        ",
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        default_bindings_module: "bailiwick_sdk::guest::lifecycle_bindings",
        generate_all,
    });
}
