//! The engine: one for the host, with everything that is shared between agents and safe to share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use host_component::{Capability, Digest};
use parking_lot::Mutex;
use wasmtime::component::{Component, Linker};

use crate::artifact::ArtifactStore;
use crate::compile::{Compiler, CompilerSettings};
use crate::program::Program;
use crate::settings::{EngineSettings, Pool, serving_config};
use crate::state::AgentState;
use crate::ticker::Ticker;

/// Why a component cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused its settings: the machine lacks something, most likely address space.
    #[error("cannot set up the sandbox: {0}")]
    Setup(String),
    /// The ticking thread did not start.
    #[error("cannot start the ticking thread")]
    Ticker(#[source] std::io::Error),
    /// A folder or file of compiled code cannot be used.
    #[error("cannot use {path}")]
    Artifact {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The compiling process could not be run.
    #[error("cannot run the compiler")]
    Compiler(#[source] std::io::Error),
    /// The component does not compile.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// Compiling took too much.
    #[error("compiling the component took more {0} than allowed")]
    CompileLimit(&'static str),
    /// It has more instances, memories or tables than an instance's place has room for, or larger ones.
    #[error("the component does not fit: {0}")]
    TooLarge(String),
    /// It imports what was not granted, or what there is not.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// It exports no `bailiwick:agent/inbox`.
    #[error("the component exports no bailiwick:agent/inbox@0.1.0")]
    NoInbox,
}

impl EngineError {
    /// Whether the machine or the host is at fault, and not the component.
    pub fn is_host_fault(&self) -> bool {
        matches!(self, Self::Setup(_) | Self::Ticker(_) | Self::Artifact { .. } | Self::Compiler(_))
    }
}

/// A component, and what it was granted.
type ProgramKey = (Digest, Vec<Capability>);

/// Shared by all agents of the host: compiled code and linkers, never stores or instances.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    settings: EngineSettings,
    artifacts: ArtifactStore,
    compiler: Compiler,
    components: Mutex<HashMap<Digest, Weak<Component>>>,
    programs: Mutex<HashMap<ProgramKey, Weak<Program>>>,
    linkers: Mutex<HashMap<Vec<Capability>, Arc<Linker<AgentState>>>>,
    _ticker: Ticker,
}

impl Engine {
    /// Sets the sandbox up. Compiled code is kept in `artifacts`, under a key only this host has.
    pub fn new(
        settings: EngineSettings,
        compiler: CompilerSettings,
        artifacts: &Path,
        key: &[u8; 32],
    ) -> Result<Self, EngineError> {
        let config = serving_config(&settings);
        let wasmtime = wasmtime::Engine::new(&config).map_err(|error| EngineError::Setup(format!("{error:#}")))?;
        Ok(Self {
            artifacts: ArtifactStore::open(artifacts, key, &wasmtime)?,
            compiler: Compiler::new(compiler),
            components: Mutex::default(),
            programs: Mutex::default(),
            linkers: Mutex::default(),
            _ticker: Ticker::start(wasmtime.clone(), settings.tick).map_err(EngineError::Ticker)?,
            wasmtime,
            settings,
        })
    }

    /// How slots are reset on this machine, for the log and for benchmarks.
    pub fn describe_pool(&self) -> &'static str {
        match self.settings.pool {
            Pool::Strict => "strict: slots are given back to the kernel",
            Pool::Fast if wasmtime::PoolingAllocationConfig::is_pagemap_scan_available() => {
                "fast: dirty pages are found by PAGEMAP_SCAN and zeroed"
            }
            Pool::Fast => "fast without PAGEMAP_SCAN (Linux before 6.7): the kept part of each slot is zeroed",
        }
    }

    /// A component, compiled and linked with what was granted. Loads what was compiled before; compiles otherwise.
    ///
    /// Two agents with the same component and grants share the program, never an instance.
    pub async fn program(
        &self,
        digest: Digest,
        bytes: &[u8],
        granted: &[Capability],
    ) -> Result<Arc<Program>, EngineError> {
        let key = (digest, granted.to_vec());
        if let Some(program) = self.programs.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(program);
        }
        let component = self.component(digest, bytes).await?;
        let program = Arc::new(Program::link(self, &component, granted)?);
        let mut programs = self.programs.lock();
        programs.retain(|_, program| program.strong_count() > 0);
        programs.insert(key, Arc::downgrade(&program));
        Ok(program)
    }

    async fn component(&self, digest: Digest, bytes: &[u8]) -> Result<Arc<Component>, EngineError> {
        if let Some(component) = self.components.lock().get(&digest).and_then(Weak::upgrade) {
            return Ok(component);
        }
        let component = Arc::new(self.load_or_compile(&digest, bytes).await?);
        let mut components = self.components.lock();
        components.retain(|_, component| component.strong_count() > 0);
        components.insert(digest, Arc::downgrade(&component));
        Ok(component)
    }

    async fn load_or_compile(&self, digest: &Digest, bytes: &[u8]) -> Result<Component, EngineError> {
        // What does not load may have been compiled for another processor: compiled here, it will.
        if let Some(Ok(component)) = self.artifacts.load(&self.wasmtime, digest) {
            return Ok(component);
        }
        let code = self.compiler.compile(bytes).await?;
        let unusable = |source| EngineError::Artifact { path: PathBuf::from(digest.to_string()), source };
        self.artifacts.save(digest, &code).map_err(unusable)?;
        let lost = || unusable(std::io::Error::other("what was compiled is not there"));
        let loaded = self.artifacts.load(&self.wasmtime, digest).ok_or_else(lost)?;
        loaded.map_err(|error| match error.downcast::<std::io::Error>() {
            Ok(source) => unusable(source),
            Err(error) => EngineError::TooLarge(crate::cutoff::chain(&error)),
        })
    }

    pub(crate) fn linker(&self, granted: &[Capability]) -> Result<Arc<Linker<AgentState>>, EngineError> {
        let mut linkers = self.linkers.lock();
        if let Some(linker) = linkers.get(granted) {
            return Ok(linker.clone());
        }
        let linker =
            crate::host::linker(&self.wasmtime, granted).map_err(|error| EngineError::Setup(format!("{error:#}")))?;
        let linker = Arc::new(linker);
        linkers.insert(granted.to_vec(), linker.clone());
        Ok(linker)
    }

    pub(crate) fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}
