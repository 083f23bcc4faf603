//! Why a component or a manifest was not read: one line each, with the thing's name and the next step.

/// Why bytes are not a component that this host can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// Larger than the host takes.
    #[error(
        "the component has {len} bytes, more than the {len_max} allowed: build it with --release, or strip it (wasm-tools strip)"
    )]
    TooLarge {
        /// Its size in bytes.
        len: usize,
        /// The most that is taken, in bytes.
        len_max: usize,
    },
    /// It does not begin as WebAssembly does.
    #[error("not WebAssembly: give the .wasm file that a build for wasm32-wasip2 wrote")]
    NotWasm,
    /// Machine code, such as a precompiled artefact (`.cwasm`). The host loads only the machine code it made itself.
    #[error("an ELF file, not a component: upload the component itself (.wasm); the host compiles it")]
    Elf,
    /// A core module.
    #[error("a core module, not a component: build with --target wasm32-wasip2 (or run wasm-tools component new)")]
    CoreModule,
    /// WIT in binary form: types without code.
    #[error("a WIT package, not a component that can run: give the .wasm file that a build for wasm32-wasip2 wrote")]
    WitPackage,
    /// It does not validate with the features the engine enables.
    #[error(
        "not a valid component for this host: {problem}: rebuild it for wasm32-wasip2 without further WebAssembly proposals"
    )]
    Invalid {
        /// What is wrong, and at which byte; one line, bounded.
        problem: String,
    },
    /// It is valid, but its imports or exports cannot be said in WIT.
    #[error("the component's imports and exports are not WIT: {problem}: rebuild it with current component tools")]
    NotWit {
        /// What is wrong; one line, bounded.
        problem: String,
    },
    /// More imports, exports or functions than the host looks at.
    #[error("the component has {count} {what}, more than the {count_max} allowed: import and export less")]
    TooMany {
        /// What there is too much of: `imports`, `exports` or `functions`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
}

/// Why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Longer than the host reads.
    #[error("the manifest has {len} bytes, more than the {len_max} allowed: shorten it")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The most that is read, in bytes.
        len_max: usize,
    },
    /// Not TOML.
    #[error("manifest, line {line}: not TOML: {problem}: correct this line")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong; one line, bounded.
        problem: String,
    },
    /// An agent without a component has no use for it.
    #[error("manifest: {key} is of no use to an external agent: remove it, or deploy the agent with its component")]
    NotExternal {
        /// The key with its tables, or what is beyond them.
        key: &'static str,
    },
    /// A key that a later version will have. To take it now and not enforce it would be a promise broken in silence.
    #[error("manifest{}: {key} is not available in this version: remove it", at(*.line))]
    Unavailable {
        /// The key with its tables: `grants.http`.
        key: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
    },
    /// A limit that cannot be meant.
    #[error("manifest{}: {source}", at(*.line))]
    Limit {
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// Which limit, and between what it must lie.
        source: host_model::BadLimit,
    },
    /// A key is missing, unknown, or has a value that cannot be meant.
    #[error("manifest{}: {key}: {problem}", at(*.line))]
    Key {
        /// The key with its tables: `limits.memory`.
        key: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong and what to do; one line, bounded.
        problem: String,
    },
}

pub(crate) fn at(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// The longest text of somebody else's making that goes into an error, in characters.
const TEXT_LEN_MAX: usize = 400;

/// Foreign text as one line that no terminal acts on, cut to a readable length.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (index, c) in text.trim().chars().enumerate() {
        match c {
            _ if index == TEXT_LEN_MAX => {
                line.push('…');
                break;
            }
            '\n' | '\r' => line.push(' '),
            c if steers(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// Whether a terminal could act on it, break the line there, or show what follows in another order.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_inert_line_of_bounded_length() {
        assert_eq!(one_line("a\nb\u{1b}[31m\u{202e}"), "a b\\u{1b}[31m\\u{202e}");
        assert_eq!(one_line(&"x".repeat(TEXT_LEN_MAX)), "x".repeat(TEXT_LEN_MAX));
        assert_eq!(one_line(&"x".repeat(TEXT_LEN_MAX + 1)).chars().count(), TEXT_LEN_MAX + 1);
    }
}
