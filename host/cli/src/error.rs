//! Why a command did not do it: what failed and what to do next, in one line.

use std::io;
use std::path::PathBuf;

use host_component::{ComponentError, ManifestError, Objection, PolicyError};
use host_wire::Problem;

/// Why a command did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// Nothing answers at the address.
    #[error("cannot reach {url}: start one with `bailiwick host` or set --url")]
    Unreachable {
        /// Which address.
        url: String,
    },
    /// Something answered, and the answer broke off.
    #[error("{url} did not finish its answer ({cause}): try again, and look at the host's log if it happens again")]
    Broken {
        /// Which address.
        url: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// The host says no.
    #[error("{}", refusal(.0))]
    Refused(Box<Problem>),
    /// Something else answers at the address.
    #[error(
        "{url} answered {status} in a form this client does not know: see that a Bailiwick host of this version listens there"
    )]
    NotAHost {
        /// Which address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file is no component.
    #[error("{path}: {cause}")]
    Component {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: ComponentError,
    },
    /// A file is no policy.
    #[error("{path}: {cause}")]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: PolicyError,
    },
    /// A file is no manifest.
    #[error("{path}: {cause}")]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: ManifestError,
    },
    /// A component asks for more than its manifest grants.
    #[error("{path}: the component {}", joined(.objections))]
    Objections {
        /// Which component.
        path: PathBuf,
        /// Everything that is in the way.
        objections: Vec<Objection>,
    },
    /// A command did what it can, and the result is not what was wanted.
    #[error("{0}")]
    Unmet(String),
    /// A stream broke off.
    #[error("the stream ended before you did: the host stopped or restarted; run the command again")]
    StreamEnded,
    /// The result cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// 0 when the reader has read enough, 2 on bad usage, 1 otherwise.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            error if error.is_reader_gone() => 0,
            _ => 1,
        }
    }

    /// Whether whoever read the output has closed it.
    pub(crate) fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn refusal(problem: &Problem) -> String {
    let said = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let numbers = [("limit", problem.limit), ("actual", problem.actual), ("retry after ms", problem.retry_after_ms)];
    let given = numbers.iter().filter_map(|(name, number)| number.map(|number| (name, number)));
    let numbers = given.fold(String::new(), |line, (name, number)| format!("{line}, {name} {number}"));
    format!("{said} [{}{numbers}]", problem.code)
}

fn joined(objections: &[Objection]) -> String {
    objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; it ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(limit: Option<u64>) -> CliError {
        CliError::Refused(Box::new(Problem {
            kind: "urn:bailiwick:problem:body-too-large".into(),
            title: "Too large".into(),
            status: 413,
            detail: "the body is too large: send less".into(),
            code: "body-too-large".into(),
            limit,
            actual: limit.map(|limit| limit + 1),
            retry_after_ms: None,
        }))
    }

    fn check(error: &CliError, code: u8, line: &str) {
        assert_eq!((error.exit_code(), error.to_string().as_str()), (code, line));
    }

    #[test]
    fn an_error_is_one_line_with_the_next_step_and_its_code() {
        check(&CliError::Usage("name a tenant".into()), 2, "name a tenant");
        let unreachable = CliError::Unreachable { url: "http://127.0.0.1:7410".into() };
        check(&unreachable, 1, "cannot reach http://127.0.0.1:7410: start one with `bailiwick host` or set --url");
        check(&problem(None), 1, "the body is too large: send less [body-too-large]");
        check(&problem(Some(10)), 1, "the body is too large: send less [body-too-large, limit 10, actual 11]");
    }

    #[test]
    fn a_reader_that_has_read_enough_is_success() {
        assert_eq!(CliError::Output(io::ErrorKind::BrokenPipe.into()).exit_code(), 0);
        assert_eq!(CliError::Output(io::ErrorKind::StorageFull.into()).exit_code(), 1);
    }

    #[test]
    fn each_objection_is_named() {
        let objections = vec![Objection::UnknownImport { import: "wasi:sockets/tcp@0.2.0".into() }, Objection::NoInbox];
        let text = CliError::Objections { path: "a.wasm".into(), objections }.to_string();
        assert!(
            text.starts_with("a.wasm: the component imports wasi:sockets/tcp@0.2.0, ")
                && text.contains("; it does not export"),
            "{text}"
        );
    }
}
