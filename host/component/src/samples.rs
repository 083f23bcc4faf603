//! Small components and manifests for the tests of this crate.

use crate::{Component, Manifest};

/// The export that every agent has, as far as this crate looks at it.
pub(crate) const INBOX: &str = r#"
    (core module $m (func (export "handle")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "handle")))
    (instance $x (export "handle" (func $f)))
    (export "bailiwick:agent/inbox@0.1.0" (instance $x))
"#;

/// A component of these parts, as bytes. Not validated.
pub(crate) fn binary(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(component {})", parts.concat())).unwrap()
}

/// A component of these parts.
pub(crate) fn component(parts: &[&str]) -> Component {
    Component::read(&binary(parts)).unwrap()
}

/// A manifest with an agent and whatever follows.
pub(crate) fn manifest(rest: &str) -> Manifest {
    Manifest::parse(&format!("[agent]\nid = 'a'\nname = 'A'\nversion = '1.0.0'\n{rest}")).unwrap()
}
