//! What a component binary is: its digest, its imports and its exports.

use std::panic;

use serde::Serialize;
use wasmparser::{BinaryReaderError, ComponentImport, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, TypeDefKind, WorldId, WorldItem, WorldKey};

use crate::error::one_line;
use crate::{ComponentError, Digest, signature};

/// The largest component, in bytes.
const COMPONENT_LEN_MAX: usize = 16 << 20;
/// The most imports, and the most exports. What a language's runtime brings along is about 20.
const INTERFACES_MAX: usize = 256;
/// The most functions of all imports, and of all exports.
const FUNCTIONS_MAX: usize = 4_096;

/// What the engine enables, and nothing else: no threads, garbage collection, exceptions, tail calls, 64-bit or
/// several memories, relaxed SIMD, and no asynchronous components.
const FEATURES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A component, read and validated with the features that the engine enables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: usize,
    /// What it imports, by name.
    pub imports: Vec<Interface>,
    /// What it exports, by name.
    pub exports: Vec<Interface>,
}

/// One import or export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// In full, as the component spells it: `bailiwick:agent/messaging@0.1.0`. A bare name for a function that is in
    /// no interface.
    pub name: String,
    /// The functions the component really uses (import) or offers (export), in its own order.
    pub functions: Vec<Function>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// `publish`; `pollable.block` for a resource's method.
    pub name: String,
    /// In WIT: `publish: func(topic: string, draft: draft) -> result<receipt, denied>`. At most 1 KiB; what is longer
    /// is cut with `…`.
    pub wit: String,
}

impl Component {
    /// Reads a component of at most 16 MiB. Validates all of it, compiles and runs nothing.
    pub fn read(bytes: &[u8]) -> Result<Self, ComponentError> {
        check_is_component(bytes)?;
        check_valid(bytes)?;
        let (imports, exports) = interfaces(bytes)?;
        check_all_are_listed(bytes, &imports)?;
        Ok(Self { digest: Digest::of(bytes), size_bytes: bytes.len(), imports, exports })
    }

    /// Whether it exports `bailiwick:agent/lifecycle`.
    pub fn has_lifecycle(&self) -> bool {
        self.exports_of_agent("lifecycle").is_some()
    }

    /// An exported interface of `bailiwick:agent`, on the track that this host runs.
    pub(crate) fn exports_of_agent(&self, interface: &str) -> Option<&Interface> {
        self.exports.iter().find(|export| crate::capability::is_of_agent(&export.name, interface))
    }
}

/// Tells what else it could be, by its first bytes.
fn check_is_component(bytes: &[u8]) -> Result<(), ComponentError> {
    if bytes.starts_with(b"\x7fELF") {
        return Err(ComponentError::Elf);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(ComponentError::CoreModule);
    }
    if bytes.len() > COMPONENT_LEN_MAX {
        return Err(ComponentError::TooLarge { len: bytes.len(), len_max: COMPONENT_LEN_MAX });
    }
    Ok(())
}

fn check_valid(bytes: &[u8]) -> Result<(), ComponentError> {
    let checked = Validator::new_with_features(FEATURES).validate_all(bytes);
    checked.map(drop).map_err(invalid)
}

fn invalid(cause: BinaryReaderError) -> ComponentError {
    ComponentError::Invalid { problem: one_line(&cause.to_string()) }
}

/// Imports and exports of the outer component. Components nested in it need no look: what they import can only be
/// what the outer component instantiates them with, and that is its own, or imported by it and so in this list.
fn interfaces(bytes: &[u8]) -> Result<(Vec<Interface>, Vec<Interface>), ComponentError> {
    // The decoder is made for build tools and asserts what it believes. The bytes are hostile, and a host that falls
    // takes all tenants with it, so a broken belief becomes a refusal. Nothing outlives the call that it could leave
    // half-changed.
    let decoded = panic::catch_unwind(|| match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => both_sides(&resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => Err(ComponentError::WitPackage),
        Err(cause) => Err(ComponentError::NotWit { problem: one_line(&format!("{cause:#}")) }),
    });
    decoded.unwrap_or_else(|_| Err(ComponentError::NotWit { problem: "the decoder failed".to_owned() }))
}

/// Says a second time, from the bytes themselves, what is imported. The decoder passes over what WIT has no word for
/// (a core module, say), and an import that is not in the list would be held against nothing.
fn check_all_are_listed(bytes: &[u8], listed: &[Interface]) -> Result<(), ComponentError> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                section.into_iter().try_for_each(|import| check_is_listed(&import.map_err(invalid)?, listed))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_is_listed(import: &ComponentImport<'_>, listed: &[Interface]) -> Result<(), ComponentError> {
    let name = import.name.name;
    let is_listed = listed.iter().any(|interface| interface.name == name);
    let fits = match import.ty {
        ComponentTypeRef::Instance(_) => is_listed,
        // Only an instance may go by an interface's name: a function must not pass for one.
        ComponentTypeRef::Func(_) => is_listed && !name.contains(':'),
        ComponentTypeRef::Type(_) => !name.contains(':'),
        ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_) | ComponentTypeRef::Value(_) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(ComponentError::NotWit { problem: format!("the import '{}' is no interface", one_line(name)) })
    }
}

fn both_sides(resolve: &Resolve, world: WorldId) -> Result<(Vec<Interface>, Vec<Interface>), ComponentError> {
    let Some(world) = resolve.worlds.get(world) else {
        return Err(ComponentError::NotWit { problem: "it has no world".to_owned() });
    };
    Ok((side(resolve, world.imports.iter(), "imports")?, side(resolve, world.exports.iter(), "exports")?))
}

fn side<'a>(
    resolve: &Resolve,
    items: impl ExactSizeIterator<Item = (&'a WorldKey, &'a WorldItem)>,
    what: &'static str,
) -> Result<Vec<Interface>, ComponentError> {
    check_count(items.len(), INTERFACES_MAX, what)?;
    let items: Vec<_> = items.filter(|(_, item)| needs_linking(resolve, item)).collect();
    check_count(items.iter().map(|(_, item)| count_of(resolve, item)).sum(), FUNCTIONS_MAX, "functions")?;
    let mut interfaces: Vec<Interface> = items.into_iter().map(|(key, item)| interface(resolve, key, item)).collect();
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(interfaces)
}

fn check_count(count: usize, count_max: usize, what: &'static str) -> Result<(), ComponentError> {
    if count <= count_max { Ok(()) } else { Err(ComponentError::TooMany { what, count, count_max }) }
}

/// A type is only a name for something, save a resource: a host would have to supply that.
fn needs_linking(resolve: &Resolve, item: &WorldItem) -> bool {
    let WorldItem::Type { id, .. } = item else { return true };
    resolve.types.get(*id).is_none_or(|def| matches!(def.kind, TypeDefKind::Resource))
}

fn count_of(resolve: &Resolve, item: &WorldItem) -> usize {
    match item {
        WorldItem::Interface { id, .. } => resolve.interfaces.get(*id).map_or(0, |interface| interface.functions.len()),
        WorldItem::Function(_) | WorldItem::Type { .. } => 1,
    }
}

fn interface(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Interface {
    let functions = match item {
        WorldItem::Interface { id, .. } => resolve.interfaces.get(*id).map(|interface| &interface.functions),
        WorldItem::Function(function) => return bare(resolve, key, Some(function)),
        WorldItem::Type { .. } => return bare(resolve, key, None),
    };
    let functions =
        functions.into_iter().flatten().map(|(_, function)| signature::function(resolve, function)).collect();
    Interface { name: one_line(&resolve.name_world_key(key)), functions }
}

/// What is imported or exported in no interface.
fn bare(resolve: &Resolve, key: &WorldKey, function: Option<&wit_parser::Function>) -> Interface {
    let functions = function.map(|function| signature::function(resolve, function)).into_iter().collect();
    Interface { name: one_line(&resolve.name_world_key(key)), functions }
}

#[cfg(test)]
mod tests;
