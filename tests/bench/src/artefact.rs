//! M11: from compiled code on disk to the first message handled.
use crate::harness::Plan;
use crate::metric::Metric;
pub(crate) fn measure(_: &Plan, _: &dyn Fn(&str) -> bool) -> anyhow::Result<Vec<Metric>> { Ok(Vec::new()) }
