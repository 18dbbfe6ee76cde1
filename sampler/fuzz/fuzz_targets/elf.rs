//! Any bytes as an ELF image: headers, build id and addresses are read or
//! refused.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/symbols/elf.rs"]
mod elf;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(elf) = elf::Elf::open(elf::Source::Bytes(bytes.to_vec())) {
        let _ = elf.build_id();
        let _ = elf.vaddr_of(bytes.len() as u64 / 2);
        for section in &elf.sections {
            let _ = elf.source.read_name(section.offset, section.offset.saturating_add(64));
        }
    }
});
