//! What a new version asks for beyond the old one: what an operator must approve before it runs.

use std::fmt;

use host_model::{Excess, Limits};
use serde::Serialize;

use crate::{Capability, Component, Manifest, review};

/// One thing that a new version may do, or use, and the old one may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Widened {
    /// It imports an interface that needs a grant.
    Import {
        /// The interface's full name.
        import: String,
        /// What it is part of.
        capability: Capability,
    },
    /// Its manifest asks for a grant.
    Grant {
        /// Under which key of `[grants]`.
        key: String,
        /// The pattern, agent, host or name.
        what: String,
    },
    /// Its manifest asks for a higher limit.
    Limit {
        /// Which limit, as the manifest names it.
        name: String,
        /// Before: bytes, units of fuel, milliseconds or a number.
        from: u64,
        /// Now.
        to: u64,
    },
}

impl fmt::Display for Widened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import { import, capability } => write!(f, "imports {import} ({capability})"),
            Self::Grant { key, what } => write!(f, "asks for {key} '{what}'"),
            Self::Limit { name, from, to } => write!(f, "raises limits.{name} from {from} to {to}"),
        }
    }
}

/// One version of an agent: a component, and the manifest it runs under where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The component.
    pub component: &'a Component,
    /// Its manifest.
    pub manifest: Option<&'a Manifest>,
}

/// Everything that `new` asks for beyond `old`, imports first. Manifests are compared where both are there.
pub fn widened(old: Version<'_>, new: Version<'_>) -> Vec<Widened> {
    let mut widened: Vec<Widened> = imports(old.component, new.component).collect();
    if let (Some(old), Some(new)) = (old.manifest, new.manifest) {
        let grant = |Excess { key, what }| Widened::Grant { key: key.to_owned(), what };
        widened.extend(new.grants.beyond(&old.grants).into_iter().map(grant));
        // Its leases and its settings come with a group.
        let joined = new.run.group.as_ref().filter(|group| old.run.group.as_ref() != Some(*group));
        widened.extend(joined.map(|group| Widened::Grant { key: "group".to_owned(), what: group.to_string() }));
        widened.extend(limits(old, new));
    }
    widened
}

/// By interface on its compatibility track: another patch version of the same one is no new import.
fn imports<'a>(old: &'a Component, new: &'a Component) -> impl Iterator<Item = Widened> + 'a {
    let interface = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
    let known: Vec<String> = review::capabilities(old).map(|(_, import)| interface(&import.name)).collect();
    review::capabilities(new)
        .filter(move |(_, import)| !known.contains(&interface(&import.name)))
        .map(|(capability, import)| Widened::Import { import: import.name.clone(), capability })
}

fn limits<'a>(old: &'a Manifest, new: &'a Manifest) -> impl Iterator<Item = Widened> + 'a {
    let pairs = table(old).into_iter().zip(table(new));
    pairs.filter(|((_, from), (_, to))| to > from).map(|((name, from), (_, to))| Widened::Limit {
        name: name.to_owned(),
        from,
        to,
    })
}

fn table(manifest: &Manifest) -> [(&'static str, u64); 6] {
    let Limits { memory_bytes_max, fuel_per_message, deadline, concurrency_max, mailbox_len_max } = manifest.limits;
    [
        ("memory", memory_bytes_max as u64),
        ("fuel", fuel_per_message),
        ("deadline", u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)),
        ("concurrency", concurrency_max.into()),
        ("mailbox", mailbox_len_max.into()),
        ("replicas", manifest.run.replicas.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{INBOX, component, manifest};

    const MESSAGING: &str = r#"(import "bailiwick:agent/messaging@0.1.0" (instance (export "publish" (func))))"#;

    fn check(old: (&[&str], &str), new: (&[&str], &str), expected: &[&str]) {
        let (old_component, old_manifest) = (component(old.0), manifest(old.1));
        let (new_component, new_manifest) = (component(new.0), manifest(new.1));
        let widened = widened(
            Version { component: &old_component, manifest: Some(&old_manifest) },
            Version { component: &new_component, manifest: Some(&new_manifest) },
        );
        assert_eq!(widened.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_a_new_version_asks_for_on_top_is_named() {
        let old: (&[&str], &str) = (&[INBOX], "[grants]\nsubscribe = ['a.>']\n[limits]\nfuel = 20000\n");
        check(old, old, &[]);
        check(old, (&[INBOX], "[grants]\nsubscribe = ['a.b']\n[limits]\nfuel = 10000\n"), &[]);
        check(
            old,
            (
                &[MESSAGING, INBOX],
                "[grants]\nsubscribe = ['>']\nqueues = ['agents']\nhttp = ['a.com']\n[limits]\nfuel = 20001\n",
            ),
            &[
                "imports bailiwick:agent/messaging@0.1.0 (messaging)",
                "asks for subscribe '>'",
                "asks for queues 'agents'",
                "asks for http 'a.com'",
                "raises limits.fuel from 20000 to 20001",
            ],
        );
    }

    #[test]
    fn another_patch_version_of_an_interface_is_no_new_import() {
        let patched = MESSAGING.replace("0.1.0", "0.1.5");
        check((&[MESSAGING, INBOX], ""), (&[&patched, INBOX], ""), &[]);
    }
}
