//! A component that does what its message says: which import it calls with which core values, what its allocator gives, what it
//! returns.

use std::fmt::Write as _;

use tests_kit::repo;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{InterfaceId, Resolve, TypeDefKind, WorldId, WorldItem};

/// Where the script lies in the guest's memory.
pub(super) const BASE: u32 = 65_536;
/// The script's head: what the allocator does, the address it gives, the address that is returned, how many steps there are.
pub(super) const HEAD_LEN: u32 = 16;
/// A step: its import and its values, eight bytes each.
pub(super) const VALUES_MAX: usize = 20;
pub(super) const STEP_LEN: u32 = 8 + 8 * 20;
/// The end of the guest's memory.
pub(super) const MEMORY_LEN: u32 = 8 * 65_536;

/// The packages of `wit/`, each after what it uses.
const PACKAGES: [&str; 7] = [
    "agent-0.1",
    "discovery-0.1",
    "state-0.1",
    "storage-0.1",
    "leases-0.1",
    "wasi-keyvalue-0.2.0-draft",
    "wasi-config-0.2.0-rc.1",
];

/// Everything that `wit/` lets an agent import.
const WORLD: &str = "package fuzz:guest;
world guest {
    include bailiwick:agent/imports@0.1.0;
    import bailiwick:discovery/registry@0.1.0;
    import bailiwick:state/store@0.1.0;
    import bailiwick:storage/files@0.1.0;
    import bailiwick:leases/leases@0.1.0;
    include wasi:keyvalue/imports@0.2.0-draft;
    include wasi:config/imports@0.2.0-rc.1;
    export bailiwick:agent/inbox@0.1.0;
}";

/// An import, as a core module sees it.
pub(super) struct Op {
    module: String,
    pub(super) name: String,
    pub(super) values: Vec<WasmType>,
    results: Vec<WasmType>,
}

/// How memory is given to the host: as which mode, and at which address.
#[derive(Clone, Copy)]
pub(super) struct Allocator {
    pub(super) mode: u32,
    pub(super) address: u32,
}

impl Allocator {
    /// The first bytes of a script, as the text format writes them.
    fn data(self) -> String {
        let bytes = [self.mode, self.address].into_iter().flat_map(u32::to_le_bytes);
        bytes.fold(String::new(), |text, byte| format!("{text}\\{byte:02x}"))
    }
}

pub(super) struct World {
    resolve: Resolve,
    id: WorldId,
    ops: Vec<Op>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut resolve = Resolve::default();
        for package in PACKAGES {
            resolve.push_dir(repo().join("wit").join(package)).expect("a package of wit/");
        }
        let package = resolve.push_str("guest.wit", WORLD).expect("a world");
        let world = resolve.select_world(&[package], Some("guest")).expect("its one world");
        let interface = |item: &WorldItem| if let WorldItem::Interface { id, .. } = item { Some(*id) } else { None };
        let ops =
            resolve.worlds[world].imports.values().filter_map(interface).flat_map(|id| ops(&resolve, id)).collect();
        Self { resolve, id: world, ops }
    }

    pub(super) fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// A component whose allocator does from the beginning what `at_birth` says, if that says anything.
    pub(super) fn component(&self, encoding: StringEncoding, at_birth: Option<Allocator>) -> Vec<u8> {
        let mut module = wat::parse_str(self.module(at_birth)).expect("a core module");
        wit_component::embed_component_metadata(&mut module, &self.resolve, self.id, encoding).expect("its world");
        let mut encoder = ComponentEncoder::default().module(&module).expect("a module of that world").validate(true);
        encoder.encode().expect("a component")
    }

    fn module(&self, at_birth: Option<Allocator>) -> String {
        let (mut imports, mut arms) = (String::new(), String::new());
        for (number, op) in self.ops.iter().enumerate() {
            let [params, results] = [&op.values, &op.results].map(|values| cores(values).join(" "));
            let Op { module, name, .. } = op;
            let _ = writeln!(
                imports,
                "(import \"{module}\" \"{name}\" (func $f{number} (param {params}) (result {results})))"
            );
            let load = |(at, value): (usize, &WasmType)| {
                format!("({}.load offset={} (local.get $at))", core(*value), 8 + 8 * at)
            };
            let values: String = op.values.iter().enumerate().map(load).collect();
            let drops = "drop ".repeat(op.results.len());
            let _ = writeln!(
                arms,
                "(if (i32.eq (local.get $op) (i32.const {number})) (then {values} call $f{number} {drops}))"
            );
        }
        format!(
            "(module {imports}
            (memory (export \"memory\") {pages})
            (global $free (mut i32) (i32.const 1024))
            (global $armed (mut i32) (i32.const {armed}))
            (data (i32.const {BASE}) \"{script}\")
            (func $step (param $at i32) (local $op i32) (local.set $op (i32.load (local.get $at))) {arms})
            (func (export \"cabi_realloc\") (param i32 i32) (param $align i32) (param $len i32) (result i32)
                (local $mode i32) (local $at i32)
                (if (global.get $armed) (then
                    (local.set $mode (i32.and (i32.const 15) (i32.load (i32.const {BASE}))))
                    (if (i32.eq (local.get $mode) (i32.const 1)) (then (return (i32.load offset=4 (i32.const {BASE})))))
                    (if (i32.eq (local.get $mode) (i32.const 2)) (then unreachable))
                    (if (i32.eq (local.get $mode) (i32.const 3)) (then (call $step (i32.const {first}))))
                    (if (i32.eq (local.get $mode) (i32.const 4)) (then (drop (memory.grow (i32.const 1)))))
                    (if (i32.eq (local.get $mode) (i32.const 5)) (then (loop $for_ever (br $for_ever))))))
                (local.set $at (i32.and (i32.sub (i32.add (global.get $free) (local.get $align)) (i32.const 1))
                    (i32.sub (i32.const 0) (local.get $align))))
                (global.set $free (i32.add (local.get $at) (local.get $len)))
                (local.get $at))
            (func (export \"bailiwick:agent/inbox@0.1.0#handle\") (param $message i32) (result i32)
                (local $steps i32) (local $at i32)
                (memory.copy (i32.const {BASE}) (i32.load offset=40 (local.get $message)) (i32.load offset=44 (local.get $message)))
                (global.set $armed (i32.const 1))
                (local.set $steps (i32.load offset=12 (i32.const {BASE})))
                (local.set $at (i32.const {first}))
                (block $end (loop $more
                    (br_if $end (i32.eqz (local.get $steps)))
                    (call $step (local.get $at))
                    (local.set $at (i32.add (local.get $at) (i32.const {STEP_LEN})))
                    (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
                    (br $more)))
                (i32.load offset=8 (i32.const {BASE})))
            (func (export \"cabi_post_bailiwick:agent/inbox@0.1.0#handle\") (param i32)
                (if (i32.and (i32.const 16) (i32.load (i32.const {BASE}))) (then (call $step (i32.const {first}))))))",
            armed = i32::from(at_birth.is_some()),
            script = at_birth.map(Allocator::data).unwrap_or_default(),
            pages = MEMORY_LEN / 65_536,
            first = BASE + HEAD_LEN,
        )
    }
}

fn ops(resolve: &Resolve, id: InterfaceId) -> Vec<Op> {
    let interface = &resolve.interfaces[id];
    let module = resolve.id_of(id).expect("an interface of a package");
    let functions = interface.functions.values().map(|function| {
        let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
        assert!(signature.params.len() <= VALUES_MAX, "a step has room for {VALUES_MAX} values");
        Op { module: module.clone(), name: function.name.clone(), values: signature.params, results: signature.results }
    });
    let resources = interface.types.iter().filter(|(_, id)| matches!(resolve.types[**id].kind, TypeDefKind::Resource));
    let drops = resources.map(|(name, _)| Op {
        module: module.clone(),
        name: format!("[resource-drop]{name}"),
        values: vec![WasmType::I32],
        results: Vec::new(),
    });
    functions.chain(drops).collect()
}

fn cores(values: &[WasmType]) -> Vec<&'static str> {
    values.iter().map(|value| core(*value)).collect()
}

/// The core type of a value.
const fn core(value: WasmType) -> &'static str {
    match value {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    }
}
