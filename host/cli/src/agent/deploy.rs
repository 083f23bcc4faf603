//! `agent deploy PATH`: checked here first, then sent.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use futures_util::stream;
use host_component::{Component, Manifest, review};
use host_wire::{Agent, DeployAgent, Page, StoredComponent};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Body;

use super::{PATH, Session, check_up, show};
use crate::error::CliError;
use crate::inspect::{read_component, read_manifest};
use crate::print;

/// What a folder's manifest is called.
const MANIFEST_NAME: &str = "bailiwick.toml";
/// How much is sent at once.
const CHUNK_LEN_MAX: usize = 64 << 10;

/// Everything that a deployment needs, found to fit together.
struct Package {
    manifest: String,
    component: Component,
    bytes: Vec<u8>,
}

pub(super) async fn run(session: &Session<'_>, path: &Path, start: bool) -> Result<(), CliError> {
    let Package { manifest, component, bytes } = pack(path)?;
    // A wrong token or tenant is told before megabytes are sent.
    let _: Page<Agent> = session.client.get(PATH, &session.query()).await?;
    let digest = component.digest.to_string();
    let _: StoredComponent =
        session.client.put(&format!("/api/components/{digest}"), bytes.len() as u64, upload(&bytes)).await?;
    let agent: Agent = session.client.post(PATH, &session.query(), &DeployAgent { manifest, digest, start }).await?;
    session.connection.output.document(&agent, show::progress)?;
    check_up(&agent)
}

fn pack(path: &Path) -> Result<Package, CliError> {
    let inside = path.join(MANIFEST_NAME);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("wasm") => pack_component(path),
        _ if path.is_dir() => pack_manifest(&inside),
        _ => pack_manifest(path),
    }
}

fn pack_manifest(path: &Path) -> Result<Package, CliError> {
    let (manifest, text) = read_manifest(path)?;
    let component = component_of(path, &manifest)?;
    fit(&component, &manifest, text)
}

fn pack_component(path: &Path) -> Result<Package, CliError> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let id = Manifest::id_from_stem(&stem).map_err(|cause| CliError::Manifest { path: path.to_owned(), cause })?;
    let text = Manifest::minimal_text(&id);
    fit(path, &Manifest::minimal(id), text)
}

fn component_of(manifest_path: &Path, manifest: &Manifest) -> Result<PathBuf, CliError> {
    let named = manifest.agent.component.as_ref();
    let named = named.ok_or_else(|| {
        CliError::Usage(format!(
            "{} names no component: add component = \"PATH.wasm\" under [agent]",
            manifest_path.display()
        ))
    })?;
    Ok(manifest_path.parent().unwrap_or(Path::new("")).join(named))
}

fn fit(path: &Path, manifest: &Manifest, text: String) -> Result<Package, CliError> {
    let (component, bytes) = read_component(path)?;
    let review = review(&component, manifest, None)
        .map_err(|objections| CliError::Objections { path: path.to_owned(), objections })?;
    for warning in &review.warnings {
        print::note(&format!("warning: {warning}"));
    }
    Ok(Package { manifest: text, component, bytes })
}

/// The component as a body, with a bar that follows it on a terminal.
fn upload(bytes: &[u8]) -> Body {
    let bar = progress_bar(bytes.len() as u64);
    let chunks: Vec<Vec<u8>> = bytes.chunks(CHUNK_LEN_MAX).map(<[u8]>::to_vec).collect();
    Body::wrap_stream(stream::iter(chunks.into_iter().map(move |chunk| {
        bar.inc(chunk.len() as u64);
        Ok::<_, Infallible>(chunk)
    })))
}

fn progress_bar(len: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("upload {bar:30} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style).with_finish(indicatif::ProgressFinish::AndClear)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, code: u8, problem: &str) {
        let error = pack(Path::new(path)).err().unwrap();
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains(problem), "{error}");
    }

    #[test]
    fn what_cannot_be_deployed_is_named_before_anything_is_sent() {
        check("/no/such/bailiwick.toml", 1, "cannot read /no/such/bailiwick.toml");
        check("/no/such/echo.wasm", 1, "cannot read /no/such/echo.wasm");
        check("/no/such/-.wasm", 1, "'-' is not an id");
        let folder = env!("CARGO_MANIFEST_DIR");
        check(folder, 1, &format!("cannot read {folder}/bailiwick.toml"));
    }

    #[test]
    fn a_component_lies_relative_to_its_manifest() {
        let mut manifest = Manifest::minimal("echo".parse().unwrap());
        assert_eq!(component_of(Path::new("a/bailiwick.toml"), &manifest).unwrap_err().exit_code(), 2);
        manifest.agent.component = Some("../b/echo.wasm".into());
        assert_eq!(component_of(Path::new("a/bailiwick.toml"), &manifest).unwrap(), Path::new("a/../b/echo.wasm"));
        assert_eq!(component_of(Path::new("bailiwick.toml"), &manifest).unwrap(), Path::new("../b/echo.wasm"));
    }
}
