//! The executable mappings of this process, from `/proc/self/maps`.

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
    /// The file, or a name in brackets such as `[vdso]`.
    pub path: String,
    /// The GNU build id in hexadecimal, if the linker wrote one.
    pub build_id: Option<String>,
}

impl Module {
    /// Whether `pc` lies in it.
    pub fn contains(&self, pc: u64) -> bool {
        (self.start..self.end).contains(&pc)
    }
}

/// Reads the executable mappings out of the text of `/proc/self/maps`, in
/// order of address. Mappings without a file or a name are left out.
pub(crate) fn parse_maps(maps: &str) -> Vec<Module> {
    maps.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Module> {
    // start-end perms offset device inode [spaces] path; the path may itself
    // contain spaces.
    let mut rest = line;
    let mut field = || {
        rest = rest.trim_start();
        let end = rest.find(' ').unwrap_or(rest.len());
        let (field, tail) = rest.split_at(end);
        rest = tail;
        field
    };
    let (range, permissions, offset) = (field(), field(), field());
    let (_device, _inode) = (field(), field());
    let path = rest.trim_start();
    if permissions.as_bytes().get(2) != Some(&b'x') || path.is_empty() || path == "[vsyscall]" {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some(Module {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        file_offset: u64::from_str_radix(offset, 16).ok()?,
        path: path.trim_end_matches(" (deleted)").to_owned(),
        build_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_mappings_are_read_and_others_passed_over() {
        let maps = "\
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
    }
}
