//! The symbols that the loader itself works with, in an image in memory: what
//! is left of a library whose file has gone.

use super::elf::{Elf, Segment, Source, u32_at, u64_at};

/// Where the dynamic symbols are, in addresses as the linker saw them.
pub(crate) struct DynamicSymbols {
    pub(crate) table: u64,
    pub(crate) count: u64,
    pub(crate) names: u64,
    pub(crate) names_size: u64,
}

const PT_DYNAMIC: u32 = 2;
/// More than any library exports, and than any table of entries has.
const MAX_SYMBOLS: u64 = 4 << 20;
const MAX_ENTRIES: u64 = 4096;

impl DynamicSymbols {
    /// Finds them by the image's dynamic section.
    pub(crate) fn of(elf: &Elf) -> Option<DynamicSymbols> {
        let Source::Memory { bias, .. } = elf.source else {
            return None;
        };
        let dynamic = elf.segments.iter().find(|s| s.kind == PT_DYNAMIC)?;
        let entries = entries(elf, dynamic)?;
        let value = |wanted: u64| entries.iter().find(|(tag, _)| *tag == wanted).map(|e| e.1);
        // glibc's loader adds the bias in place, musl's does not.
        let address = |tag| {
            let value: u64 = value(tag)?;
            Some(if value >= bias { value - bias } else { value })
        };
        const DT_HASH: u64 = 4;
        const DT_STRTAB: u64 = 5;
        const DT_SYMTAB: u64 = 6;
        const DT_STRSZ: u64 = 10;
        const DT_GNU_HASH: u64 = 0x6fff_fef5;
        let count = match (address(DT_HASH), address(DT_GNU_HASH)) {
            (Some(hash), _) => u64::from(u32_at(&elf.source.read(hash, 8)?, 4)?),
            (None, Some(hash)) => count_in_gnu_hash(elf, hash)?,
            (None, None) => return None,
        };
        Some(DynamicSymbols {
            table: address(DT_SYMTAB)?,
            count: count.min(MAX_SYMBOLS),
            names: address(DT_STRTAB)?,
            names_size: value(DT_STRSZ)?,
        })
    }
}

fn entries(elf: &Elf, dynamic: &Segment) -> Option<Vec<(u64, u64)>> {
    let size = dynamic.file_size.min(MAX_ENTRIES * 16) as usize;
    let bytes = elf.source.read(dynamic.vaddr, size)?;
    let entry = |entry: &[u8]| Some((u64_at(entry, 0)?, u64_at(entry, 8)?));
    Some(bytes.chunks_exact(16).filter_map(entry).collect())
}

/// The number of symbols by the GNU hash table, which does not say it: the
/// last symbol is at the end of the chain that begins last.
fn count_in_gnu_hash(elf: &Elf, hash: u64) -> Option<u64> {
    let header = elf.source.read(hash, 16)?;
    let (buckets, first, bloom) = (
        u64::from(u32_at(&header, 0)?),
        u64::from(u32_at(&header, 4)?),
        u64::from(u32_at(&header, 8)?),
    );
    if buckets > MAX_SYMBOLS || bloom > MAX_SYMBOLS {
        return None;
    }
    let buckets_at = hash + 16 + bloom * 8;
    let table = elf.source.read(buckets_at, buckets as usize * 4)?;
    let last = table.chunks_exact(4).filter_map(|b| u32_at(b, 0)).max()?;
    let mut symbol = u64::from(last);
    if symbol < first {
        return Some(first);
    }
    let chains = buckets_at + buckets * 4;
    while symbol < MAX_SYMBOLS {
        let link = elf.source.read(chains + (symbol - first) * 4, 4)?;
        symbol += 1;
        if u32_at(&link, 0)? & 1 != 0 {
            return Some(symbol);
        }
    }
    None
}
