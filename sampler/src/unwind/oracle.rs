//! Every rule of this program and its libraries, against `gimli`.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, LittleEndian, UnwindContext, UnwindSection,
};

use super::arch::{DWARF_FP, DWARF_RA, DWARF_SP};
use super::bytes::Image;
use super::cfi::rule_in_entry;
use super::rule::{Base, Rule, Saved};
use super::table::rule_for;

/// A module's tables at made-up addresses: the header, then the frames.
struct Tables {
    image: Vec<u8>,
    address: u64,
    header: u64,
    frames: u64,
    frames_length: usize,
    text: u64,
}

fn tables_of(path: &str) -> Option<Tables> {
    let file = std::fs::read(path).ok()?;
    let elf = crate::symbols::elf::Elf::open(crate::symbols::elf::Source::Bytes(file.clone()))?;
    let header = elf.section(".eh_frame_hdr")?.clone();
    let frames = elf.section(".eh_frame")?.clone();
    let text = elf.section(".text")?.clone();
    let header_address = elf.vaddr_of(header.offset)?;
    let frames_address = elf.vaddr_of(frames.offset)?;
    // One image that spans both, as the program sees them.
    let start = header_address.min(frames_address);
    let end = (header_address + header.size).max(frames_address + frames.size);
    let mut image = vec![0; (end - start) as usize];
    for (section, address) in [(&header, header_address), (&frames, frames_address)] {
        let at = (address - start) as usize;
        let from = section.offset as usize;
        image[at..at + section.size as usize]
            .copy_from_slice(&file[from..from + section.size as usize]);
    }
    Some(Tables {
        image,
        address: start,
        header: header_address,
        frames: frames_address,
        frames_length: frames.size as usize,
        text: elf.vaddr_of(text.offset)?,
    })
}

impl Tables {
    fn image(&self) -> Image<'_> {
        Image {
            bytes: &self.image,
            address: self.address,
        }
    }
}

/// What `gimli` says, in our terms; `None` for what we do not claim to know.
fn theirs(row: &gimli::UnwindTableRow<usize>) -> Option<Rule> {
    let register = |r: u64| row.register(gimli::Register(r as u16));
    let saved = |r: u64| match register(r) {
        None | Some(gimli::RegisterRule::SameValue) => Some(Saved::Same),
        Some(gimli::RegisterRule::Offset(n)) => Some(Saved::AtCfa(n)),
        Some(gimli::RegisterRule::Undefined) => Some(Saved::Unknown),
        _ => None,
    };
    if matches!(register(DWARF_RA), Some(gimli::RegisterRule::Undefined)) {
        return Some(Rule::End);
    }
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
        return None;
    };
    let base = match u64::from(register.0) {
        DWARF_SP => Base::Sp,
        DWARF_FP => Base::Fp,
        other => Base::Register(other as u8),
    };
    Some(Rule::Frame {
        base,
        offset: *offset,
        addend: 0,
        fp: saved(DWARF_FP)?,
        ra: saved(DWARF_RA)?,
    })
}

fn compare(path: &str) -> Option<(usize, usize)> {
    let tables = tables_of(path)?;
    let start = (tables.frames - tables.address) as usize;
    let frames = &tables.image[start..start + tables.frames_length];
    let section = EhFrame::from(EndianSlice::new(frames, LittleEndian));
    let bases = BaseAddresses::default()
        .set_eh_frame(tables.frames)
        .set_eh_frame_hdr(tables.header)
        .set_text(tables.text);
    let mut context = UnwindContext::new();
    let (mut compared, mut skipped) = (0, 0);
    let mut entries = section.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        let gimli::CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let Ok(fde) = partial.parse(EhFrame::cie_from_offset) else {
            continue;
        };
        let Ok(mut rows) = fde.rows(&section, &bases, &mut context) else {
            continue;
        };
        while let Ok(Some(row)) = rows.next_row() {
            let (from, until) = (row.start_address(), row.end_address());
            let expected = if fde.is_signal_trampoline() {
                Some(Rule::SignalFrame)
            } else {
                theirs(row)
            };
            for pc in [from, until - 1] {
                let ours = rule_for(tables.image(), tables.header, pc);
                match expected {
                    Some(expected) => {
                        assert_eq!(ours, expected, "{path} {pc:#x}");
                        assert_eq!(Rule::unpack(ours.pack()), ours, "{path} {pc:#x}");
                        compared += 1;
                    }
                    None => skipped += 1,
                }
            }
        }
    }
    Some((compared, skipped))
}

#[test]
fn every_row_of_this_program_and_the_c_library_agrees_with_gimli() {
    let (compared, skipped) = compare("/proc/self/exe").expect("this program has tables");
    assert!(compared > 10_000, "only {compared} rows compared");
    assert!(
        skipped * 100 < compared,
        "{skipped} of {compared} not known"
    );
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps are readable");
    for module in crate::symbols::modules_in(&maps) {
        if module.path.contains("/libc.so") {
            let (compared, _) = compare(&module.path).expect("the C library has tables");
            assert!(compared > 1_000);
        }
    }
}

#[test]
fn damaged_tables_give_some_rule_and_never_a_panic() {
    let tables = tables_of("/proc/self/exe").expect("this program has tables");
    let start = (tables.frames - tables.address) as usize;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        // A piece of the real thing, at a random place, with random damage.
        let at = start + random() as usize % (tables.image.len() - start - 512);
        let mut piece = tables.image[at..at + 512].to_vec();
        for _ in 0..8 {
            let position = random() as usize % piece.len();
            piece[position] = random() as u8;
        }
        let image = Image {
            bytes: &piece,
            address: 0x1000,
        };
        for entry in (0x1000..0x1200).step_by(4) {
            let _ = rule_in_entry(image, entry, tables.text + random() % 0x10_0000);
        }
        let _ = rule_for(image, 0x1000 + random() % 512, random());
    }
}
