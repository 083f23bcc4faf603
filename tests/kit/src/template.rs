//! Compiled components, made once and copied into each host's data: in a dev build, compiling takes longer than most tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use host_component::Digest;

use crate::host::Setup;
use crate::package::Package;
use crate::paths;

/// What is copied: the format, the compiled code, and the key that binds it. No database: a test begins with no tenants.
const FILES: [&str; 2] = ["format", "artifact.key"];
const ARTIFACTS: &str = "artifacts";

/// Fills a new data directory.
pub(crate) fn copy_into(data: &Path) {
    let (_lock, template) = ready();
    fs::create_dir_all(data.join(ARTIFACTS)).expect("a temporary folder takes folders");
    for file in FILES {
        copy(&template.join(file), &data.join(file));
    }
    for entry in fs::read_dir(template.join(ARTIFACTS)).expect("the template has compiled code") {
        let entry = entry.expect("an entry of a folder");
        copy(&entry.path(), &data.join(ARTIFACTS).join(entry.file_name()));
    }
}

/// The template for this binary and these components, made by whichever test comes first; others wait while the lock is held.
fn ready() -> (File, PathBuf) {
    let scratch = paths::scratch();
    fs::create_dir_all(&scratch).expect("cargo's target folder takes folders");
    let lock = File::create(scratch.join("lock")).expect("cargo's target folder takes files");
    lock.lock().expect("a lock on a file of ours");
    let zoo = Package::zoo();
    let template = scratch.join(name(&zoo));
    if !template.exists() {
        sweep(&scratch);
        make(&template, &zoo);
    }
    (lock, template)
}

/// Removes the templates of earlier builds, and what a killed test left half made.
fn sweep(scratch: &Path) {
    for entry in fs::read_dir(scratch).expect("it is there").flatten() {
        // The lock is no folder, and stays.
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn make(template: &Path, zoo: &Package) {
    let draft = template.with_extension("draft");
    // A runtime of its own, on a thread of its own: the test's is waiting for this.
    let made = std::thread::scope(|scope| scope.spawn(|| compile_into(&draft, zoo)).join());
    made.expect("the template can be made");
    fs::rename(&draft, template).expect("one folder becomes another");
}

fn compile_into(data: &Path, zoo: &Package) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut host = Setup::new().blank().data(data).start();
        host.api.create_tenant("template").await;
        host.api.deploy("template", zoo).await;
        host.terminate();
    });
}

/// Another binary or another component is another template.
fn name(zoo: &Package) -> String {
    let binary = fs::metadata(paths::binary()).and_then(|meta| meta.modified()).expect("the binary is there");
    Digest::of(&[format!("{binary:?}").as_bytes(), &zoo.component].concat()).to_hex()
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|error| unreachable!("cannot copy {}: {error}", from.display()));
}
