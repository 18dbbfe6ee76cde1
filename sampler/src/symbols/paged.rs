//! A reader of a mapped file that counts what it touches: after so many blocks
//! all pages are let go, so that reading through a large program keeps little
//! of it resident.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use addr2line::gimli::{EndianSlice, LittleEndian, Reader, ReaderOffsetId, Result};

/// What the kernel maps around a page that is touched (`fault_around_bytes`).
const BLOCK: usize = 64 * 1024;
/// Blocks touched between two releases: 4 MiB of them.
const RELEASE_AFTER: usize = 64;

/// A mapping's pages, and how many blocks of them were touched.
#[derive(Debug)]
pub(super) struct Pages {
    address: usize,
    length: usize,
    /// Pages come back from the file when they have been let go.
    backed: bool,
    block: AtomicUsize,
    touched: AtomicUsize,
}

impl Pages {
    pub(super) fn new(address: usize, length: usize, backed: bool) -> Self {
        Self {
            address,
            length,
            backed,
            block: AtomicUsize::new(0),
            touched: AtomicUsize::new(0),
        }
    }

    /// Lets go of resident pages; they come back from the file when touched.
    pub(super) fn release(&self) {
        if !self.backed {
            return;
        }
        self.touched.store(0, Relaxed);
        let address = std::ptr::without_provenance_mut(self.address);
        // SAFETY: MADV_DONTNEED on a private, read-only, file-backed mapping
        // changes no contents; whoever made this keeps the mapping alive.
        unsafe { libc::madvise(address, self.length, libc::MADV_DONTNEED) };
    }

    fn touch(&self, address: usize) {
        let block = address / BLOCK;
        if self.block.swap(block, Relaxed) != block
            && self.touched.fetch_add(1, Relaxed) >= RELEASE_AFTER
        {
            self.release();
        }
    }
}

/// A section, read through [`Pages`].
#[derive(Clone, Debug)]
pub(super) struct Paged {
    bytes: EndianSlice<'static, LittleEndian>,
    pages: &'static Pages,
}

impl Paged {
    pub(super) fn new(bytes: &'static [u8], pages: &'static Pages) -> Self {
        Self {
            bytes: EndianSlice::new(bytes, LittleEndian),
            pages,
        }
    }

    fn touch(&self) {
        self.pages.touch(self.bytes.slice().as_ptr().addr());
    }
}

impl Reader for Paged {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn empty(&mut self) {
        self.bytes.empty();
    }

    fn truncate(&mut self, length: usize) -> Result<()> {
        self.bytes.truncate(length)
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.bytes.offset_from(base.bytes)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        self.bytes.offset_id()
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        self.bytes.lookup_offset_id(id)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        self.touch();
        Reader::find(&self.bytes, byte)
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.bytes.skip(length)
    }

    fn split(&mut self, length: usize) -> Result<Self> {
        let bytes = self.bytes.split(length)?;
        Ok(Self {
            bytes,
            pages: self.pages,
        })
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.touch();
        self.bytes.to_slice()
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.touch();
        Reader::to_string(&self.bytes)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.touch();
        Reader::to_string_lossy(&self.bytes)
    }

    fn read_slice(&mut self, into: &mut [u8]) -> Result<()> {
        self.touch();
        self.bytes.read_slice(into)
    }
}
