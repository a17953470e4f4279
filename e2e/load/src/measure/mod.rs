//! What is measured: latencies, gaps between acks, CPU time and memory of processes.

pub mod gaps;
pub mod histogram;
pub mod process;

pub use gaps::{Gap, GapFinder, common_gaps};
pub use histogram::{Histogram, Quantiles};
pub use process::{ProcessSample, own_cpu_ms};
