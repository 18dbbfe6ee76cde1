//! Program counters of this process, turned into names and lines.
//!
//! Off the hot path: files are opened when first needed and read in small
//! pieces, and everything goes when the [`Symbolizer`] is dropped.

mod demangle;
mod dynamic;
pub(crate) mod elf;
mod image;
mod lines;
mod memory;
mod modules;
mod paged;
mod seen;
mod table;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

pub use modules::Module;

use crate::error::Error;
use demangle::demangled;
use elf::Elf;
use image::Found;
use lines::Lines;
use table::SymbolTable;

/// The modules in the text of `/proc/self/maps`.
#[cfg(test)]
pub(crate) fn modules_in(maps: &str) -> Vec<Module> {
    modules::parse_maps(maps.as_bytes())
}

/// How much is wanted of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Detail {
    /// The function's name from the symbol table.
    #[default]
    Names,
    /// Source lines and inlined functions as well, from debug information.
    Lines,
}

/// One function at an address; several when some were inlined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFrame {
    /// The name for people, demangled and without a hash.
    pub name: String,
    /// The name as the linker knows it.
    pub system_name: String,
    /// The source file.
    pub file: Option<String>,
    /// The line of the address in `file`.
    pub line: Option<u32>,
}

/// What is known about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// Index into [`Symbolizer::modules`].
    pub module: Option<usize>,
    /// Innermost inlined function first. Empty when the module is stripped.
    pub frames: Vec<SourceFrame>,
}

/// Resolves program counters of this process.
///
/// It describes the modules that were loaded when it was made.
pub struct Symbolizer {
    modules: Vec<Module>,
    /// By the address of their first byte: several mappings may be of one.
    images: HashMap<u64, Option<Image>>,
}

/// An opened module.
struct Image {
    elf: Elf,
    symbols: Option<SymbolTable>,
    /// Opened when lines are asked for; `Some(None)` when there are none.
    lines: Option<Option<Lines>>,
}

impl Symbolizer {
    /// Reads the list of modules; no symbols yet.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where there is no `/proc/self/maps`.
    pub fn new() -> Result<Self, Error> {
        let path = "/proc/self/maps";
        let maps = fs::read(path).map_err(|source| Error::Read {
            path: PathBuf::from(path),
            source,
        })?;
        let mut modules = modules::parse_maps(&maps);
        seen::keep(&modules);
        for module in &mut modules {
            let replaced = match image::open(module) {
                Found::Image(elf) => {
                    module.build_id = elf.build_id();
                    false
                }
                Found::InMemory(elf) => {
                    module.build_id = elf.build_id();
                    SymbolTable::read(&elf).is_none()
                }
                Found::Overwritten => true,
                Found::Nothing => false,
            };
            if replaced {
                let name = module.path.rsplit('/').next().unwrap_or_default();
                module.path = format!("[replaced {name}]");
            }
        }
        Ok(Symbolizer {
            modules,
            images: HashMap::new(),
        })
    }

    /// The executable mappings, in order of address.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Says what is at `pc`.
    pub fn resolve(&mut self, pc: u64, detail: Detail) -> Resolved {
        let index = self.modules.partition_point(|m| m.end <= pc);
        let Some(module) = self.modules.get(index).filter(|m| m.contains(pc)) else {
            return Resolved::default();
        };
        let image = self.images.entry(module.image()).or_insert_with(|| {
            let (Found::Image(elf) | Found::InMemory(elf)) = image::open(module) else {
                return None;
            };
            let symbols = SymbolTable::read(&elf);
            Some(Image {
                elf,
                symbols,
                lines: None,
            })
        });
        let frames = image
            .as_mut()
            .map(|image| image.frames(pc - module.start + module.file_offset, detail))
            .unwrap_or_default();
        Resolved {
            module: Some(index),
            frames,
        }
    }
}

impl Image {
    fn frames(&mut self, file_offset: u64, detail: Detail) -> Vec<SourceFrame> {
        let Some(vaddr) = self.elf.vaddr_of(file_offset) else {
            return Vec::new();
        };
        let symbol = self
            .symbols
            .as_ref()
            .and_then(|symbols| symbols.name(&self.elf, vaddr));
        let mut frames = match detail {
            Detail::Names => Vec::new(),
            Detail::Lines => match self.lines.get_or_insert_with(|| Lines::open(&self.elf)) {
                Some(lines) => lines.frames(vaddr),
                None => Vec::new(),
            },
        };
        if let Some(system_name) = symbol {
            if frames.is_empty() {
                frames.push(SourceFrame::default());
            }
            // The outermost is the function that has the symbol.
            if let Some(outermost) = frames.last_mut() {
                outermost.name = demangled(&system_name);
                outermost.system_name = system_name;
            }
        }
        frames.retain(|frame| !frame.name.is_empty());
        frames
    }
}

/// Notes what the files of the mapped images are now, so that it is noticed
/// when one is written over.
pub(crate) fn remember_files() {
    // Without the list of mappings there are no names that could be wrong.
    let _ = Symbolizer::new();
}

impl std::fmt::Debug for Symbolizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbolizer")
            .field("modules", &self.modules.len())
            .field("images", &self.images.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[inline(never)]
    fn a_function_with_a_name() -> u64 {
        std::hint::black_box(3)
    }

    #[test]
    fn a_function_of_this_program_is_named_without_its_hash() {
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let pc = a_function_with_a_name as *const () as u64;
        let resolved = symbols.resolve(pc, Detail::Names);
        let module = &symbols.modules()[resolved.module.expect("the program is a module")];
        assert!(module.contains(pc));
        assert_eq!(
            resolved.frames[0].name,
            "soakscope_sampler::symbols::tests::a_function_with_a_name"
        );
        assert!(resolved.frames[0].system_name.starts_with("_"));
        assert_eq!(a_function_with_a_name(), 3);
    }

    #[inline(always)]
    fn inlined_into_its_caller(x: u64) -> u64 {
        std::hint::black_box(x) + 1
    }

    #[inline(never)]
    fn a_caller_with_an_inlined_call(x: u64) -> u64 {
        inlined_into_its_caller(x) * 2
    }

    #[test]
    fn inlined_functions_are_frames_of_their_own_with_lines() {
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let start = a_caller_with_an_inlined_call as *const () as u64;
        let found = (start..start + 64).any(|pc| {
            let frames = symbols.resolve(pc, Detail::Lines).frames;
            frames.len() >= 2
                && frames
                    .iter()
                    .any(|f| f.name.contains("inlined_into_its_caller"))
                && frames.last().is_some_and(|f| {
                    f.name.ends_with("::a_caller_with_an_inlined_call")
                        && f.line.is_some()
                        && f.file
                            .as_deref()
                            .is_some_and(|f| f.ends_with("symbols/mod.rs"))
                })
        });
        assert!(found);
        assert_eq!(a_caller_with_an_inlined_call(1), 4);
    }

    #[test]
    fn the_vdso_is_a_module_with_names() {
        let mut symbols = Symbolizer::new().expect("maps are readable");
        let vdso = symbols
            .modules()
            .iter()
            .find(|m| m.path == "[vdso]")
            .cloned();
        let Some(vdso) = vdso else { return };
        let named = (vdso.start..vdso.end)
            .step_by(64)
            .any(|pc| !symbols.resolve(pc, Detail::Names).frames.is_empty());
        assert!(named);
    }

    #[test]
    fn an_address_outside_every_module_resolves_to_nothing() {
        let mut symbols = Symbolizer::new().expect("maps are readable");
        assert_eq!(symbols.resolve(1, Detail::Lines), Resolved::default());
    }
}
