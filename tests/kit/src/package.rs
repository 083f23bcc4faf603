//! An agent to deploy: a manifest that a test may change, and its component.

use std::path::{Path, PathBuf};

use host_component::Digest;

use crate::paths;

/// A manifest and the component it names.
#[derive(Clone)]
pub struct Package {
    /// The manifest.
    pub manifest: toml::Table,
    /// The component.
    pub component: Vec<u8>,
}

impl Package {
    /// The guest of many behaviours, with a fresh instance for each message.
    pub fn zoo() -> Self {
        Self::read("tests/guests/zoo.toml")
    }

    /// The guest of many behaviours, in one instance that stays.
    pub fn resident() -> Self {
        Self::read("tests/guests/zoo-resident.toml")
    }

    /// The manifest at a path of the repository, and its component.
    pub fn read(path: &str) -> Self {
        let path = paths::repo().join(path);
        let text = String::from_utf8(paths::read(&path)).expect("a manifest is text");
        let manifest: toml::Table = text.parse().expect("the repository's manifests are TOML");
        let component = paths::read(&component_of(&path, &manifest));
        Self { manifest, component }
    }

    /// Under another id.
    #[must_use]
    pub fn named(self, id: &str) -> Self {
        self.with("agent.id", id)
    }

    /// With another value under a key (`limits.fuel`); its tables are made where they are missing.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        let (table, key) = key.rsplit_once('.').expect("a key lies in a table");
        let table = self.manifest.entry(table).or_insert_with(|| toml::Table::new().into());
        table.as_table_mut().expect("a table").insert(key.to_owned(), value.into());
        self
    }

    /// The agent's id.
    pub fn id(&self) -> &str {
        self.manifest["agent"]["id"].as_str().expect("an id is text")
    }

    /// The component's digest, as a deployment names it.
    pub fn digest(&self) -> String {
        Digest::of(&self.component).to_string()
    }

    /// The manifest as text.
    pub fn text(&self) -> String {
        self.manifest.to_string()
    }

    /// Writes both into a folder, for the command line, and tells where the manifest is.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let (component, manifest) = (format!("{}.wasm", self.id()), folder.join(format!("{}.toml", self.id())));
        std::fs::write(folder.join(&component), &self.component).expect("a temporary folder takes files");
        std::fs::write(&manifest, self.clone().with("agent.component", component).text())
            .expect("a temporary folder takes files");
        manifest
    }
}

fn component_of(path: &Path, manifest: &toml::Table) -> PathBuf {
    let component = manifest["agent"]["component"].as_str().expect("the repository's manifests name their component");
    path.parent().expect("a file lies in a folder").join(component)
}
