//! Child processes: run one, capture one, or read along while it prints.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

/// Runs `command` with our own stdout and stderr.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    judged(command, status)
}

/// Runs `command` silently and gives back its stdout; a failure carries its stderr.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print UTF-8", shown(command)))
}

/// Whether `command` can be started and succeeds; prints nothing.
pub(crate) fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs `command`, passes on every line as it comes, and lets `read` see it too.
///
/// `read` is called for the lines of stdout and stderr from two threads, each with a state of its own.
/// The states come back also when the command fails: a failed run of tests has counted them.
pub(crate) fn run_reading<S: Default + Send>(
    command: &mut Command,
    read: impl Fn(&mut S, &str) + Sync,
) -> Result<(Result<()>, [S; 2])> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", shown(command)))?;
    let stdout = child.stdout.take().context("stdout was piped above")?;
    let stderr = child.stderr.take().context("stderr was piped above")?;
    let read_states = thread::scope(|scope| {
        let out = scope.spawn(|| pass_on(stdout, io::stdout(), &read));
        let err = scope.spawn(|| pass_on(stderr, io::stderr(), &read));
        [out.join(), err.join()].map(Result::unwrap_or_default)
    });
    Ok((judged(command, child.wait()?), read_states))
}

/// The command as one would type it, without its environment.
pub(crate) fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default();
    let mut words = vec![program.to_owned()];
    words.extend(command.get_args().map(|arg| quoted(&arg.to_string_lossy())));
    words.join(" ")
}

fn judged(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

fn pass_on<S: Default>(from: impl Read, mut to: impl Write, read: impl Fn(&mut S, &str)) -> S {
    let mut state = S::default();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        // A closed terminal must not end the tests that are still running.
        let _ = writeln!(to, "{line}");
        read(&mut state, &line);
    }
    state
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+*".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["run", "--", "topic", "sub", ">"]);
        assert_eq!(shown(&command), "cargo run -- topic sub '>'");
    }

    #[test]
    fn a_failure_carries_what_the_child_said() {
        let error = capture(Command::new("sh").args(["-c", "echo no such tenant >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().ends_with("(exit status: 1): no such tenant"), "{error}");
    }

    #[test]
    fn reading_along_sees_both_streams_and_the_exit() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let (outcome, [out, err]) =
            run_reading(&mut command, |lines: &mut Vec<String>, line| lines.push(line.into())).unwrap();
        assert_eq!((out, err), (vec!["one".to_owned()], vec!["two".to_owned()]));
        assert!(outcome.is_err());
    }
}
