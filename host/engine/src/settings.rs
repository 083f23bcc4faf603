//! How wasmtime is set up: each line is a decision of `docs/threats.md` or `docs/benchmarks.md`, and has its assertion below.

use std::num::NonZeroUsize;
use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmFeatures};

use crate::ticker::TICK;

/// The largest linear memory any instance may have, in bytes. An agent's own limit lies at or under it.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;
/// Table elements one table may have.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Tables one component may have.
pub(crate) const TABLES_MAX: usize = 4;
/// Linear memories one component may have.
pub(crate) const MEMORIES_MAX: usize = 4;
/// Core instances one component may have.
pub(crate) const INSTANCES_MAX: usize = 32;
/// Entries in the table of one instance's resources (streams, pollables).
pub(crate) const RESOURCES_MAX: usize = 1_024;
/// The most random bytes one call may ask for.
pub(crate) const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Stack of guest code, and of a fiber: host functions run in the difference.
const WASM_STACK_BYTES: usize = 512 << 10;
const FIBER_STACK_BYTES: usize = 2 << 20;
/// What a slot keeps mapped between two instances, in bytes. More than an agent usually dirties; `pagemap_scan` resets only that.
const MEMORY_KEEP_BYTES: usize = 256 << 10;
const TABLE_KEEP_BYTES: usize = 64 << 10;
const STACK_KEEP_BYTES: usize = 64 << 10;

/// What happens to a pool slot between two instances. Both zero it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// Dirty pages are found by `PAGEMAP_SCAN` and zeroed in place.
    #[default]
    Fast,
    /// All pages are given back to the kernel, stacks too: slower, and of less use to an allocator's bug.
    Strict,
}

/// What an operator decides about the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineSettings {
    /// How pool slots are reset.
    pub pool: Pool,
    /// Instances alive at once on this host.
    pub instances_max: u32,
    /// Bytes a guest may hand to one host call.
    pub hostcall_bytes_max: usize,
    /// How often running guests are looked at. Other than [`TICK`] only where a clock would disturb a count.
    pub tick: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { pool: Pool::Fast, instances_max: 4_000, hostcall_bytes_max: (1 << 20) + (64 << 10), tick: TICK }
    }
}

/// What decides the code that is compiled: shared by the serving process and the compiling one.
pub(crate) fn code_config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_component_model(true)
        .wasm_gc(false)
        .wasm_features(WasmFeatures::FUNCTION_REFERENCES, false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false)
        .wasm_stack_switching(false)
        .wasm_wide_arithmetic(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .shared_memory(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(8))
        .memory_init_cow(true);
    config
}

/// What the serving process runs with.
pub(crate) fn serving_config(settings: &EngineSettings) -> Config {
    let mut config = code_config();
    config
        .async_stack_size(FIBER_STACK_BYTES)
        .async_stack_zeroing(settings.pool == Pool::Strict)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    config
}

fn pool(settings: &EngineSettings) -> PoolingAllocationConfig {
    let instances = settings.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(2))
        .total_stacks(instances)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_core_instances_per_component(u32::try_from(INSTANCES_MAX).expect("a small constant"))
        .max_memories_per_component(u32::try_from(MEMORIES_MAX).expect("a small constant"))
        .max_tables_per_component(u32::try_from(TABLES_MAX).expect("a small constant"));
    match settings.pool {
        Pool::Fast => pool
            .linear_memory_keep_resident(MEMORY_KEEP_BYTES)
            .table_keep_resident(TABLE_KEEP_BYTES)
            .async_stack_keep_resident(STACK_KEEP_BYTES)
            .pagemap_scan(Enabled::Auto),
        Pool::Strict => pool
            .linear_memory_keep_resident(0)
            .table_keep_resident(0)
            .async_stack_keep_resident(0)
            .decommit_batch_size(1)
            .pagemap_scan(Enabled::No),
    };
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(pool: Pool) -> wasmtime::Engine {
        wasmtime::Engine::new(&serving_config(&EngineSettings { pool, instances_max: 10, ..Default::default() }))
            .unwrap()
    }

    #[test]
    fn guests_are_stopped_by_fuel_and_by_epochs() {
        let engine = engine(Pool::Fast);
        assert!(engine.get_consume_fuel() && engine.get_epoch_interruption());
    }

    #[test]
    fn proposals_outside_the_tested_core_are_off() {
        use WasmFeatures as F;
        let on = engine(Pool::Fast).get_wasm_features();
        let off = [
            F::THREADS,
            F::GC,
            F::EXCEPTIONS,
            F::LEGACY_EXCEPTIONS,
            F::FUNCTION_REFERENCES,
            F::MEMORY64,
            F::MULTI_MEMORY,
            F::CUSTOM_PAGE_SIZES,
            F::STACK_SWITCHING,
            F::WIDE_ARITHMETIC,
            F::TAIL_CALL,
            F::RELAXED_SIMD,
            F::SHARED_EVERYTHING_THREADS,
            F::CM_ASYNC,
            F::CM_ASYNC_STACKFUL,
            F::CM_THREADING,
            F::CM_ERROR_CONTEXT,
            F::CM_GC,
        ];
        for feature in off {
            assert!(!on.intersects(feature), "{feature:?}");
        }
        assert!(on.contains(F::COMPONENT_MODEL | F::BULK_MEMORY));
    }

    #[test]
    fn the_compiler_is_cranelift_and_component_async_has_no_state() {
        let engine = engine(Pool::Fast);
        assert!(matches!(engine.get_strategy(), Some(Strategy::Cranelift)));
        assert!(!engine.get_concurrency_support() && !engine.get_shared_memory());
        assert_eq!(engine.get_target().as_deref(), Some("x86_64-unknown-linux-gnu"), "the one that is tested");
    }

    #[test]
    fn stacks_leave_a_gap_of_a_megabyte_for_host_functions() {
        let engine = engine(Pool::Fast);
        assert!(engine.get_async_stack_size() - engine.get_max_wasm_stack() >= 1 << 20);
    }

    #[test]
    fn backtraces_are_short_and_without_source_details() {
        let engine = engine(Pool::Fast);
        assert_eq!(engine.get_wasm_backtrace_max_frames(), 8);
        assert!(!engine.get_guest_debug() && !engine.get_debug_info());
    }

    #[test]
    fn one_instance_and_one_call_have_the_bounds_that_are_promised() {
        assert_eq!((MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX), (64 << 20, 20_000));
        assert_eq!((INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX), (32, 4, 4));
        assert_eq!((RESOURCES_MAX, RANDOM_BYTES_MAX), (1_024, 64 << 10));
        // The largest message, and what surrounds it.
        assert_eq!(EngineSettings::default().hostcall_bytes_max, (1 << 20) + (64 << 10));
        assert!((1..=10).contains(&EngineSettings::default().tick.as_millis()));
    }

    #[test]
    fn the_pool_is_bounded_in_everything() {
        let engine = engine(Pool::Fast);
        let pool = engine.get_pooling_config().expect("pooling");
        assert_eq!(
            (pool.get_total_component_instances(), pool.get_total_memories(), pool.get_total_stacks()),
            (10, 10, 10)
        );
        assert_eq!((pool.get_max_memory_size(), pool.get_table_elements()), (MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX));
        assert_eq!(pool.get_max_core_instances_per_component() as usize, INSTANCES_MAX);
        assert_eq!(
            (pool.get_max_memories_per_component() as usize, pool.get_max_tables_per_component() as usize),
            (MEMORIES_MAX, TABLES_MAX)
        );
        assert_eq!((pool.get_max_memories_per_module(), pool.get_max_tables_per_module()), (1, 1));
        assert_eq!((pool.get_total_core_instances(), pool.get_total_tables()), (40, 20));
        assert!(matches!(pool.get_memory_protection_keys(), Enabled::No), "experimental");
    }

    #[test]
    fn the_fast_pool_keeps_pages_and_the_strict_one_gives_all_back() {
        let fast = engine(Pool::Fast);
        let pool = fast.get_pooling_config().expect("pooling");
        assert_eq!(
            (pool.get_memory_keep_resident(), pool.get_table_keep_resident()),
            (MEMORY_KEEP_BYTES, TABLE_KEEP_BYTES)
        );
        assert!(!fast.get_async_stack_zeroing());
        let strict = engine(Pool::Strict);
        let pool = strict.get_pooling_config().expect("pooling");
        assert_eq!(
            (pool.get_memory_keep_resident(), pool.get_table_keep_resident(), pool.get_decommit_batch_size()),
            (0, 0, 1)
        );
        assert!(strict.get_async_stack_zeroing());
    }
}
