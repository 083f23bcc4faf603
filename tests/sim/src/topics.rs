//! What agents write where a topic or an agent stands, with what it means: written down, not computed by the code that is checked.

use host_model::TenantId;
use tests_kit::chance::Chance;

/// A text and its canonical topic; `None` for one that may never be sent to.
pub(crate) struct Words {
    pub(crate) raw: String,
    pub(crate) means: Option<String>,
}

/// Topics that are sent to, each under several spellings.
const PLAIN: [&str; 5] = ["a.b", "a.c", "b", "agents.one.status", "agents.two.status"];
/// What no agent may publish on.
const NEVER: [&str; 8] = ["queues.one", "replies.00", "dlq", "a.*", ">", "", "a..b", "$SYS.REQ"];
/// Patterns that grants are made of.
const PATTERNS: [&str; 6] = ["a.b", "a.*", "b", "a.>", ">", "agents.>"];

/// What an agent of `own` may write as a topic; some of it names another tenant.
pub(crate) fn topic(chance: &mut Chance, own: &TenantId, others: &[TenantId]) -> Words {
    let plain = *chance.pick(&PLAIN);
    let means = Some(plain.to_owned());
    match chance.below(10) {
        0 => Words { raw: plain.replace('.', "/"), means },
        1 => Words { raw: format!("tenants.{own}.{plain}"), means },
        2 => Words { raw: format!("tenants/{own}/{}", plain.replace('.', "/")), means },
        3 => {
            let other = chance.pick(others);
            let means = means.filter(|_| other == own);
            Words { raw: format!("tenants.{other}.{plain}"), means }
        }
        4 => Words { raw: (*chance.pick(&NEVER)).to_owned(), means: None },
        _ => Words { raw: plain.to_owned(), means },
    }
}

/// Some of the patterns.
pub(crate) fn patterns(chance: &mut Chance) -> Vec<&'static str> {
    PATTERNS.into_iter().filter(|_| chance.one_in(3)).collect()
}

/// Whether a pattern stands for a topic: a second implementation, by recursion instead of a walk.
pub(crate) fn stands_for(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], []) | ([">"], [_, ..]) => true,
        ([wanted, pattern @ ..], [token, topic @ ..]) => {
            (*wanted == "*" || wanted == token) && *wanted != ">" && stands_for(pattern, topic)
        }
        _ => false,
    }
}

/// Whether any of the patterns stands for a topic.
pub(crate) fn any_stands_for(patterns: &[String], topic: &str) -> bool {
    let tokens: Vec<&str> = topic.split('.').collect();
    patterns.iter().any(|pattern| stands_for(&pattern.split('.').collect::<Vec<_>>(), &tokens))
}
