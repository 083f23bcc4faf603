//! What a component can do, as a report (`bailiwick inspect`). Data only; the terminal's text is the cli's.

use host_model::{Grants, Limits, Policy, SendGrant};
use serde::Serialize;

use crate::{Capability, Component, Digest, Interface, Kind, Manifest, Risk, Version, Widened, review, widened};

/// What `bailiwick inspect` says. In JSON, names are in camelCase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// The component's size in bytes.
    pub size_bytes: usize,
    /// Imports that every language runtime has: full names.
    pub base: Vec<String>,
    /// Imports that every agent may have.
    pub free: Vec<Interface>,
    /// Imports that need a grant, by capability. Only those the component imports.
    pub capabilities: Vec<CapabilityReport>,
    /// Imports that the host never links: full names.
    pub unknown: Vec<Interface>,
    /// What the component offers.
    pub exports: Vec<Interface>,
    /// What the manifest asks for, if one was given.
    pub grants: Option<GrantsReport>,
    /// What the manifest limits it to, if one was given.
    pub limits: Option<LimitsReport>,
    /// What host calls cost.
    pub prices: Prices,
    /// What is allowed and worth a look; sentences.
    pub warnings: Vec<String>,
    /// What it asks for beyond the old version, if one was given.
    pub widened: Option<Vec<Widened>>,
    /// Whether it would be deployed.
    pub verdict: Verdict,
}

/// What a component is held against. Whatever is not given is not looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Against<'a> {
    /// Its manifest.
    pub manifest: Option<&'a Manifest>,
    /// The policy of the tenant it is for. Held against the manifest.
    pub policy: Option<&'a Policy>,
    /// The version before.
    pub old: Option<Version<'a>>,
}

/// One capability that a component imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapabilityReport {
    /// Which.
    pub name: Capability,
    /// How much it lets an agent do to others.
    pub risk: Risk,
    /// Why, in a sentence.
    pub why: &'static str,
    /// Whether the manifest grants it; `null` without a manifest.
    pub granted: Option<bool>,
    /// Through which interfaces and functions.
    pub interfaces: Vec<Interface>,
}

/// What a manifest asks for, in the manifest's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each grant is there or not, by itself")]
pub struct GrantsReport {
    /// Topics it may publish on.
    pub publish: Vec<String>,
    /// Topics it is subscribed to.
    pub subscribe: Vec<String>,
    /// Agents and shared queues it may send to; `*` for any of its tenant.
    pub send: Vec<String>,
    /// Shared queues it takes from.
    pub queues: Vec<String>,
    /// Whether it may find its peers.
    pub discover: bool,
    /// Whether it has keys and values of its own.
    pub state: bool,
    /// Whether it has files of its own.
    pub storage: bool,
    /// Whether it may take leases of its group.
    pub leases: bool,
    /// Hosts it may call.
    pub http: Vec<String>,
    /// Secrets the host may put into its calls.
    pub secrets: Vec<String>,
}

/// What a manifest limits an agent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsReport {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// Fuel for one message.
    pub fuel_per_message: u64,
    /// Wall time for one message, in milliseconds.
    pub deadline_ms: u64,
    /// Calls at once.
    pub concurrency: u32,
    /// Messages that wait.
    pub mailbox: u32,
}

/// What host calls cost, in fuel: the price table of `host-calls`, as `wit/` promises it to authors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// A call of the base that language runtimes import. It is part of the other prices.
    pub wasi_call: u64,
    /// A call that ends in the host's memory: log, settings, identity.
    pub call_base: u64,
    /// A call that goes through the gate or the registry, or to another host.
    pub routed_base: u64,
    /// A call of `state` or `wasi:keyvalue`.
    pub state_base: u64,
    /// A call of `storage`.
    pub storage_base: u64,
    /// A call of `leases` that looks.
    pub lease_base: u64,
    /// A call of `leases` that may be granted one, which is written to the disk.
    pub lease_grant: u64,
    /// An entry of a list that is given.
    pub entry: u64,
    /// A byte that crosses the border, in either direction.
    pub byte: u64,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            wasi_call: host_calls::WASI_CALL,
            call_base: host_calls::CALL_BASE,
            routed_base: host_calls::ROUTED_BASE,
            state_base: host_calls::STATE_BASE,
            storage_base: host_calls::STORAGE_BASE,
            lease_base: host_calls::LEASE_BASE,
            lease_grant: host_calls::LEASE_GRANT,
            entry: host_calls::ENTRY_PRICE,
            byte: 1,
        }
    }
}

/// Whether a component would be deployed. In JSON `{"status": "ok"}` or `{"status": "refused", "reasons": [...]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Verdict {
    /// With the manifest given, it would; without one, nothing but a grant is missing.
    Ok,
    /// It would not.
    Refused {
        /// Why, one line each.
        reasons: Vec<String>,
    },
}

impl Inspection {
    /// The report on a component.
    pub fn of(component: &Component, against: Against<'_>) -> Self {
        let Against { manifest, policy, old } = against;
        let of_kind = |kind| component.imports.iter().filter(move |import| Kind::of_import(&import.name) == kind);
        Self {
            digest: component.digest,
            size_bytes: component.size_bytes,
            base: of_kind(Kind::Base).map(|import| import.name.clone()).collect(),
            free: of_kind(Kind::Free).cloned().collect(),
            capabilities: capability_reports(component, manifest),
            unknown: of_kind(Kind::Unknown).cloned().collect(),
            exports: component.exports.clone(),
            grants: manifest.map(|manifest| GrantsReport::of(&manifest.grants)),
            limits: manifest.map(|manifest| LimitsReport::of(&manifest.limits)),
            prices: Prices::default(),
            warnings: manifest
                .map(|manifest| sentences(&review::warnings(component, &manifest.grants)))
                .unwrap_or_default(),
            widened: old.map(|old| widened(old, Version { component, manifest })),
            verdict: Verdict::on(component, manifest, policy),
        }
    }
}

fn capability_reports(component: &Component, manifest: Option<&Manifest>) -> Vec<CapabilityReport> {
    let imported = |wanted| {
        review::capabilities(component).filter(move |(capability, _)| *capability == wanted).map(|(_, import)| import)
    };
    let report = |name: Capability| CapabilityReport {
        name,
        risk: name.risk(),
        why: name.why(),
        granted: manifest.map(|manifest| name.is_granted_by(&manifest.grants)),
        interfaces: imported(name).cloned().collect(),
    };
    let used = Capability::ALL.into_iter().filter(|name| imported(*name).next().is_some());
    used.map(report).collect()
}

impl Verdict {
    fn on(component: &Component, manifest: Option<&Manifest>, policy: Option<&Policy>) -> Self {
        let objections = match manifest {
            Some(manifest) => review(component, manifest, policy).err().unwrap_or_default(),
            None => review::objections(component),
        };
        if objections.is_empty() { Self::Ok } else { Self::Refused { reasons: sentences(&objections) } }
    }
}

fn sentences(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

impl GrantsReport {
    fn of(grants: &Grants) -> Self {
        Self {
            publish: grants.publish.iter().map(ToString::to_string).collect(),
            subscribe: grants.subscribe.iter().map(ToString::to_string).collect(),
            send: match &grants.send {
                SendGrant::Any => vec!["*".to_owned()],
                SendGrant::These(queues) => queues.iter().map(ToString::to_string).collect(),
            },
            queues: grants.queues.iter().map(ToString::to_string).collect(),
            discover: grants.discover,
            state: grants.state,
            storage: grants.storage,
            leases: grants.leases,
            http: grants.http.iter().map(ToString::to_string).collect(),
            secrets: grants.secrets.iter().map(ToString::to_string).collect(),
        }
    }
}

impl LimitsReport {
    fn of(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes_max,
            fuel_per_message: limits.fuel_per_message,
            deadline_ms: u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
            concurrency: limits.concurrency_max,
            mailbox: limits.mailbox_len_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{INBOX, component, manifest};

    const IMPORTS: &str = r#"
        (import "wasi:io/error@0.2.6" (instance))
        (import "wasi:cli/environment@0.2.0" (instance (export "get-environment" (func (result (list (tuple string string)))))))
        (import "bailiwick:agent/identity@0.1.0" (instance (export "agent-id" (func (result string)))))
        (import "bailiwick:agent/messaging@0.1.0" (instance (export "publish" (func (param "topic" string) (result (result string))))))
    "#;

    fn json(inspection: &Inspection) -> serde_json::Value {
        serde_json::to_value(inspection).unwrap()
    }

    #[test]
    fn a_report_lists_the_base_apart_from_capabilities() {
        let component = component(&[IMPORTS, INBOX]);
        let report = json(&Inspection::of(&component, Against::default()));
        assert_eq!(report["base"], serde_json::json!(["wasi:cli/environment@0.2.0", "wasi:io/error@0.2.6"]));
        assert_eq!(report["free"][0]["name"], "bailiwick:agent/identity@0.1.0");
        let publish = serde_json::json!({ "name": "publish", "wit": "publish: func(topic: string) -> result<string>" });
        let messaging = serde_json::json!([{
            "name": "messaging",
            "risk": "medium",
            "why": Capability::Messaging.why(),
            "granted": null,
            "interfaces": [{ "name": "bailiwick:agent/messaging@0.1.0", "functions": [publish] }],
        }]);
        assert_eq!(report["capabilities"], messaging);
        assert_eq!(report["exports"][0]["functions"][0]["wit"], "handle: func()");
        assert_eq!(report["digest"], component.digest.to_string());
        assert_eq!(report["sizeBytes"], component.size_bytes);
        assert_eq!(
            report["prices"],
            serde_json::json!({ "wasiCall": 200, "callBase": 1000, "routedBase": 4000, "stateBase": 4000, "storageBase": 10000, "leaseBase": 4000, "leaseGrant": 20000, "entry": 64, "byte": 1 })
        );
        assert_eq!((&report["grants"], &report["limits"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!(report["verdict"], serde_json::json!({ "status": "ok" }));
    }

    #[test]
    fn a_report_says_what_a_manifest_grants_and_what_is_missing() {
        let component = component(&[IMPORTS, INBOX]);
        let granted = |grants: &str| {
            let manifest = manifest(grants);
            let against = Against { manifest: Some(&manifest), ..Against::default() };
            json(&Inspection::of(&component, against))
        };
        let report = granted("[grants]\nsend = '*'\npublish = ['a.>']\n[limits]\ndeadline = '5s'\n");
        assert_eq!(report["capabilities"][0]["granted"], true);
        assert_eq!(
            report["grants"],
            serde_json::json!({ "publish": ["a.>"], "subscribe": [], "send": ["*"], "queues": [], "discover": false,
                "state": false, "storage": false, "leases": false, "http": [], "secrets": [] })
        );
        assert_eq!(report["limits"]["deadlineMs"], 5000);
        assert_eq!(report["warnings"].as_array().unwrap().len(), 3, "{report:#}");
        assert_eq!(report["verdict"]["status"], "ok");

        let report = granted("");
        assert_eq!(report["capabilities"][0]["granted"], false);
        let reason = "imports bailiwick:agent/messaging@0.1.0, which needs a grant: add publish or send under [grants]";
        assert_eq!(report["verdict"], serde_json::json!({ "status": "refused", "reasons": [reason] }));
    }

    #[test]
    fn what_no_manifest_could_mend_is_refused_without_one() {
        let component = component(&[r#"(import "wasi:sockets/tcp@0.2.0" (instance))"#]);
        let report = json(&Inspection::of(&component, Against::default()));
        assert_eq!(report["unknown"][0]["name"], "wasi:sockets/tcp@0.2.0");
        assert_eq!(report["verdict"]["reasons"].as_array().unwrap().len(), 2, "{report:#}");
    }
}
