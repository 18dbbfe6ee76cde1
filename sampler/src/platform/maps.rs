//! The lines of `/proc/self/maps`. The text is bytes: a path is whatever a file
//! system holds.

/// A line of `/proc/self/maps`.
#[derive(Clone, Copy)]
pub(crate) struct Mapping<'a> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) executable: bool,
    pub(crate) offset: u64,
    /// Major and minor number.
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    pub(crate) path: &'a [u8],
}

/// The lines of `/proc/self/maps` that can be read.
pub(crate) fn mappings(maps: &[u8]) -> impl Iterator<Item = Mapping<'_>> {
    maps.split(|byte| *byte == b'\n').filter_map(mapping)
}

fn mapping(line: &[u8]) -> Option<Mapping<'_>> {
    // start-end perms offset device inode [spaces] path; the path may itself
    // contain spaces.
    let mut rest = line;
    let mut field = || {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let (field, tail) = rest.split_at(end);
        rest = tail;
        std::str::from_utf8(field).ok()
    };
    let (range, permissions, offset) = (field()?, field()?, field()?);
    let (device, inode) = (field(), field());
    let (start, end) = range.split_once('-')?;
    let device = device.and_then(|device| {
        let (major, minor) = device.split_once(':')?;
        Some((
            u32::from_str_radix(major, 16).ok()?,
            u32::from_str_radix(minor, 16).ok()?,
        ))
    });
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        executable: permissions.as_bytes().get(2) == Some(&b'x'),
        offset: u64::from_str_radix(offset, 16).ok()?,
        device: device.unwrap_or_default(),
        inode: inode.and_then(|inode| inode.parse().ok()).unwrap_or(0),
        path: rest.get(spaces..)?,
    })
}
