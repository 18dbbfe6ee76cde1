//! Source lines and inlined functions, from a module's DWARF.
//!
//! The program's file is mapped, not read: what is touched becomes resident,
//! and is let go again every so often (see [`paged`](super::paged)). A library's
//! is copied: it might change. What `addr2line` keeps per compilation unit is on
//! the heap; when many units have been looked into, all of it is dropped and
//! the next lookup begins afresh, so that the peak stays small however large
//! the program.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use addr2line::Context;
use addr2line::gimli::{Dwarf, Error};

use super::elf::{Elf, Section, Source};
use super::paged::{Paged, Pages};
use super::{SourceFrame, demangled};

/// Compilation units kept parsed. What malloc keeps afterwards depends on where
/// the last pieces lay, and reading is slower the fewer there are: each time all
/// begins anew, every unit is looked into.
const MAX_UNITS: usize = 8;

pub(crate) struct Lines {
    // Before the mapping it borrows from, so that it is dropped first.
    context: Option<Context<Paged>>,
    map: Map,
    sections: Vec<Section>,
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
        let sections: Vec<Section> = elf
            .sections
            .iter()
            .filter(|s| s.name.starts_with(".debug_") && !s.compressed)
            .cloned()
            .collect();
        let map = if is_this_program(file) {
            Map::of_file(file)?
        } else {
            Map::copy_of(file, &sections)?
        };
        Some(Lines {
            context: None,
            map,
            sections,
            units: Vec::new(),
        })
    }

    fn context(&mut self) -> Option<&Context<Paged>> {
        if self.context.is_none() {
            let section = |name: &str| {
                let section = self.sections.iter().find(|s| s.name == name);
                let range = section.map_or((0, 0), |s| (s.offset, s.size));
                self.map.section(range.0, range.1)
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
        if self.units.len() > MAX_UNITS {
            self.context = None;
            self.units.clear();
            self.map.pages.release();
        }
    }
}

/// Whether `file` is the running program's own, which nobody can write to.
fn is_this_program(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
    match (file.metadata(), std::fs::metadata("/proc/self/exe")) {
        (Ok(file), Ok(program)) => identity(file) == identity(program),
        _ => false,
    }
}

/// A file in memory, read-only.
struct Map {
    address: *mut libc::c_void,
    length: usize,
    pages: Arc<Pages>,
}

// SAFETY: the mapping is only read once made and belongs to this value alone.
unsafe impl Send for Map {}

impl Map {
    /// Maps a file that will not change: the program's own (ETXTBSY).
    fn of_file(file: &File) -> Option<Map> {
        Map::new(file, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd())
    }

    /// Copies the sections of a file that might be cut short under a mapping,
    /// which would end the process with SIGBUS. Only the copied pages become
    /// resident.
    fn copy_of(file: &File, sections: &[Section]) -> Option<Map> {
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let map = Map::new(file, libc::PROT_READ | libc::PROT_WRITE, anonymous, -1)?;
        for section in sections {
            let start = usize::try_from(section.offset).ok()?;
            let size = usize::try_from(section.size).ok()?;
            if start.checked_add(size)? > map.length {
                return None;
            }
            // SAFETY: start..start+size lies in the fresh mapping, which is
            // writable, zeroed and borrowed by nobody else yet.
            let place = unsafe {
                std::slice::from_raw_parts_mut(map.address.cast::<u8>().add(start), size)
            };
            file.read_exact_at(place, section.offset).ok()?;
        }
        Some(map)
    }

    fn new(
        file: &File,
        protection: libc::c_int,
        flags: libc::c_int,
        descriptor: libc::c_int,
    ) -> Option<Map> {
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
                protection,
                flags,
                descriptor,
                0,
            )
        };
        (address != libc::MAP_FAILED).then_some(Map {
            address,
            length,
            pages: Arc::new(Pages::new(address.addr(), length, descriptor >= 0)),
        })
    }

    /// A piece of the file; empty where it has none there. The lifetimes in it
    /// are a promise that [`Lines`] keeps by dropping what holds readers before
    /// the map.
    fn section(&self, offset: u64, size: u64) -> Paged {
        let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        let inside = range.filter(|(start, size)| {
            let end = start.checked_add(*size);
            end.is_some_and(|end| end <= self.length)
        });
        let (start, size) = inside.unwrap_or_default();
        // SAFETY: start..start+size lies in the mapping, which is readable and
        // lives until `self` is dropped; see above for why no slice lives
        // longer. Its contents do not change: see `of_file` and `copy_of`.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.address.cast::<u8>().add(start), size) };
        // SAFETY: it is counted, never moves and lives until `self` is dropped, as above.
        let pages = unsafe { &*Arc::as_ptr(&self.pages) };
        Paged::new(bytes, pages)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`, and nobody borrows from
        // it any more.
        unsafe { libc::munmap(self.address, self.length) };
    }
}
