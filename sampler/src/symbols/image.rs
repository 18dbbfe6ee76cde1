//! The image behind a mapping: the file that was mapped, and not the one that
//! has its name now.
//!
//! A library is replaced on disk while it runs: by a new file under its name
//! (the mapped one has no name then), or by writing over it. Names out of the
//! wrong file are worse than none. A file is the mapped one if its build id is
//! that of the image in memory; where there is none to compare, by its inode.
//! (Not by that alone: on an overlay file system the kernel names another inode
//! for the mapping than for the file.) Where no file is the mapped one, what
//! the loader keeps in memory has at least the names of exported functions.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use super::elf::{Elf, Source};
use super::memory::Memory;
use super::modules::{Module, unescaped};
use super::seen;

/// Memory without a file is copied up to this.
const MAX_COPY: usize = 1 << 20;
/// How much of an image without build id is compared: its beginning, with the
/// names of exported functions, and spots of its code.
const MAX_BEGINNING: u64 = 64 * 1024;
const SPOTS: u64 = 16;
const SPOT: usize = 256;

/// What was found of a module's image.
pub(super) enum Found {
    /// The mapped file, or a copy of memory that has no file.
    Image(Elf),
    /// The image in memory, because no file is the mapped one.
    InMemory(Elf),
    /// Nothing, because the file was written over.
    Overwritten,
    Nothing,
}

/// Opens the image behind a mapping.
pub(super) fn open(module: &Module) -> Found {
    let path = &module.origin.path;
    if path.starts_with(b"[") {
        return without_file(module).map_or(Found::Nothing, Found::Image);
    }
    if !path.starts_with(b"/") {
        return Found::Nothing;
    }
    let memory = module
        .origin
        .image_start
        .and_then(|start| Elf::in_memory(Memory::open(), start));
    for (path, surely) in candidates(module) {
        let Some((file, metadata)) = open_file(&path) else {
            continue;
        };
        let Some(elf) = Elf::open(Source::File(file)) else {
            if surely || is_its_inode(module, &metadata) {
                // It was cut short.
                return Found::Overwritten;
            }
            continue;
        };
        match compare(module, memory.as_ref(), &elf, &metadata, surely) {
            Comparison::Same => return Found::Image(elf),
            Comparison::Overwritten => return Found::Overwritten,
            Comparison::Other => {}
        }
    }
    memory.map_or(Found::Nothing, Found::InMemory)
}

/// An image that exists only in memory, such as `[vdso]`; small.
fn without_file(module: &Module) -> Option<Elf> {
    let size = usize::try_from(module.end - module.start).ok()?;
    let mut bytes = vec![0; size.min(MAX_COPY)];
    Memory::open().read(module.start, &mut bytes)?;
    Elf::open(Source::Bytes(bytes))
}

/// Where the mapped file may be, and whether it can be no other.
fn candidates(module: &Module) -> Vec<(PathBuf, bool)> {
    let origin = &module.origin;
    let mut paths = Vec::new();
    // The program itself can be read even after it was replaced or deleted.
    let program = fs::read_link("/proc/self/exe").is_ok_and(|program| {
        let program = program.as_os_str().as_bytes();
        program == origin.path || program == unescaped(&origin.path)
    });
    if program {
        paths.push((PathBuf::from("/proc/self/exe"), true));
    }
    // A name may look as if the kernel had added to it.
    for path in [
        origin.path.clone(),
        unescaped(&origin.path),
        origin.plain_path().to_vec(),
        unescaped(origin.plain_path()),
    ] {
        let path = (PathBuf::from(OsString::from_vec(path)), false);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    // Leads to the mapped file whatever became of its name; for the privileged.
    let mapped = format!("/proc/self/map_files/{:x}-{:x}", module.start, module.end);
    paths.push((PathBuf::from(mapped), true));
    paths
}

/// Opens a regular file. Whatever else has the name by now may block.
fn open_file(path: &std::path::Path) -> Option<(File, Metadata)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some((file, metadata))
}

enum Comparison {
    Same,
    /// The mapped file, with other contents.
    Overwritten,
    Other,
}

fn compare(
    module: &Module,
    memory: Option<&Elf>,
    file: &Elf,
    metadata: &Metadata,
    surely: bool,
) -> Comparison {
    let id = file.build_id();
    let its_inode = surely || is_its_inode(module, metadata);
    let same = match (memory.and_then(Elf::build_id), &id) {
        (Some(mapped), Some(id)) => mapped == *id,
        _ if its_inode => true,
        // The name that was mapped belongs to no file any more.
        _ if module.origin.is_deleted() => false,
        _ => memory.is_none_or(|memory| has_the_same_bytes(module, memory, file, metadata)),
    };
    match same {
        true if seen::has_changed(module, metadata, id) => Comparison::Overwritten,
        true => Comparison::Same,
        false if its_inode => Comparison::Overwritten,
        false => Comparison::Other,
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the type of a device number differs between systems"
)]
fn is_its_inode(module: &Module, metadata: &Metadata) -> bool {
    let (major, minor) = module.origin.device;
    let device = libc::makedev(major as _, minor as _) as u64;
    (metadata.dev(), metadata.ino()) == (device, module.origin.inode)
}

/// Whether the image in memory is that of the file, as far as looked at.
fn has_the_same_bytes(module: &Module, memory: &Elf, file: &Elf, metadata: &Metadata) -> bool {
    let first = memory.segments.iter().map(|s| s.file_size).next();
    let beginning = first.unwrap_or(0).clamp(64, MAX_BEGINNING) as usize;
    let begins = memory.first_bytes(beginning);
    if begins.is_none() || begins != file.first_bytes(beginning) {
        return false;
    }
    let length = metadata
        .len()
        .saturating_sub(module.file_offset)
        .min(module.end - module.start);
    let code = Memory::open();
    (0..SPOTS).all(|spot| {
        let at = length / SPOTS * spot;
        let mut bytes = [0; SPOT];
        let Some(bytes) = bytes.get_mut(..SPOT.min((length - at) as usize)) else {
            return false;
        };
        code.read(module.start + at, bytes).is_some()
            && file
                .source
                .read(module.file_offset + at, bytes.len())
                .as_deref()
                == Some(bytes)
    })
}
