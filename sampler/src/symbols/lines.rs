//! Source lines and inlined functions, from a module's DWARF.
//!
//! The file is mapped, not read: what is touched becomes resident, and is let
//! go again every so often. What `addr2line` keeps per compilation unit is on
//! the heap; when many units have been looked into, all of it is dropped and
//! the next lookup begins afresh, so that the peak stays small however large
//! the program.

use std::fs::File;
use std::os::fd::AsRawFd;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian};

use super::elf::{Elf, Section, Source};
use super::{SourceFrame, demangled};

type Bytes = EndianSlice<'static, LittleEndian>;

/// Compilation units kept parsed.
const MAX_UNITS: usize = 8;
/// Lookups between two releases of pages.
const RELEASE_EVERY: usize = 256;

pub(crate) struct Lines {
    // Before the mapping it borrows from, so that it is dropped first.
    context: Option<Context<Bytes>>,
    map: Map,
    sections: Vec<Section>,
    lookups: usize,
    /// Where the units that were looked into begin.
    units: Vec<u64>,
}

impl Lines {
    /// Prepares to read the debug information of `elf`; `None` when there is
    /// none, or it is compressed.
    pub(crate) fn open(elf: &Elf) -> Option<Lines> {
        let Source::File(file) = &elf.source else {
            return None;
        };
        let line = elf.section(".debug_line")?;
        if line.compressed || line.size == 0 {
            return None;
        }
        Some(Lines {
            context: None,
            map: Map::new(file)?,
            sections: elf
                .sections
                .iter()
                .filter(|s| s.name.starts_with(".debug_") && !s.compressed)
                .cloned()
                .collect(),
            lookups: 0,
            units: Vec::new(),
        })
    }

    fn context(&mut self) -> Option<&Context<Bytes>> {
        if self.context.is_none() {
            let section = |name: &str| -> Bytes {
                let bytes = self
                    .sections
                    .iter()
                    .find(|s| s.name == name)
                    .and_then(|s| self.map.slice(s.offset, s.size))
                    .unwrap_or_default();
                EndianSlice::new(bytes, LittleEndian)
            };
            let dwarf = Dwarf::load(|id| Ok::<_, Error>(section(id.name()))).ok()?;
            self.context = Context::from_dwarf(dwarf).ok();
        }
        self.context.as_ref()
    }

    /// The functions at `vaddr`, innermost first. The outermost one's name is
    /// often without its path; the symbol table knows it better.
    pub(crate) fn frames(&mut self, vaddr: u64) -> Vec<SourceFrame> {
        let mut frames = Vec::new();
        let mut unit_start = None;
        if let Some(context) = self.context() {
            unit_start = context
                .find_dwarf_and_unit(vaddr)
                .skip_all_loads()
                .and_then(|unit| Some(unit.header.debug_info_offset()?.0 as u64));
            if let Ok(mut found) = context.find_frames(vaddr).skip_all_loads() {
                while let Ok(Some(frame)) = found.next() {
                    let system_name = frame
                        .function
                        .and_then(|f| Some(f.raw_name().ok()?.into_owned()))
                        .unwrap_or_default();
                    frames.push(SourceFrame {
                        name: demangled(&system_name),
                        system_name,
                        file: frame
                            .location
                            .as_ref()
                            .and_then(|l| l.file)
                            .map(String::from),
                        line: frame.location.as_ref().and_then(|l| l.line),
                    });
                }
            }
        }
        self.tidy(unit_start);
        frames
    }

    /// Gives memory back when enough has gathered.
    fn tidy(&mut self, unit: Option<u64>) {
        if let Some(unit) = unit
            && !self.units.contains(&unit)
        {
            self.units.push(unit);
        }
        self.lookups += 1;
        if self.units.len() > MAX_UNITS {
            self.context = None;
            self.units.clear();
            self.map.release();
        } else if self.lookups.is_multiple_of(RELEASE_EVERY) {
            self.map.release();
        }
    }
}

/// A file in memory, read-only.
struct Map {
    address: *mut libc::c_void,
    length: usize,
}

// SAFETY: the mapping is read-only and belongs to this value alone.
unsafe impl Send for Map {}

impl Map {
    fn new(file: &File) -> Option<Map> {
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
        if length == 0 {
            return None;
        }
        // SAFETY: a fresh private mapping at an address of the kernel's choice
        // touches nobody else's memory.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        (address != libc::MAP_FAILED).then_some(Map { address, length })
    }

    /// A piece of the file. The lifetime is a promise that [`Lines`] keeps by
    /// dropping what holds slices before the map.
    fn slice(&self, offset: u64, size: u64) -> Option<&'static [u8]> {
        let start = usize::try_from(offset).ok()?;
        let size = usize::try_from(size).ok()?;
        if start.checked_add(size)? > self.length {
            return None;
        }
        // SAFETY: start..start+size lies in the mapping, which is readable and
        // lives until `self` is dropped; see above for why no slice lives
        // longer. The file of a running program is not written to (ETXTBSY);
        // that of a library is replaced by renaming, which leaves this one.
        Some(unsafe { std::slice::from_raw_parts(self.address.cast::<u8>().add(start), size) })
    }

    /// Lets go of resident pages; they come back from the file when touched.
    fn release(&self) {
        // SAFETY: MADV_DONTNEED on a private, read-only, file-backed mapping
        // changes no contents.
        unsafe { libc::madvise(self.address, self.length, libc::MADV_DONTNEED) };
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`, and nobody borrows from
        // it any more.
        unsafe { libc::munmap(self.address, self.length) };
    }
}
