//! `inspect`: what a component can do, offline.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use host_component::{
    Against, CapabilityReport, Component, Inspection, Interface, Manifest, PolicyDocument, Verdict, Version,
};

use crate::error::CliError;
use crate::print::Output;

/// `inspect COMPONENT`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bailiwick inspect echo.wasm --manifest bailiwick.toml --policy policy.toml\n  bailiwick inspect echo-2.wasm --manifest bailiwick.toml --diff echo-1.wasm --diff-manifest bailiwick-1.toml\n\nExits with 1 when the component would be refused, exceeds the policy, or asks for more than the old one."
)]
pub struct InspectArgs {
    /// The component: a .wasm file
    component: PathBuf,
    /// Hold it against a manifest: what is granted and what is missing
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Hold the manifest against a tenant's policy: what it allows, and what exceeds it
    #[arg(long, value_name = "FILE", requires = "manifest")]
    policy: Option<PathBuf>,
    /// Say what it asks for beyond an older component
    #[arg(long, value_name = "OLD")]
    diff: Option<PathBuf>,
    /// The older component's manifest
    #[arg(long, value_name = "FILE", requires = "diff", requires = "manifest")]
    diff_manifest: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &InspectArgs) -> Result<(), CliError> {
    let (component, _) = read_component(&args.component)?;
    let manifest = args.manifest.as_deref().map(read_manifest).transpose()?.map(|(manifest, _)| manifest);
    let policy = args.policy.as_deref().map(read_policy).transpose()?.map(|(document, _)| document.policy);
    let old = args.diff.as_deref().map(read_component).transpose()?.map(|(component, _)| component);
    let old_manifest = args.diff_manifest.as_deref().map(read_manifest).transpose()?.map(|(manifest, _)| manifest);
    let old = old.as_ref().map(|component| Version { component, manifest: old_manifest.as_ref() });
    let against = Against { manifest: manifest.as_ref(), policy: policy.as_ref(), old };
    let inspection = Inspection::of(&component, against);
    args.output.document(&inspection, report)?;
    if let Verdict::Refused { reasons } = &inspection.verdict {
        return Err(refused(&args.component, reasons));
    }
    match inspection.widened.as_deref() {
        None | Some([]) => Ok(()),
        Some([first, more @ ..]) => Err(widens(&args.component, first, more.len())),
    }
}

/// What is wider stands in the report; the error says the first of it.
fn widens(path: &Path, first: &impl std::fmt::Display, more: usize) -> CliError {
    let rest = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    CliError::Unmet(format!(
        "{} asks for more than the old one: it {first}{rest}: it would wait for `bailiwick agent approve`",
        path.display()
    ))
}

/// The reasons stand in the report; the error says the first of them.
fn refused(path: &Path, reasons: &[String]) -> CliError {
    let first = reasons.first().map(String::as_str).unwrap_or_default();
    let more = reasons.len().saturating_sub(1);
    let rest = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    CliError::Unmet(format!("{} would be refused: it {first}{rest}", path.display()))
}

/// Reads a component and keeps its bytes.
pub(crate) fn read_component(path: &Path) -> Result<(Component, Vec<u8>), CliError> {
    let bytes = fs::read(path).map_err(|cause| CliError::File { path: path.to_owned(), cause })?;
    let component = Component::read(&bytes).map_err(|cause| CliError::Component { path: path.to_owned(), cause })?;
    Ok((component, bytes))
}

/// Reads a policy and keeps its text.
pub(crate) fn read_policy(path: &Path) -> Result<(PolicyDocument, String), CliError> {
    let text = fs::read_to_string(path).map_err(|cause| CliError::File { path: path.to_owned(), cause })?;
    let document = PolicyDocument::parse(&text).map_err(|cause| CliError::Policy { path: path.to_owned(), cause })?;
    Ok((document, text))
}

/// Reads a manifest and keeps its text.
pub(crate) fn read_manifest(path: &Path) -> Result<(Manifest, String), CliError> {
    let text = fs::read_to_string(path).map_err(|cause| CliError::File { path: path.to_owned(), cause })?;
    let manifest = Manifest::parse(&text).map_err(|cause| CliError::Manifest { path: path.to_owned(), cause })?;
    Ok((manifest, text))
}

fn report(inspection: &Inspection) -> String {
    let mut lines = vec![format!("{}, {} bytes", inspection.digest, inspection.size_bytes)];
    section(&mut lines, "capabilities (need a grant)", inspection.capabilities.iter().flat_map(capability));
    section(&mut lines, "exports", inspection.exports.iter().flat_map(interface));
    section(&mut lines, "free (every agent has them)", inspection.free.iter().flat_map(interface));
    section(
        &mut lines,
        "base (language runtimes need it; reaches nothing)",
        inspection.base.iter().map(|name| format!("  {name}")),
    );
    section(&mut lines, "unknown (never offered)", inspection.unknown.iter().flat_map(interface));
    section(&mut lines, "prices, in fuel", prices(inspection));
    section(&mut lines, "grants", grants(inspection));
    section(&mut lines, "limits", limits(inspection));
    section(
        &mut lines,
        "asks for more than the old one",
        inspection.widened.iter().flatten().map(|wider| format!("  {wider}")),
    );
    section(&mut lines, "warnings", inspection.warnings.iter().map(|warning| format!("  {warning}")));
    lines.push(String::new());
    lines.push(verdict(inspection));
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, title: &str, body: impl IntoIterator<Item = String>) {
    let mut body = body.into_iter().peekable();
    if body.peek().is_some() {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(body);
    }
}

fn capability(report: &CapabilityReport) -> Vec<String> {
    let granted = match report.granted {
        Some(true) => ", granted",
        Some(false) => ", NOT GRANTED",
        None => "",
    };
    let mut lines = vec![format!("  {}, {} risk{granted}: {}", report.name, report.risk, report.why)];
    lines.extend(report.interfaces.iter().flat_map(interface).map(|line| format!("  {line}")));
    lines
}

fn interface(interface: &Interface) -> Vec<String> {
    let mut lines = vec![format!("  {}", interface.name)];
    lines.extend(interface.functions.iter().map(|function| format!("    {}", function.wit)));
    lines
}

fn prices(inspection: &Inspection) -> Vec<String> {
    let prices = &inspection.prices;
    vec![
        format!("  a call of the base: {}, of log, settings, identity: {}", prices.wasi_call, prices.call_base),
        format!(
            "  of messaging, discovery, http: {}, of state: {}, of storage: {}",
            prices.routed_base, prices.state_base, prices.storage_base
        ),
        format!("  a byte that crosses: {}, an entry of a list: {}", prices.byte, prices.entry),
    ]
}

fn grants(inspection: &Inspection) -> Vec<String> {
    let Some(grants) = &inspection.grants else { return Vec::new() };
    let facts = [
        ("publish", &grants.publish),
        ("subscribe", &grants.subscribe),
        ("send", &grants.send),
        ("queues", &grants.queues),
        ("http", &grants.http),
        ("secrets", &grants.secrets),
    ];
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    let mut lines: Vec<String> = facts.iter().map(|(name, items)| format!("  {name}: {}", list(items))).collect();
    for (name, given) in
        [("discover", grants.discover), ("state", grants.state), ("storage", grants.storage), ("leases", grants.leases)]
    {
        lines.push(format!("  {name}: {}", if given { "yes" } else { "no" }));
    }
    lines
}

fn limits(inspection: &Inspection) -> Vec<String> {
    let Some(limits) = &inspection.limits else { return Vec::new() };
    vec![
        format!("  memory: {} bytes an instance", limits.memory_bytes),
        format!("  fuel: {} a message", limits.fuel_per_message),
        format!("  deadline: {} ms a message", limits.deadline_ms),
        format!("  concurrency: {}, mailbox: {}", limits.concurrency, limits.mailbox),
    ]
}

fn verdict(inspection: &Inspection) -> String {
    match (&inspection.verdict, &inspection.grants) {
        (Verdict::Ok, Some(_)) => "would be deployed with this manifest".to_owned(),
        (Verdict::Ok, None) => "would be deployed with a manifest that grants these capabilities".to_owned(),
        (Verdict::Refused { reasons }, _) => {
            reasons.iter().fold("would be refused: it".to_owned(), |text, reason| format!("{text}\n  {reason}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_the_first_reason_and_how_many_there_are() {
        let text = |reasons: &[&str]| {
            let reasons: Vec<_> = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            refused(Path::new("a.wasm"), &reasons).to_string()
        };
        assert_eq!(text(&["imports x"]), "a.wasm would be refused: it imports x");
        assert_eq!(text(&["imports x", "imports y"]), "a.wasm would be refused: it imports x (and 1 more)");
    }
}
