//! `inspect`: what a component can do, offline.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use host_component::{CapabilityReport, Component, Inspection, Interface, Manifest, Prices, Verdict};

use crate::error::CliError;
use crate::print::Output;

/// `inspect COMPONENT`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bailiwick inspect target/wasm32-wasip2/release/echo.wasm --manifest bailiwick.toml\n\nExits with 1 when the component would be refused."
)]
pub struct InspectArgs {
    /// The component: a .wasm file
    component: PathBuf,
    /// Hold it against a manifest: what is granted and what is missing
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &InspectArgs) -> Result<(), CliError> {
    let (component, _) = read_component(&args.component)?;
    let manifest = args.manifest.as_deref().map(read_manifest).transpose()?.map(|(manifest, _)| manifest);
    let inspection = Inspection::of(&component, manifest.as_ref(), Prices::default());
    args.output.document(&inspection, report)?;
    match &inspection.verdict {
        Verdict::Ok => Ok(()),
        Verdict::Refused { reasons } => Err(refused(&args.component, reasons)),
    }
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
    section(&mut lines, "grants", grants(inspection));
    section(&mut lines, "limits", limits(inspection));
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
    // Risk has no Display; its JSON word is the word.
    let risk =
        serde_json::to_value(report.risk).ok().and_then(|risk| risk.as_str().map(str::to_owned)).unwrap_or_default();
    let mut lines = vec![format!("  {}, {risk} risk{granted}: {}", report.name, report.why)];
    lines.extend(report.interfaces.iter().flat_map(interface).map(|line| format!("  {line}")));
    lines
}

fn interface(interface: &Interface) -> Vec<String> {
    let mut lines = vec![format!("  {}", interface.name)];
    lines.extend(interface.functions.iter().map(|function| format!("    {}", function.wit)));
    lines
}

fn grants(inspection: &Inspection) -> Vec<String> {
    let Some(grants) = &inspection.grants else { return Vec::new() };
    let facts = [("publish", &grants.publish), ("subscribe", &grants.subscribe), ("send", &grants.send)];
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    let mut lines: Vec<String> = facts.iter().map(|(name, items)| format!("  {name}: {}", list(items))).collect();
    lines.push(format!("  discover: {}", if grants.discover { "yes" } else { "no" }));
    lines
}

fn limits(inspection: &Inspection) -> Vec<String> {
    let Some(limits) = &inspection.limits else { return Vec::new() };
    let prices = &inspection.prices;
    vec![
        format!("  memory: {} bytes an instance", limits.memory_bytes),
        format!(
            "  fuel: {} a message (WASI calls from {}, host calls from {}, routed ones from {})",
            limits.fuel_per_message, prices.wasi_call, prices.call_base, prices.routed_base
        ),
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
