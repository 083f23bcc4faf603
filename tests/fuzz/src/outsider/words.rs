//! The grammars of names and values, as the page writes them.

/// The grammar of a tenant's id.
pub(crate) fn is_id(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    plain && (1..=40).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
}

/// The grammar of an agent's id.
pub(crate) fn is_agent(text: &str) -> bool {
    is_id(text) && !["agents", "dlq", "orchestrator", "operator"].contains(&text)
}

/// An agent's own queue, or one that a tenant's agents share.
pub(crate) fn is_queue(text: &str) -> bool {
    ["agents", "orchestrator"].contains(&text) || is_agent(text)
}

pub(crate) fn is_principal(text: &str) -> bool {
    text == "operator" || is_agent(text)
}

/// The grammar of a topic.
pub(crate) fn is_topic(text: &str) -> bool {
    let tokens: Vec<&str> = text.split('.').collect();
    tokens.len() <= 16
        && tokens.iter().all(|token| is_word(token, 64, "-_"))
        && !["queues", "replies", "dlq"].contains(&tokens[0])
}

/// Letters, digits and some signs, at least one and at most so many.
pub(crate) fn is_word(text: &str, len_max: usize, signs: &str) -> bool {
    (1..=len_max).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

pub(crate) fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub(crate) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lens: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lens == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part, part.len()))
}

pub(crate) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_there = |text: &str, len| is_hex(text, len) && text.bytes().any(|b| b != b'0');
    matches!(parts[..], ["00", trace, parent, flags] if is_there(trace, 32) && is_there(parent, 16) && is_hex(flags, 2))
}

pub(crate) fn is_printable(text: &str) -> bool {
    text.len() <= 128 && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

pub(crate) fn is_value(text: &str) -> bool {
    text.len() <= 1_024 && !text.chars().any(|c| c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c))
}
