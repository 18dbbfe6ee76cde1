//! The loaded modules and where each one's unwind information is.
//!
//! The table is made off the handler, from `dl_iterate_phdr`, and published
//! whole. Unwind information of the program, the vDSO, the loader and the C
//! library is read where it lies, because none of these can be unloaded. That
//! of any other library is copied while the loader's lock is held: a handler
//! with an old table may then be wrong about a library that was unloaded, and
//! produce a stack that is cut short, but never reads memory that has gone.

use std::ffi::CStr;
use std::ops::Range;
use std::ptr;

use super::bytes::Image;
use super::table as entries;

/// More than any library's tables; a bound on what is copied.
const MAX_COPY: u64 = 32 << 20;

/// Unwind information as bytes.
enum Tables {
    None,
    InPlace { address: u64, length: usize },
    Copied { address: u64, bytes: Box<[u8]> },
}

/// One executable segment.
struct Text {
    start: u64,
    end: u64,
    /// Index into `modules`.
    module: usize,
}

struct UnwindModule {
    /// Address of `.eh_frame_hdr`.
    header: u64,
    tables: Tables,
}

/// Everything executable that the loader knows, by address.
pub(crate) struct ModuleTable {
    texts: Vec<Text>,
    modules: Vec<UnwindModule>,
    pub(crate) version: LoaderVersion,
    pub(crate) generation: u16,
}

/// How many modules the loader has ever loaded and unloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoaderVersion {
    adds: u64,
    subs: u64,
}

impl LoaderVersion {
    /// Before the loader was first asked.
    pub(crate) const NONE: Self = LoaderVersion { adds: 0, subs: 0 };
}

impl ModuleTable {
    /// The unwind information that covers `pc`.
    pub(crate) fn lookup(&self, pc: u64) -> Option<(Image<'_>, u64)> {
        let module = self.modules.get(self.text(pc)?.module)?;
        let image = match &module.tables {
            Tables::None => return None,
            Tables::InPlace { address, length } => Image {
                // SAFETY: a read-only segment of a module that is never
                // unloaded (see `is_permanent`), `length` bytes long by the
                // program headers it was mapped from.
                bytes: unsafe {
                    std::slice::from_raw_parts(
                        ptr::with_exposed_provenance(*address as usize),
                        *length,
                    )
                },
                address: *address,
            },
            Tables::Copied { address, bytes } => Image {
                bytes,
                address: *address,
            },
        };
        Some((image, module.header))
    }

    /// Whether `pc` lies in any module's code.
    pub(crate) fn is_code(&self, pc: u64) -> bool {
        self.text(pc).is_some()
    }

    fn text(&self, pc: u64) -> Option<&Text> {
        let index = self.texts.partition_point(|t| t.end <= pc);
        self.texts.get(index).filter(|t| t.start <= pc)
    }

    /// Reads the loader's list.
    pub(crate) fn read(generation: u16) -> ModuleTable {
        let mut table = ModuleTable {
            texts: Vec::new(),
            modules: Vec::new(),
            version: LoaderVersion::default(),
            generation,
        };
        // SAFETY: the callback has the signature asked for and gets a pointer
        // to `table`, which outlives the call and is used by nobody else.
        unsafe { libc::dl_iterate_phdr(Some(add_module), (&raw mut table).cast()) };
        table.texts.sort_by_key(|t| t.start);
        table
    }
}

/// The loader's counters, without looking at the modules.
pub(crate) fn loader_version() -> LoaderVersion {
    unsafe extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        data: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: `data` is the `LoaderVersion` passed below, and the loader
        // passes a valid `info`.
        unsafe { *data.cast::<LoaderVersion>() = version_of(&*info) };
        1
    }
    let mut version = LoaderVersion::default();
    // SAFETY: as in `ModuleTable::read`; the callback stops after the first.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut version).cast()) };
    version
}

fn version_of(info: &libc::dl_phdr_info) -> LoaderVersion {
    LoaderVersion {
        adds: info.dlpi_adds,
        subs: info.dlpi_subs,
    }
}

unsafe extern "C" fn add_module(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the loader passes a valid `info` for the length of the call, and
    // `data` is the table that `read` passed.
    let (info, table) = unsafe { (&*info, &mut *data.cast::<ModuleTable>()) };
    table.version = version_of(info);
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: `dlpi_phdr` points at `dlpi_phnum` program headers, mapped for
    // as long as the module is, and the loader's lock keeps it loaded now.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = info.dlpi_addr;
    let range = |h: &libc::Elf64_Phdr| {
        let start = base.wrapping_add(h.p_vaddr);
        start..start.wrapping_add(h.p_memsz)
    };
    let loads = || headers.iter().filter(|h| h.p_type == libc::PT_LOAD);

    let header = headers
        .iter()
        .find(|h| h.p_type == libc::PT_GNU_EH_FRAME)
        .map_or(0, |h| range(h).start);
    let first_module = table.modules.is_empty();
    let name = if info.dlpi_name.is_null() {
        ""
    } else {
        // SAFETY: the loader's names are C strings; see `headers` for how long.
        unsafe { CStr::from_ptr(info.dlpi_name) }
            .to_str()
            .unwrap_or("?")
    };
    // The readable segment that an address lies in, as far as the file has it.
    let segment = |address: u64| {
        let segment =
            loads().find(|h| h.p_flags & libc::PF_R != 0 && range(h).contains(&address))?;
        let start = range(segment).start;
        Some(start..start.wrapping_add(segment.p_filesz))
    };
    let tables = segment(header).map_or(Tables::None, |headers| {
        // SAFETY: a readable segment of a module that the loader's lock keeps
        // loaded during the callback this runs in.
        let image = unsafe { in_place(&headers) };
        let frames = entries::frames_address(image, header).and_then(&segment);
        match frames {
            Some(frames) if frames == headers && is_permanent(first_module, name) => {
                Tables::InPlace {
                    address: headers.start,
                    length: image.bytes.len(),
                }
            }
            // SAFETY: as above, for both.
            Some(frames) => unsafe { copy_tables(image, header, &headers, &frames) },
            None => Tables::None,
        }
    });
    let module = table.modules.len();
    for text in loads().filter(|h| h.p_flags & libc::PF_X != 0) {
        let range = range(text);
        table.texts.push(Text {
            start: range.start,
            end: range.end,
            module,
        });
    }
    table.modules.push(UnwindModule { header, tables });
    0
}

/// Whether the loader never unloads this module.
fn is_permanent(first: bool, name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    // The loader lists the program first.
    first
        || ["linux-vdso", "libc.so", "ld-linux", "ld-musl", "libc.musl"]
            .iter()
            .any(|permanent| file.starts_with(permanent))
}

/// A segment as bytes.
///
/// # Safety
///
/// - The segment is mapped and readable, and stays so for the lifetime.
unsafe fn in_place<'a>(segment: &Range<u64>) -> Image<'a> {
    let length = segment.end.saturating_sub(segment.start) as usize;
    Image {
        // SAFETY: the caller's duty.
        bytes: unsafe {
            std::slice::from_raw_parts(ptr::with_exposed_provenance(segment.start as usize), length)
        },
        address: segment.start,
    }
}

/// Copies `.eh_frame_hdr` and `.eh_frame`, whichever comes first and whether
/// they lie in one segment or in two, up to the end of the segment of the
/// later one: how long `.eh_frame` is, is written nowhere.
///
/// # Safety
///
/// - Both segments are mapped and readable during the call.
unsafe fn copy_tables(
    image: Image<'_>,
    header: u64,
    headers: &Range<u64>,
    frames: &Range<u64>,
) -> Tables {
    let Some(first_frame) = entries::frames_address(image, header) else {
        return Tables::None;
    };
    let pieces = if headers == frames {
        let start = header.min(first_frame);
        [start..headers.end, start..start]
    } else {
        [header..headers.end, first_frame..frames.end]
    };
    let start = pieces[0].start.min(pieces[1].start);
    let end = pieces[0].end.max(pieces[1].end);
    let Some(length) = end.checked_sub(start).filter(|length| *length <= MAX_COPY) else {
        return Tables::None;
    };
    // What lies between the two is of no interest and stays zero.
    let mut bytes = vec![0; length as usize];
    for piece in pieces {
        // SAFETY: each piece lies in one of the two segments.
        let from = unsafe { in_place(&piece) };
        let at = (piece.start - start) as usize;
        if let Some(place) = bytes.get_mut(at..at + from.bytes.len()) {
            place.copy_from_slice(from.bytes);
        }
    }
    Tables::Copied {
        address: start,
        bytes: bytes.into(),
    }
}
