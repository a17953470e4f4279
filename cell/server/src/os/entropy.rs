//! The machine's random source.

use cell_raft::seams::Entropy;
use rand::TryRng;
use rand::rngs::SysRng;

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        SysRng.try_fill_bytes(bytes).expect("the operating system's random source never fails once the machine is up");
    }
}
