//! How wasmtime is set up in the arms of reference.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmBacktraceDetails};

/// Which wasmtime an arm runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// With the settings of `host/engine`.
    Tuned,
    /// As it comes: `Config::new()`.
    Default,
}

/// As `EngineSettings::default()`.
pub(super) const INSTANCES: u32 = 4_000;

impl Setup {
    pub(super) fn config(self, instances: u32) -> Config {
        match self {
            Self::Tuned => tuned(instances),
            Self::Default => Config::new(),
        }
    }
}

/// `host/engine/src/settings.rs`, line by line.
fn tuned(instances: u32) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_component_model(true)
        .wasm_gc(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false)
        .wasm_stack_switching(false)
        .wasm_wide_arithmetic(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .shared_memory(false)
        .max_wasm_stack(512 << 10)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(8))
        .memory_init_cow(true)
        .async_stack_size(2 << 20)
        .async_stack_zeroing(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * 4)
        .total_memories(instances)
        .total_tables(instances * 2)
        .total_stacks(instances)
        .max_memory_size(64 << 20)
        .table_elements(20_000)
        .max_core_instances_per_component(32)
        .max_memories_per_component(4)
        .max_tables_per_component(4)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}
