//! Reads the repository: its crates by cargo, its files from disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The platform that is built for and shipped; what other platforms would pull in is not our business.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
const GUEST_WORKSPACES: [&str; 3] = ["guest-sdk", "examples", "tests/guests"];

/// A file, by its path from the root of the clone.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One of our own crates, and the names of what it depends on, in tests too.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<String>,
}

/// The folder of the root `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The root workspace with everything it depends on.
pub(crate) fn metadata() -> Metadata {
    metadata_of(&root().join("Cargo.toml"))
}

/// What the root workspace is built from, name and version, each once. `cargo metadata` also names what no feature that is on asks for.
pub(crate) fn built() -> Vec<(String, String)> {
    let tree =
        ["tree", "--workspace", "--locked", "--target", PLATFORM, "--edges", "normal,build,dev", "--prefix", "none"];
    let tree = Command::new(env!("CARGO")).args(tree).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    let package = |line: &str| {
        let (name, version) = line.split_once(" v")?;
        Some((name.to_owned(), version.split(' ').next()?.to_owned()))
    };
    lines.lines().filter_map(package).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The packages of every workspace, those of the guests included.
pub(crate) fn all_packages() -> Vec<Package> {
    let guests = GUEST_WORKSPACES.map(|folder| root().join(folder).join("Cargo.toml"));
    let workspaces = guests.iter().filter(|manifest| manifest.exists()).map(|manifest| metadata_of(manifest));
    workspaces.chain([metadata()]).flat_map(|workspace| workspace.packages).collect()
}

/// The crates of the root workspace.
pub(crate) fn members() -> Vec<Member> {
    let metadata = metadata();
    let member = |package: &&Package| metadata.workspace_members.contains(&package.id);
    metadata.packages.iter().filter(member).map(Member::from).collect()
}

/// Every Rust file of ours under these folders.
pub(crate) fn rust_files(folders: &[&str]) -> Vec<File> {
    files(folders, ".rs")
}

/// Every manifest of a crate under these folders.
pub(crate) fn manifests(folders: &[&str]) -> Vec<File> {
    files(folders, "Cargo.toml").into_iter().filter(|file| file.text.contains("[package]")).collect()
}

/// Panics with all complaints, one a line.
#[track_caller]
pub(crate) fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

fn metadata_of(manifest: &Path) -> Metadata {
    let metadata =
        MetadataCommand::new().manifest_path(manifest).other_options([format!("--filter-platform={PLATFORM}")]).exec();
    metadata.unwrap_or_else(|error| panic!("cargo metadata of {}: {error}", manifest.display()))
}

fn files(folders: &[&str], name_end: &str) -> Vec<File> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&root().join(folder), name_end, &mut files);
    }
    assert!(!files.is_empty(), "no file ends with {name_end} under {folders:?}: is the list of folders right?");
    files
}

fn collect(folder: &Path, name_end: &str, files: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, name_end, files);
        } else if path.is_file() && path.to_string_lossy().ends_with(name_end) {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().display().to_string();
            files.push(File { path, text });
        }
    }
}

impl From<&Package> for Member {
    fn from(package: &Package) -> Self {
        Self {
            name: package.name.to_string(),
            dependencies: package.dependencies.iter().map(|dependency| dependency.name.clone()).collect(),
        }
    }
}

/// For the made-up offences.
impl Member {
    pub(crate) fn made_up(name: &str, dependencies: &[&str]) -> Self {
        let dependencies = dependencies.iter().map(|&name| name.to_owned()).collect();
        Self { name: name.to_owned(), dependencies }
    }
}

/// For the made-up offences.
impl File {
    pub(crate) fn made_up(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}
