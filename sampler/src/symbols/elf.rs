//! As much of ELF as symbols need: 64-bit, little-endian, read in small pieces
//! so that a large program does not become resident to name a few addresses.
//!
//! The layout is that of the System V ABI, "ELF-64 Object File Format".

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::memory::Memory;

/// Section kinds, `sh_type`.
pub(crate) const SHT_SYMTAB: u32 = 2;
pub(crate) const SHT_DYNSYM: u32 = 11;
/// Segment kinds, `p_type`.
pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_NOTE: u32 = 4;

/// What a 64-bit, little-endian image begins with.
const MAGIC: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
/// More sections or segments than any linker writes: a sign of garbage.
const MAX_HEADERS: u16 = 4096;
/// What is read of memory at once.
const MAX_AT_ONCE: usize = 32 << 20;
/// A longer name is cut.
const MAX_NAME: usize = 32 * 1024;

/// Where the bytes of an ELF image are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In a file.
    File(File),
    /// In memory: images without a file, such as the vDSO.
    Bytes(Vec<u8>),
    /// Where the loader put it. Offsets are addresses as the linker saw them,
    /// to which the bias is added.
    Memory { memory: Memory, bias: u64 },
}

impl Source {
    pub(crate) fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        match self {
            Source::File(file) => {
                // The length comes from the file's own headers; do not
                // allocate on the word of a damaged one.
                let available = file.metadata().ok()?.len().checked_sub(offset)?;
                if length as u64 > available {
                    return None;
                }
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset).ok()?;
                Some(bytes)
            }
            Source::Bytes(all) => {
                let start = usize::try_from(offset).ok()?;
                Some(all.get(start..start.checked_add(length)?)?.to_vec())
            }
            Source::Memory { memory, bias } => {
                if length > MAX_AT_ONCE {
                    return None;
                }
                let mut bytes = vec![0; length];
                memory.read(bias.wrapping_add(offset), &mut bytes)?;
                Some(bytes)
            }
        }
    }

    /// The bytes from `offset` up to the next zero byte, or as many as a name
    /// may have.
    pub(crate) fn read_name(&self, offset: u64, end: u64) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut at = offset;
        while at < end {
            if name.len() >= MAX_NAME {
                return Some(name);
            }
            let step = (end - at).min(512) as usize;
            let bytes = self.read(at, step)?;
            match bytes.iter().position(|b| *b == 0) {
                Some(zero) => {
                    name.extend_from_slice(&bytes[..zero]);
                    return Some(name);
                }
                None => name.extend_from_slice(&bytes),
            }
            at += step as u64;
        }
        None
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) compressed: bool,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) link: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) offset: u64,
    pub(crate) vaddr: u64,
    pub(crate) file_size: u64,
}

/// The headers of an image, and the means to read the rest.
#[derive(Debug)]
pub(crate) struct Elf {
    pub(crate) source: Source,
    pub(crate) sections: Vec<Section>,
    pub(crate) segments: Vec<Segment>,
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Elf {
    pub(crate) fn open(source: Source) -> Option<Elf> {
        let header = source.read(0, 64)?;
        if header[..6] != MAGIC {
            return None;
        }
        let segments = read_segments(&source, &header).unwrap_or_default();
        let sections = read_sections(&source, &header).unwrap_or_default();
        Some(Elf {
            source,
            sections,
            segments,
        })
    }

    /// The image whose first byte, that of the ELF header, is at `start`.
    pub(crate) fn in_memory(memory: Memory, start: u64) -> Option<Elf> {
        let header: [u8; 64] = memory.bytes(start)?;
        if header[..6] != MAGIC {
            return None;
        }
        // The headers of segments follow that of the file, on its first page.
        let source = Source::Memory {
            memory,
            bias: start,
        };
        let segments = read_segments(&source, &header)?;
        let Source::Memory { memory, .. } = source else {
            return None;
        };
        let mut elf = Elf {
            source: Source::Memory { memory, bias: 0 },
            sections: Vec::new(),
            segments,
        };
        let first = elf.first_vaddr()?;
        if let Source::Memory { bias, .. } = &mut elf.source {
            *bias = start.wrapping_sub(first);
        }
        Some(elf)
    }

    /// The first bytes that are mapped: what the loader works with.
    pub(crate) fn first_bytes(&self, length: usize) -> Option<Vec<u8>> {
        let at = match self.source {
            Source::Memory { .. } => self.first_vaddr()?,
            Source::File(_) | Source::Bytes(_) => 0,
        };
        self.source.read(at, length)
    }

    /// The address, as the linker saw it, of the file's first byte.
    fn first_vaddr(&self) -> Option<u64> {
        let first = self
            .segments
            .iter()
            .find(|s| s.kind == PT_LOAD && s.offset < 4096)?;
        Some(first.vaddr.wrapping_sub(first.offset))
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The address, as the linker saw it, of a byte of the file.
    pub(crate) fn vaddr_of(&self, file_offset: u64) -> Option<u64> {
        self.segments
            .iter()
            .filter(|s| s.kind == PT_LOAD)
            .find(|s| (s.offset..s.offset.saturating_add(s.file_size)).contains(&file_offset))
            .map(|s| s.vaddr.wrapping_add(file_offset - s.offset))
    }

    /// The GNU build id as lower-case hexadecimal.
    pub(crate) fn build_id(&self) -> Option<String> {
        const NT_GNU_BUILD_ID: u32 = 3;
        for segment in self.segments.iter().filter(|s| s.kind == PT_NOTE) {
            let size = usize::try_from(segment.file_size).ok()?.min(64 * 1024);
            let at = match self.source {
                Source::Memory { .. } => segment.vaddr,
                Source::File(_) | Source::Bytes(_) => segment.offset,
            };
            let Some(notes) = self.source.read(at, size) else {
                continue;
            };
            let mut at = 0;
            while let (Some(name_size), Some(size), Some(kind)) = (
                u32_at(&notes, at),
                u32_at(&notes, at + 4),
                u32_at(&notes, at + 8),
            ) {
                let name = at + 12;
                let value = name + (name_size as usize).next_multiple_of(4);
                let end = value.saturating_add(size as usize);
                if kind == NT_GNU_BUILD_ID && notes.get(name..name + 4) == Some(b"GNU\0") {
                    let id = notes.get(value..end)?;
                    return Some(id.iter().map(|b| format!("{b:02x}")).collect());
                }
                at = end.next_multiple_of(4);
            }
        }
        None
    }
}

fn read_segments(source: &Source, header: &[u8]) -> Option<Vec<Segment>> {
    let (offset, size, count) = (
        u64_at(header, 32)?,
        u16_at(header, 54)?,
        u16_at(header, 56)?,
    );
    if size < 56 || count > MAX_HEADERS {
        return None;
    }
    let table = source.read(offset, usize::from(size) * usize::from(count))?;
    table
        .chunks_exact(usize::from(size))
        .map(|entry| {
            Some(Segment {
                kind: u32_at(entry, 0)?,
                offset: u64_at(entry, 8)?,
                vaddr: u64_at(entry, 16)?,
                file_size: u64_at(entry, 32)?,
            })
        })
        .collect()
}

fn read_sections(source: &Source, header: &[u8]) -> Option<Vec<Section>> {
    const SHF_COMPRESSED: u64 = 0x800;
    let (offset, size, count, names) = (
        u64_at(header, 40)?,
        u16_at(header, 58)?,
        u16_at(header, 60)?,
        u16_at(header, 62)?,
    );
    if offset == 0 || size < 64 || count > MAX_HEADERS {
        return None;
    }
    let size = usize::from(size);
    let table = source.read(offset, size * usize::from(count))?;
    let entry = |index: usize| table.get(index * size..(index + 1) * size);
    let names = entry(usize::from(names))?;
    let (names_at, names_size) = (u64_at(names, 24)?, u64_at(names, 32)?);
    let names = source.read(names_at, usize::try_from(names_size).ok()?)?;
    (0..usize::from(count))
        .map(|index| {
            let entry = entry(index)?;
            let name = names.get(u32_at(entry, 0)? as usize..)?;
            let name = name.split(|b| *b == 0).next()?;
            Some(Section {
                name: String::from_utf8_lossy(name).into_owned(),
                kind: u32_at(entry, 4)?,
                compressed: u64_at(entry, 8)? & SHF_COMPRESSED != 0,
                offset: u64_at(entry, 24)?,
                size: u64_at(entry, 32)?,
                link: u32_at(entry, 40)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_has_sections_segments_and_an_address_for_its_code() {
        let file = File::open("/proc/self/exe").expect("a program can open itself");
        let elf = Elf::open(Source::File(file)).expect("it is ELF");
        assert!(elf.section(".eh_frame").is_some());
        assert!(elf.segments.iter().any(|s| s.kind == PT_LOAD));
        let load = elf.segments.iter().rfind(|s| s.kind == PT_LOAD);
        let load = load.expect("it is loaded");
        assert_eq!(elf.vaddr_of(load.offset), Some(load.vaddr));
    }

    #[test]
    fn damaged_images_are_refused_or_read_as_empty_never_a_panic() {
        let mut image = std::fs::read("/proc/self/exe").expect("a program can read itself");
        image.truncate(4096);
        for position in 0..64 {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = image.clone();
                damaged[position] = value;
                if let Some(elf) = Elf::open(Source::Bytes(damaged)) {
                    elf.build_id();
                    elf.vaddr_of(0);
                }
            }
        }
        assert!(Elf::open(Source::Bytes(Vec::new())).is_none());
    }
}
