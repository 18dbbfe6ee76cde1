//! A module's function symbols, twelve bytes each; names stay in the file.

use super::dynamic::DynamicSymbols;
use super::elf::{Elf, SHT_DYNSYM, SHT_SYMTAB, u16_at, u32_at, u64_at};

const ENTRY_SIZE: usize = 24;
/// Entries read at once, to keep the peak small.
const CHUNK: usize = 2048;

#[derive(Clone, Copy)]
struct Symbol {
    /// Address relative to the table's `base`.
    start: u32,
    size: u32,
    /// Offset of the name in the string table.
    name: u32,
}

/// Functions by address.
pub(crate) struct SymbolTable {
    base: u64,
    symbols: Vec<Symbol>,
    names_offset: u64,
    names_end: u64,
}

impl SymbolTable {
    /// Reads `.symtab`, or `.dynsym` where that was stripped; of an image in
    /// memory, what the loader has of it.
    pub(crate) fn read(elf: &Elf) -> Option<SymbolTable> {
        if let Some(symbols) = DynamicSymbols::of(elf) {
            let size = symbols.count * ENTRY_SIZE as u64;
            return Self::read_table(
                elf,
                (symbols.table, size),
                (symbols.names, symbols.names_size),
            );
        }
        let of_kind = |kind| elf.sections.iter().find(|s| s.kind == kind && s.size > 0);
        let section = of_kind(SHT_SYMTAB).or_else(|| of_kind(SHT_DYNSYM))?;
        let names = elf.sections.get(section.link as usize)?;
        Self::read_table(
            elf,
            (section.offset, section.size),
            (names.offset, names.size),
        )
    }

    /// Reads a table of entries and remembers where their names are; offset and
    /// size of each.
    fn read_table(elf: &Elf, table: (u64, u64), names: (u64, u64)) -> Option<SymbolTable> {
        let base = elf.segments.iter().map(|s| s.vaddr).min()?;

        let mut symbols = Vec::new();
        let mut offset = table.0;
        let end = table.0.checked_add(table.1)?;
        while offset < end {
            let length = (end - offset).min((CHUNK * ENTRY_SIZE) as u64) as usize;
            let bytes = elf.source.read(offset, length)?;
            symbols.extend(
                bytes
                    .chunks_exact(ENTRY_SIZE)
                    .filter_map(|e| function(e, base)),
            );
            offset += length as u64;
        }
        // The longest of several symbols at one address comes first, and the
        // others go: they name the same code.
        symbols.sort_unstable_by_key(|s| (s.start, u32::MAX - s.size));
        symbols.dedup_by_key(|s| s.start);
        symbols.shrink_to_fit();
        Some(SymbolTable {
            base,
            symbols,
            names_offset: names.0,
            names_end: names.0.checked_add(names.1)?,
        })
    }

    /// The mangled name of the function at `vaddr`.
    pub(crate) fn name(&self, elf: &Elf, vaddr: u64) -> Option<String> {
        let at = u32::try_from(vaddr.checked_sub(self.base)?).ok()?;
        let index = self.symbols.partition_point(|s| s.start <= at);
        let symbol = self.symbols.get(index.checked_sub(1)?)?;
        // Hand-written assembly often has no size: it reaches to the next.
        if symbol.size != 0 && at - symbol.start >= symbol.size {
            return None;
        }
        let name = elf
            .source
            .read_name(self.names_offset + u64::from(symbol.name), self.names_end)?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
    }
}

/// A symbol table entry, if it is a defined function.
fn function(entry: &[u8], base: u64) -> Option<Symbol> {
    const STT_NOTYPE: u8 = 0;
    const STT_FUNC: u8 = 2;
    const STT_GNU_IFUNC: u8 = 10;
    let kind = entry[4] & 0xf;
    let defined = u16_at(entry, 6)? != 0;
    let value = u64_at(entry, 8)?;
    let name = u32_at(entry, 0)?;
    let named = name != 0 && matches!(kind, STT_FUNC | STT_GNU_IFUNC | STT_NOTYPE);
    if !defined || !named || value == 0 {
        return None;
    }
    Some(Symbol {
        start: u32::try_from(value.checked_sub(base)?).ok()?,
        size: u32::try_from(u64_at(entry, 16)?).unwrap_or(u32::MAX),
        name,
    })
}
