//! Whether a component and a manifest fit each other.

use std::collections::BTreeSet;
use std::fmt;

use host_model::{BadLimit, Excess, Grants, Policy, SendGrant, TopicPattern};

use crate::{Capability, Component, Interface, Kind, Manifest};

/// A component and a manifest that fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// What is both imported and granted: what is linked beside base and free interfaces.
    pub capabilities: BTreeSet<Capability>,
    /// Whether the component exports `bailiwick:agent/lifecycle`. Only a resident agent is asked for it, and none
    /// must have it.
    pub lifecycle: bool,
    /// What an operator should look at, though it is allowed.
    pub warnings: Vec<Warning>,
}

/// Why a component is refused, with the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// It imports what needs a grant that the manifest does not ask for.
    #[error("imports {import}, which needs a grant: {}", .capability.remedy())]
    NotGranted {
        /// The import's full name.
        import: String,
        /// What would have to be granted.
        capability: Capability,
    },
    /// It imports what this host never links.
    #[error("imports {import}, which this host does not offer: build the component without it")]
    UnknownImport {
        /// The import's full name.
        import: String,
    },
    /// The manifest asks for what the tenant's policy does not allow this agent.
    #[error(
        "asks for {key} '{what}', which the tenant's policy does not allow: narrow it, or have an operator allow it"
    )]
    BeyondPolicy {
        /// Under which key of `[grants]`.
        key: &'static str,
        /// The pattern, agent, host or name, as the manifest writes it.
        what: String,
    },
    /// The manifest asks for a higher limit than the tenant's policy caps it at.
    #[error("asks for limits.{} = {}, more than the {} the tenant's policy allows: lower it", .0.name, .0.value, .0.max)]
    OverCap(BadLimit),
    /// It cannot take messages.
    #[error("does not export bailiwick:agent/inbox@0.1: build it against the world 'agent' of wit/agent-0.1")]
    NoInbox,
}

/// What is allowed and worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A pattern under `grants.publish` holds a wildcard.
    WildPublish(String),
    /// A pattern under `grants.subscribe` holds a wildcard.
    WildSubscribe(String),
    /// `grants.send` allows every agent and shared queue of the tenant.
    WildSend,
    /// A key under `[grants]` that the component has no import to use: `publish`, `send`, `discover`, `state` or `storage`.
    Unused(&'static str),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WildPublish(pattern) => {
                write!(f, "grants.publish has the wildcard '{pattern}': name the topics if they are known")
            }
            Self::WildSubscribe(pattern) => {
                write!(f, "grants.subscribe has the wildcard '{pattern}': name the topics if they are known")
            }
            Self::WildSend => f.write_str(
                "grants.send is '*', every agent and shared queue of the tenant: name them if they are known",
            ),
            Self::Unused(key) => {
                write!(f, "grants.{key} is granted, and the component has no import to use it: take it out")
            }
        }
    }
}

/// Holds a component against a manifest, and the manifest against its tenant's policy where there is one: an import that is
/// not granted, or not known, is an objection, and so is a missing inbox, and whatever the policy does not allow.
///
/// Interfaces are held against grants, functions are not: a component that imports `messaging.request` with a grant
/// to publish and none to send passes, and its requests are refused when it makes them. All objections are found, not
/// the first alone.
pub fn review(component: &Component, manifest: &Manifest, policy: Option<&Policy>) -> Result<Review, Vec<Objection>> {
    let granted = |capability: Capability| capability.is_granted_by(&manifest.grants);
    let mut objections = objections(component);
    objections.extend(ungranted(component, granted));
    objections.extend(policy.into_iter().flat_map(|policy| beyond(manifest, policy)));
    if !objections.is_empty() {
        return Err(objections);
    }
    Ok(Review {
        capabilities: capabilities(component)
            .map(|(capability, _)| capability)
            .filter(|capability| granted(*capability))
            .collect(),
        lifecycle: component.has_lifecycle(),
        warnings: warnings(component, &manifest.grants),
    })
}

/// What no manifest could mend.
pub(crate) fn objections(component: &Component) -> Vec<Objection> {
    let unknown = component.imports.iter().filter(|import| Kind::of_import(&import.name) == Kind::Unknown);
    let mut objections: Vec<Objection> =
        unknown.map(|import| Objection::UnknownImport { import: import.name.clone() }).collect();
    if !takes_messages(component) {
        objections.push(Objection::NoInbox);
    }
    objections
}

/// Whether it exports an inbox with its one function. That the types fit is for the engine to say.
fn takes_messages(component: &Component) -> bool {
    component
        .exports_of_agent("inbox")
        .is_some_and(|inbox| inbox.functions.iter().any(|function| function.name == "handle"))
}

fn ungranted(component: &Component, granted: impl Fn(Capability) -> bool) -> impl Iterator<Item = Objection> {
    capabilities(component)
        .filter(move |(capability, _)| !granted(*capability))
        .map(|(capability, import)| Objection::NotGranted { import: import.name.clone(), capability })
}

/// What the other key does not turn.
pub(crate) fn beyond(manifest: &Manifest, policy: &Policy) -> Vec<Objection> {
    let allowed = policy.allows(&manifest.agent.id);
    let excess = manifest.grants.beyond(&allowed).into_iter();
    let over = policy.caps.exceeded_by(&manifest.limits, manifest.run.replicas).into_iter();
    let refused = excess.map(|Excess { key, what }| Objection::BeyondPolicy { key, what });
    refused.chain(over.map(Objection::OverCap)).collect()
}

/// The imports that need a grant.
pub(crate) fn capabilities(component: &Component) -> impl Iterator<Item = (Capability, &Interface)> {
    component.imports.iter().filter_map(|import| match Kind::of_import(&import.name) {
        Kind::Granted(capability) => Some((capability, import)),
        Kind::Base | Kind::Free | Kind::Unknown => None,
    })
}

/// What is wide, and what is of no use to this component.
pub(crate) fn warnings(component: &Component, grants: &Grants) -> Vec<Warning> {
    let wild = |patterns: &[TopicPattern], warning: fn(String) -> Warning| {
        let wild = patterns.iter().filter(|pattern| pattern.is_wild());
        wild.map(|pattern| warning(pattern.to_string())).collect::<Vec<_>>()
    };
    let mut warnings = wild(&grants.publish, Warning::WildPublish);
    warnings.extend(wild(&grants.subscribe, Warning::WildSubscribe));
    warnings.extend((grants.send == SendGrant::Any).then_some(Warning::WildSend));
    warnings.extend(unused(component, grants).map(Warning::Unused));
    warnings
}

/// Grants that no imported function can use. A subscription needs no import.
fn unused(component: &Component, grants: &Grants) -> impl Iterator<Item = &'static str> {
    let uses = |wanted: Capability, names: &[&str]| {
        let mut functions = capabilities(component)
            .filter(|(capability, _)| *capability == wanted)
            .flat_map(|(_, import)| &import.functions);
        functions.any(|function| names.contains(&function.name.as_str()))
    };
    let imports = |wanted: Capability| capabilities(component).any(|(capability, _)| capability == wanted);
    let sends = grants.send != SendGrant::default();
    let table = [
        ("publish", !grants.publish.is_empty(), uses(Capability::Messaging, &["publish", "batch"])),
        ("send", sends, uses(Capability::Messaging, &["send", "request", "batch"])),
        ("discover", grants.discover, uses(Capability::Discovery, &["find", "get"])),
        ("state", grants.state, imports(Capability::State)),
        ("storage", grants.storage, imports(Capability::Storage)),
        ("leases", grants.leases, imports(Capability::Leases)),
    ];
    table.into_iter().filter(|(_, granted, used)| *granted && !*used).map(|(key, ..)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{INBOX, component, manifest};

    const MESSAGING: &str =
        r#"(import "bailiwick:agent/messaging@0.1.0" (instance (export "publish" (func)) (export "request" (func))))"#;
    const DISCOVERY: &str = r#"(import "bailiwick:discovery/registry@0.1.0" (instance (export "find" (func))))"#;

    fn refused(parts: &[&str], grants: &str) -> Vec<String> {
        let objections = review(&component(parts), &manifest(grants), None).err().unwrap_or_default();
        objections.iter().map(ToString::to_string).collect()
    }

    fn warned(parts: &[&str], grants: &str) -> Vec<Warning> {
        review(&component(parts), &manifest(grants), None).unwrap().warnings
    }

    #[test]
    fn what_is_imported_and_not_granted_is_refused_by_name_with_the_remedy() {
        let needs_send =
            "imports bailiwick:agent/messaging@0.1.0, which needs a grant: add publish or send under [grants]";
        assert_eq!(refused(&[MESSAGING, INBOX], ""), [needs_send]);
        assert_eq!(refused(&[MESSAGING, INBOX], "[grants]\nsubscribe = ['a']"), [needs_send]);
        assert_eq!(refused(&[MESSAGING, INBOX], "[grants]\npublish = ['a']"), [""; 0]);
        assert_eq!(refused(&[MESSAGING, INBOX], "[grants]\nsend = ['a']"), [""; 0]);
        let needs_discover =
            "imports bailiwick:discovery/registry@0.1.0, which needs a grant: add discover = true under [grants]";
        assert_eq!(refused(&[DISCOVERY, INBOX], "[grants]\nsend = ['a']"), [needs_discover]);
        assert_eq!(refused(&[DISCOVERY, INBOX], "[grants]\ndiscover = true"), [""; 0]);
    }

    #[test]
    fn a_manifest_stays_within_its_tenants_policy() {
        let check = |policy: &str, asked: &str, expected: &[&str]| {
            let policy = crate::PolicyDocument::parse(policy).unwrap().policy;
            let objections = review(&component(&[INBOX]), &manifest(asked), Some(&policy)).err().unwrap_or_default();
            assert_eq!(objections.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        };
        let rest = "which the tenant's policy does not allow: narrow it, or have an operator allow it";
        check("[[allow]]\nsubscribe = ['a.>']", "[grants]\nsubscribe = ['a.b']", &[]);
        check(
            "[[allow]]\nsubscribe = ['a.b']",
            "[grants]\nsubscribe = ['a.>']",
            &[&format!("asks for subscribe 'a.>', {rest}")],
        );
        check("", "[grants]\nstate = true", &[&format!("asks for state 'true', {rest}")]);
        check(
            "[[allow]]\nagents = ['other']\nstate = true",
            "[grants]\nstate = true",
            &[&format!("asks for state 'true', {rest}")],
        );
        let capped = "asks for limits.fuel = 20000, more than the 10000 the tenant's policy allows: lower it";
        check("[limits]\nfuel = 10000", "[limits]\nfuel = 20000", &[capped]);
    }

    #[test]
    fn an_unknown_import_is_refused_whatever_is_granted() {
        let all = "[grants]\npublish = ['>']\nsend = '*'\ndiscover = true";
        for name in ["wasi:sockets/tcp@0.2.0", "bailiwick:agent/messaging@0.2.0", "acme:own/thing@1.0.0"] {
            let import = format!("(import \"{name}\" (instance))");
            assert_eq!(
                refused(&[&import, INBOX], all),
                [format!("imports {name}, which this host does not offer: build the component without it")]
            );
        }
        assert_eq!(refused(&["(import \"loose\" (func))", INBOX], all).len(), 1);
    }

    #[test]
    fn an_agent_takes_messages() {
        let without =
            ["does not export bailiwick:agent/inbox@0.1: build it against the world 'agent' of wit/agent-0.1"];
        assert_eq!(refused(&[], ""), without);
        assert_eq!(refused(&[&INBOX.replace("handle", "other")], ""), without);
        assert_eq!(refused(&[&INBOX.replace("inbox@0.1.0", "inbox@0.2.0")], ""), without);
        assert_eq!(refused(&[&INBOX.replace("inbox@0.1.0", "inbox@0.1.9")], ""), [""; 0]);
    }

    #[test]
    fn all_objections_are_found_at_once() {
        assert_eq!(refused(&[MESSAGING, DISCOVERY, "(import \"wasi:sockets/tcp@0.2.0\" (instance))"], "").len(), 4);
    }

    #[test]
    fn what_is_linked_is_what_is_both_imported_and_granted() {
        let all = "[grants]\npublish = ['a']\ndiscover = true";
        let linked = |parts: &[&str], grants: &str| {
            review(&component(parts), &manifest(grants), None).unwrap().capabilities.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(linked(&[MESSAGING, DISCOVERY, INBOX], all), [Capability::Messaging, Capability::Discovery]);
        assert_eq!(linked(&[DISCOVERY, INBOX], all), [Capability::Discovery]);
        assert_eq!(linked(&[INBOX], all), []);
    }

    #[test]
    fn a_resident_agent_may_have_a_lifecycle_and_need_not() {
        let lifecycle = INBOX.replace("inbox@", "lifecycle@").replace("handle", "start").replace('$', "$l-");
        let has = |parts: &[&str]| {
            review(&component(parts), &manifest("[run]\ninstances = 'resident'"), None).unwrap().lifecycle
        };
        assert!(has(&[INBOX, &lifecycle]));
        assert!(!has(&[INBOX]));
    }

    #[test]
    fn wide_grants_are_warned_of() {
        let grants = |grants: &str| warned(&[MESSAGING, INBOX], &format!("[grants]\n{grants}"));
        assert_eq!(grants("publish = ['a.b']\nsubscribe = ['a.b']\nsend = ['a']"), []);
        assert_eq!(grants("publish = ['a.b', 'a.*']"), [Warning::WildPublish("a.*".into())]);
        assert_eq!(grants("publish = ['a']\nsubscribe = ['>']"), [Warning::WildSubscribe(">".into())]);
        assert_eq!(grants("send = '*'"), [Warning::WildSend]);
    }

    #[test]
    fn a_grant_without_a_function_to_use_it_is_warned_of() {
        let batch = MESSAGING.replace("publish", "batch");
        let publish_only = MESSAGING.replace("request", "log");
        let grants = "[grants]\npublish = ['a']\nsend = ['b']\ndiscover = true";
        assert_eq!(warned(&[MESSAGING, DISCOVERY, INBOX], grants), []);
        assert_eq!(warned(&[&batch, DISCOVERY, INBOX], grants), []);
        assert_eq!(warned(&[&publish_only, DISCOVERY, INBOX], grants), [Warning::Unused("send")]);
        assert_eq!(
            warned(&[INBOX], grants),
            [Warning::Unused("publish"), Warning::Unused("send"), Warning::Unused("discover")]
        );
        assert_eq!(warned(&[INBOX], "[grants]\nsubscribe = ['a']"), []);
        let keeps = "[grants]\nstate = true\nstorage = true";
        assert_eq!(warned(&[INBOX], keeps), [Warning::Unused("state"), Warning::Unused("storage")]);
        let state = r#"(import "wasi:keyvalue/store@0.2.0-draft" (instance))"#;
        let storage = r#"(import "bailiwick:storage/files@0.1.0" (instance))"#;
        assert_eq!(warned(&[state, storage, INBOX], keeps), []);
    }
}
