//! What an import is to the host: base, free, in need of a grant, or unknown and so refused.

use std::fmt;

use host_model::Grants;
use serde::Serialize;

/// Something an agent can be granted. What is not granted is not linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Sending messages: `bailiwick:agent/messaging`.
    Messaging,
    /// Finding peers: `bailiwick:discovery/registry`.
    Discovery,
    /// Keys and values of its own: `bailiwick:state/store`, and `wasi:keyvalue` over the same.
    State,
    /// Files of its own: `bailiwick:storage/files`.
    Storage,
    /// Leases of its group: `bailiwick:leases/leases`.
    Leases,
    /// Calling hosts: `wasi:http/outgoing-handler`.
    Http,
}

/// How much a capability lets an agent do to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// It learns what its tenant's agents tell one another anyway.
    Low,
    /// It changes what other agents of its tenant do.
    Medium,
    /// It reaches beyond its tenant's agents.
    High,
}

impl Risk {
    /// The risk as reports name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Capability {
    /// Every capability there is, in ascending order.
    pub const ALL: [Self; 6] = [Self::Messaging, Self::Discovery, Self::State, Self::Storage, Self::Leases, Self::Http];

    /// The capability as reports name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messaging => "messaging",
            Self::Discovery => "discovery",
            Self::State => "state",
            Self::Storage => "storage",
            Self::Leases => "leases",
            Self::Http => "http",
        }
    }

    /// Whether these grants link it. Messaging is linked whole by any grant to publish or send: which topic and which
    /// agent is decided at each call, by the gate, so an import of `send` without a grant to send loads and is
    /// refused when called.
    pub fn is_granted_by(self, grants: &Grants) -> bool {
        match self {
            Self::Messaging => grants.sends(),
            Self::Discovery => grants.discover,
            Self::State => grants.state,
            Self::Storage => grants.storage,
            Self::Leases => grants.leases,
            Self::Http => !grants.http.is_empty(),
        }
    }

    /// What to write under `[grants]` so that it is linked.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Messaging => "add publish or send under [grants]",
            Self::Discovery => "add discover = true under [grants]",
            Self::State => "add state = true under [grants]",
            Self::Storage => "add storage = true under [grants]",
            Self::Leases => "add leases = true under [grants]",
            Self::Http => "name the hosts in http under [grants]",
        }
    }

    /// How much it lets an agent do to others.
    pub const fn risk(self) -> Risk {
        match self {
            Self::Messaging | Self::Leases => Risk::Medium,
            Self::Discovery | Self::State | Self::Storage => Risk::Low,
            Self::Http => Risk::High,
        }
    }

    /// Why the risk is what it is, in a sentence.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Messaging => {
                "It can make other agents of its tenant act, within the topics and agents it was granted."
            }
            Self::Discovery => "It reads the cards of running agents of its tenant, and nothing else.",
            Self::State => "It keeps keys and values that no other agent sees, within its tenant's quota.",
            Self::Storage => "It keeps files that no other agent sees, within its tenant's quota.",
            Self::Leases => "It can keep the other agents of its group from what only one of them may do.",
            Self::Http => "It carries what it knows to the hosts it was granted, outside its tenant.",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an import is to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Linked for everybody, because language runtimes import it: WASI 0.2 with an empty context.
    Base,
    /// Linked for everybody: an agent's own log, settings, identity and the types.
    Free,
    /// Linked when granted.
    Granted(Capability),
    /// Never linked: a component that imports it is refused.
    Unknown,
}

impl Kind {
    /// What an import is, by its full name: `bailiwick:agent/messaging@0.1.0`.
    ///
    /// Versions of one compatibility track (`0.2` for 0.2.N, by the rules of semantic versions) are alike, as they
    /// are to the linker, so no spelling of a version passes where another is refused. A version with a pre-release
    /// or build part is on no track: it is unknown, but for the drafts of WASI that the engine links, letter by letter.
    pub fn of_import(name: &str) -> Self {
        if let Some((_, kind)) = DRAFTS.iter().find(|(draft, _)| *draft == name) {
            return *kind;
        }
        let Some((interface, track)) = split(name) else { return Self::Unknown };
        match (interface, track) {
            (interface, (0, 2)) if BASE.contains(&interface) => Self::Base,
            (interface, AGENT_TRACK) if FREE.contains(&interface) => Self::Free,
            ("bailiwick:agent/messaging", AGENT_TRACK) => Self::Granted(Capability::Messaging),
            ("bailiwick:discovery/registry", (0, 1)) => Self::Granted(Capability::Discovery),
            ("bailiwick:state/store", (0, 1)) => Self::Granted(Capability::State),
            ("bailiwick:storage/files", (0, 1)) => Self::Granted(Capability::Storage),
            ("bailiwick:leases/leases", (0, 1)) => Self::Granted(Capability::Leases),
            ("wasi:http/outgoing-handler" | "wasi:http/types", (0, 2)) => Self::Granted(Capability::Http),
            _ => Self::Unknown,
        }
    }
}

/// Whether a full name is that interface of `bailiwick:agent`, on the track that this host runs.
pub(crate) fn is_of_agent(name: &str, interface: &str) -> bool {
    split(name)
        .is_some_and(|(name, track)| track == AGENT_TRACK && name.strip_prefix("bailiwick:agent/") == Some(interface))
}

/// The compatibility track of `bailiwick:agent` that this host runs.
const AGENT_TRACK: Track = (0, 1);

/// Exactly what the engine links of `wasmtime-wasi` for everybody. Sockets and HTTP are not among it.
const BASE: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

const FREE: [&str; 4] =
    ["bailiwick:agent/identity", "bailiwick:agent/log", "bailiwick:agent/settings", "bailiwick:agent/types"];

/// Interfaces of WASI that have no release, as the engine links them: one pre-release each, and no other.
const DRAFTS: [(&str, Kind); 4] = [
    ("wasi:config/store@0.2.0-rc.1", Kind::Free),
    ("wasi:keyvalue/atomics@0.2.0-draft", Kind::Granted(Capability::State)),
    ("wasi:keyvalue/batch@0.2.0-draft", Kind::Granted(Capability::State)),
    ("wasi:keyvalue/store@0.2.0-draft", Kind::Granted(Capability::State)),
];

/// Major and minor of a version below 1.0; nothing here has reached 1.0.
type Track = (u64, u64);

/// The interface without its version, and the track its version is on.
fn split(name: &str) -> Option<(&str, Track)> {
    let (interface, version) = name.split_once('@')?;
    let mut numbers = version.split('.').map(number);
    let track = (numbers.next()??, numbers.next()??);
    // Past the third number, or in it, whatever is not a number makes the version a pre-release or no version at all.
    numbers.next()??;
    numbers.next().is_none().then_some((interface, track))
}

fn number(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Kind) {
        assert_eq!(Kind::of_import(name), expected, "{name}");
    }

    #[test]
    fn the_base_is_what_language_runtimes_import_and_nothing_else() {
        for interface in BASE {
            check(&format!("{interface}@0.2.0"), Kind::Base);
            check(&format!("{interface}@0.2.9"), Kind::Base);
            check(&format!("{interface}@0.3.0"), Kind::Unknown);
            check(interface, Kind::Unknown);
        }
        for name in
            ["wasi:cli/run", "wasi:io/evil", "wasi:clocks/timezone", "wasi:keyvalue/store", "evil:cli/environment"]
        {
            check(&format!("{name}@0.2.0"), Kind::Unknown);
        }
    }

    #[test]
    fn outgoing_http_needs_its_grant_and_nothing_else_of_http_or_sockets_is_known() {
        for version in ["0.2.0", "0.2.9", "0.2.12"] {
            for interface in ["wasi:http/outgoing-handler", "wasi:http/types"] {
                check(&format!("{interface}@{version}"), Kind::Granted(Capability::Http));
            }
            for interface in
                ["wasi:http/incoming-handler", "wasi:http/proxy", "wasi:sockets/tcp", "wasi:sockets/network"]
            {
                check(&format!("{interface}@{version}"), Kind::Unknown);
            }
        }
        for version in ["0.2.0-rc-2023-11-10", "0.3.0"] {
            check(&format!("wasi:http/outgoing-handler@{version}"), Kind::Unknown);
        }
    }

    #[test]
    fn ours_is_known_on_its_track_alone() {
        for version in ["0.1.0", "0.1.7"] {
            check(&format!("bailiwick:agent/messaging@{version}"), Kind::Granted(Capability::Messaging));
            check(&format!("bailiwick:discovery/registry@{version}"), Kind::Granted(Capability::Discovery));
            check(&format!("bailiwick:state/store@{version}"), Kind::Granted(Capability::State));
            check(&format!("bailiwick:storage/files@{version}"), Kind::Granted(Capability::Storage));
            check(&format!("bailiwick:leases/leases@{version}"), Kind::Granted(Capability::Leases));
            check(&format!("bailiwick:agent/log@{version}"), Kind::Free);
        }
        for name in [
            "bailiwick:agent/messaging@0.2.0",
            "bailiwick:agent/messaging",
            "bailiwick:agent/inbox@0.1.0",
            "bailiwick:state/store@0.2.0",
            "bailiwick:storage/other@0.1.0",
            "bailiwick:storage/store@0.1.0",
        ] {
            check(name, Kind::Unknown);
        }
    }

    #[test]
    fn a_version_that_is_no_plain_triple_is_on_no_track() {
        for version in ["0.1", "0.1.0.0", "0.1.0-pre", "0.1.0+build", "00.1.0", "0.01.0", "0.1.", "", "0.1.x"] {
            check(&format!("bailiwick:agent/log@{version}"), Kind::Unknown);
        }
    }

    #[test]
    fn a_draft_of_wasi_is_known_letter_by_letter() {
        for interface in ["store", "atomics", "batch"] {
            check(&format!("wasi:keyvalue/{interface}@0.2.0-draft"), Kind::Granted(Capability::State));
        }
        check("wasi:config/store@0.2.0-rc.1", Kind::Free);
        for name in [
            "wasi:keyvalue/watcher@0.2.0-draft",
            "wasi:keyvalue/store@0.2.0-draft2",
            "wasi:keyvalue/store@0.2.1-draft",
            "wasi:keyvalue/store@0.2.0",
            "wasi:keyvalue/store",
            "wasi:config/store@0.2.0-rc.2",
            "wasi:config/store@0.2.0",
            "wasi:config/runtime@0.2.0-rc.1",
            "wasi:clocks/wall-clock@0.2.0-draft",
            "bailiwick:state/store@0.1.0-draft",
        ] {
            check(name, Kind::Unknown);
        }
    }

    #[test]
    fn any_grant_to_publish_or_send_links_messaging() {
        let mut grants = Grants::default();
        assert!(Capability::ALL.iter().all(|capability| !capability.is_granted_by(&grants)));
        grants.publish = vec!["a".parse().unwrap()];
        assert!(Capability::Messaging.is_granted_by(&grants) && !Capability::Discovery.is_granted_by(&grants));
        let grants = Grants { subscribe: grants.publish, discover: true, ..Grants::default() };
        assert!(!Capability::Messaging.is_granted_by(&grants) && Capability::Discovery.is_granted_by(&grants));
    }
}
