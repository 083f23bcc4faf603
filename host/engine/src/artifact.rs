//! Compiled code on disk: loaded only if this host wrote it, for this component, with this engine.

use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use host_component::Digest;
use sha2::Sha256;
use wasmtime::component::Component;

use crate::EngineError;

/// A tag that keeps this use of the key apart from any other.
const DOMAIN: &[u8] = b"bailiwick compiled component v1\0";

/// A folder of compiled components. A file `{digest}-{engine}.cwasm` counts only beside a `.mac` that binds its bytes to both.
pub(crate) struct ArtifactStore {
    dir: PathBuf,
    mac: Hmac<Sha256>,
    engine_hash: u64,
}

impl ArtifactStore {
    pub(crate) fn open(dir: &Path, key: &[u8; 32], engine: &wasmtime::Engine) -> Result<Self, EngineError> {
        fs::create_dir_all(dir).map_err(|source| EngineError::Artifact { path: dir.to_owned(), source })?;
        let mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104)");
        Ok(Self { dir: dir.to_owned(), mac, engine_hash: engine_hash(engine) })
    }

    /// The compiled component, if a file is there and its MAC holds. What is corrupt counts as not there; an error is the engine's
    /// word on what this host wrote.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<wasmtime::Result<Component>> {
        let path = self.path(digest, "cwasm");
        let mut file = File::open(&path).ok()?;
        let mac = fs::read(self.path(digest, "mac")).ok()?;
        if self.mac_of(digest, &mut file).ok()?.verify_slice(&mac).is_err() {
            tracing::warn!(%digest, "a compiled component fails its check; it will be compiled again");
            return None;
        }
        // By descriptor: what is mapped is what was checked, even if somebody swaps the name in between.
        let checked = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mapped = deserialize(engine, &checked);
        Some(mapped.inspect_err(|error| tracing::warn!(%digest, %error, "cannot map a compiled component")))
    }

    /// Keeps what the compiler made. Code first, then its MAC: a crash in between leaves code that does not count.
    pub(crate) fn save(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let mac = self.mac_of(digest, &mut &*code)?.finalize().into_bytes();
        self.write(&self.path(digest, "cwasm"), code)?;
        self.write(&self.path(digest, "mac"), &mac)
    }

    fn mac_of(&self, digest: &Digest, code: &mut impl io::Read) -> io::Result<Hmac<Sha256>> {
        let mut mac = self.mac.clone();
        mac.update(DOMAIN);
        mac.update(digest.as_bytes());
        mac.update(&self.engine_hash.to_be_bytes());
        let mut chunk = vec![0; 64 << 10];
        loop {
            match code.read(&mut chunk)? {
                0 => return Ok(mac),
                len => mac.update(chunk.get(..len).unwrap_or_default()),
            }
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn path(&self, digest: &Digest, extension: &str) -> PathBuf {
        self.dir.join(format!("{}-{:016x}.{extension}", digest.to_hex(), self.engine_hash))
    }
}

/// Everything that decides whether code fits the engine: wasmtime's version and the settings code depends on.
fn engine_hash(engine: &wasmtime::Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// The one place that maps compiled code.
#[expect(unsafe_code, reason = "mapping code is unsafe; the caller has checked that this host wrote it")]
fn deserialize(engine: &wasmtime::Engine, path: &str) -> wasmtime::Result<Component> {
    // SAFETY: the file's bytes carry a MAC by this host's key, bound to the component's digest and to this engine's version and
    // settings (`load`). The folder lies in the host's data directory, which no tenant can write.
    unsafe { Component::deserialize_file(engine, path) }
}
