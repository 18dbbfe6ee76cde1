//! The executable mappings of this process, from `/proc/self/maps`.
//!
//! The text is bytes: a path is whatever a file system holds.

use crate::platform::maps::{Mapping, mappings};
use crate::text::readable;

/// One executable mapping: a piece of a program or library in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Module {
    /// The first address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Where in the file `start` comes from.
    pub file_offset: u64,
    /// The file, or a name in brackets such as `[vdso]`. Bytes that are not
    /// UTF-8 are replaced, control characters escaped. `[replaced libshop.so]`
    /// where the file has changed on disk and what was mapped is not to be had.
    pub path: String,
    /// The GNU build id in hexadecimal, if the linker wrote one.
    pub build_id: Option<String>,
    pub(super) origin: Origin,
}

/// Where a mapping comes from, as the kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// As the kernel writes it: a newline is `\012`, and a file that has gone
    /// is followed by ` (deleted)`.
    pub(super) path: Vec<u8>,
    /// Major and minor number of the device.
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
    /// The address of the image's first byte, the ELF header.
    pub(super) image_start: Option<u64>,
}

const DELETED: &[u8] = b" (deleted)";

impl Origin {
    /// The path without what the kernel adds to that of a deleted file.
    pub(super) fn plain_path(&self) -> &[u8] {
        self.path.strip_suffix(DELETED).unwrap_or(&self.path)
    }

    /// Whether the file has no name any more (or one that looks like it).
    pub(super) fn is_deleted(&self) -> bool {
        self.path.ends_with(DELETED)
    }
}

impl Module {
    /// Whether `pc` lies in it.
    pub fn contains(&self, pc: u64) -> bool {
        (self.start..self.end).contains(&pc)
    }

    /// What distinguishes images: two files may have had one path.
    pub(super) fn image(&self) -> u64 {
        self.origin.image_start.unwrap_or(self.start)
    }
}

/// Reads the executable mappings out of the text of `/proc/self/maps`, in
/// order of address. Mappings without a file or a name are left out.
pub(crate) fn parse_maps(maps: &[u8]) -> Vec<Module> {
    let mut modules = Vec::new();
    // The mapping with the first byte of the file whose mappings follow.
    let mut first: Option<Mapping<'_>> = None;
    for mapping in mappings(maps) {
        if mapping.path.is_empty() {
            // What a file's last segment has beyond the file.
            continue;
        }
        let same_file = first.as_ref().is_some_and(|first| {
            (first.device, first.inode, first.path) == (mapping.device, mapping.inode, mapping.path)
        });
        // A small file's first page may be in two segments, one after the other.
        let again = same_file
            && first
                .as_ref()
                .is_some_and(|first| first.end == mapping.start);
        if mapping.offset == 0 && !again {
            first = Some(mapping);
        } else if !same_file {
            first = None;
        }
        if mapping.executable && mapping.path != b"[vsyscall]" {
            let origin = Origin {
                path: mapping.path.to_vec(),
                device: mapping.device,
                inode: mapping.inode,
                image_start: first.map(|first| first.start),
            };
            modules.push(Module {
                start: mapping.start,
                end: mapping.end,
                file_offset: mapping.offset,
                path: readable(&unescaped(origin.plain_path())),
                build_id: None,
                origin,
            });
        }
    }
    modules
}

/// A path without the kernel's `\012` for a newline, the only character that
/// it escapes in this file; not even the backslash is.
pub(super) fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, tail)) = rest.split_first() {
        if let Some(tail) = rest.strip_prefix(br"\012") {
            plain.push(b'\n');
            rest = tail;
        } else {
            plain.push(*byte);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_mappings_are_read_and_others_passed_over() {
        let maps = b"\
55d0c0000000-55d0c0010000 r--p 00000000 fe:01 77 /srv/my app/shop
55d0c0010000-55d0c0090000 r-xp 00010000 fe:01 77                 /srv/my app/shop
7f0000000000-7f0000021000 rwxp 00000000 00:00 0
7fff11000000-7fff11002000 r-xp 00000000 00:00 0                  [vdso]
7f0000100000-7f0000101000 r-xp 00001000 fe:01 78                 /tmp/plugin.so (deleted)
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]
garbage
";
        let modules = parse_maps(maps);
        let paths: Vec<&str> = modules.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(paths, ["/srv/my app/shop", "[vdso]", "/tmp/plugin.so"]);
        assert_eq!(modules[0].start, 0x55d0_c001_0000);
        assert_eq!(modules[0].file_offset, 0x10000);
        assert!(modules[0].contains(0x55d0_c008_ffff));
        assert!(!modules[0].contains(0x55d0_c009_0000));
        assert_eq!(modules[0].origin.device, (0xfe, 1));
        assert_eq!(modules[0].origin.inode, 77);
        assert_eq!(modules[0].origin.image_start, Some(0x55d0_c000_0000));
        assert!(modules[2].origin.is_deleted());
        assert_eq!(modules[2].origin.image_start, None, "it was not seen");
    }

    #[test]
    fn one_odd_line_costs_no_other() {
        let maps = b"\
7f0000000000-7f0000001000 r-xp 00000000 fe:01 5 /srv/lib\xff\xfe.so
7f0000001000-7f000000200g r-xp 00000000 fe:01 6 /srv/odd.so
7f\xff0003000-7f0000004000 r-xp 00000000 fe:01 7 /srv/odder.so
7f0000005000-7f0000006000 r-xp 00000000 zz:zz -1 /srv/two\\012lines.so
7f0000007000-7f0000008000 r-xp 00000000 fe:01 8 /srv/esc\x1b[31m.so
";
        let modules = parse_maps(maps);
        let paths: Vec<&str> = modules.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/srv/lib\u{fffd}\u{fffd}.so",
                r"/srv/two\nlines.so",
                r"/srv/esc\u{1b}[31m.so"
            ]
        );
        assert_eq!(modules[0].origin.plain_path(), b"/srv/lib\xff\xfe.so");
        assert_eq!(unescaped(br"/a\012b\013\012"), b"/a\nb\\013\n");
    }

    #[test]
    fn two_images_of_one_path_are_two() {
        let maps = b"\
7f0000000000-7f0000001000 r--p 00000000 fe:01 5 /srv/lib.so (deleted)
7f0000001000-7f0000002000 r-xp 00000000 fe:01 5 /srv/lib.so (deleted)
7f0000002000-7f0000003000 rw-p 00001000 fe:01 5 /srv/lib.so (deleted)
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
7f0000005000-7f0000006000 r--p 00000000 fe:01 9 /srv/lib.so
7f0000006000-7f0000007000 r-xp 00001000 fe:01 9 /srv/lib.so
";
        let images: Vec<u64> = parse_maps(maps).iter().map(Module::image).collect();
        assert_eq!(images, [0x7f00_0000_0000, 0x7f00_0000_5000]);
    }
}
