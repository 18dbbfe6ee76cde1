//! This process's memory, read the way that a file is: what is not mapped, or
//! lies beyond the end of a file that was cut short, is an error and no fault.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A way to read this process's memory.
#[derive(Debug)]
pub(crate) struct Memory(Option<File>);

impl Memory {
    pub(crate) fn open() -> Self {
        Self(File::open("/proc/self/mem").ok())
    }

    /// Fills `bytes` from `address` on; `None` unless all of it can be read.
    pub(crate) fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        match &self.0 {
            Some(memory) => memory.read_exact_at(bytes, address).ok(),
            // A process that gave up its user's rights may not open its own
            // memory, but it may still copy it.
            None => copy(address, bytes),
        }
    }

    pub(crate) fn bytes<const LENGTH: usize>(&self, address: u64) -> Option<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.read(address, &mut bytes)?;
        Some(bytes)
    }
}

#[cfg(target_os = "linux")]
fn copy(address: u64, bytes: &mut [u8]) -> Option<()> {
    let address = usize::try_from(address).ok()?;
    let to = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let from = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        iov_len: bytes.len(),
    };
    let this = i32::try_from(std::process::id()).ok()?;
    // SAFETY: the kernel writes to `bytes`, which is writable for its length,
    // and reads at `from` itself: an address that is not mapped is refused.
    let copied = unsafe { libc::process_vm_readv(this, &to, 1, &from, 1, 0) };
    (usize::try_from(copied) == Ok(bytes.len())).then_some(())
}

#[cfg(not(target_os = "linux"))]
fn copy(_address: u64, _bytes: &mut [u8]) -> Option<()> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_read_what_is_there_and_refuse_what_is_not() {
        let there = *b"sixteen bytes...";
        let address = there.as_ptr().expose_provenance() as u64;
        for memory in [Memory::open(), Memory(None)] {
            assert_eq!(memory.bytes(address), Some(there), "{memory:?}");
            assert_eq!(memory.bytes::<8>(8), None, "{memory:?}");
        }
    }
}
