//! What a profile is packed in: gzip, once or more often, is read through.
//! Other packings are named with what unpacks them.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::error::Error;
use crate::limits::PROFILE_UNPACKED_BYTES;

/// How often a profile may be gzipped: by who wrote it, who served it and who
/// stored it.
const LAYERS: usize = 3;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// Packings by their first bytes, and what unpacks `FILE`.
const PACKINGS: [(&[u8], &str, &str); 10] = [
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d FILE -o profile.pb"),
    (b"\x04\x22\x4d\x18", "LZ4", "lz4 -d FILE profile.pb"),
    (
        b"\x02\x21\x4c\x18",
        "LZ4 (legacy)",
        "lz4 -d FILE profile.pb",
    ),
    (b"\xfd7zXZ\x00", "xz", "xz -dc FILE > profile.pb"),
    (b"LZIP", "lzip", "lzip -dc FILE > profile.pb"),
    (b"PK\x03\x04", "ZIP", "unzip FILE"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x FILE"),
    (b"\x1f\x9d", "compress", "gzip -dc FILE > profile.pb"),
    (
        b"\xff\x06\x00\x00sNaPpY",
        "Snappy",
        "snzip -dc FILE > profile.pb",
    ),
    (
        b"\x89LZO\x00\r\n\x1a\n",
        "LZO",
        "lzop -dc FILE > profile.pb",
    ),
];

/// Bytes without their gzip, and how many were unpacked for it.
pub(super) fn unpacked(bytes: &[u8]) -> (Result<Cow<'_, [u8]>, Error>, usize) {
    let (mut raw, mut count) = (Cow::Borrowed(bytes), 0_usize);
    for _ in 0..LAYERS {
        if !raw.starts_with(GZIP) {
            break;
        }
        let mut inside = Vec::new();
        let read = MultiGzDecoder::new(&*raw)
            .take(PROFILE_UNPACKED_BYTES.most + 1)
            .read_to_end(&mut inside);
        count = count.saturating_add(inside.len());
        if let Err(error) = read {
            return (Err(damaged(&error, inside.len())), count);
        }
        if inside.len() as u64 > PROFILE_UNPACKED_BYTES.most {
            return (Err(PROFILE_UNPACKED_BYTES.exceeded()), count);
        }
        raw = inside.into();
    }
    let result = match packing(&raw) {
        Some(problem) => Err(Error::Profile(problem)),
        None => Ok(raw),
    };
    (result, count.max(bytes.len()))
}

fn damaged(error: &io::Error, unpacked: usize) -> Error {
    Error::Profile(if error.kind() == io::ErrorKind::UnexpectedEof {
        format!(
            "it is cut off: its gzip ends early, after {unpacked} bytes when unpacked; fetch or copy it again"
        )
    } else {
        format!("its gzip is damaged ({error}); fetch or copy it again")
    })
}

/// What is to be said of bytes that are packed otherwise.
fn packing(raw: &[u8]) -> Option<String> {
    if raw.starts_with(GZIP) {
        return Some(format!(
            "it is gzipped more than {LAYERS} times; unpack it with `gzip -dc FILE > profile.pb`"
        ));
    }
    // Of bzip2 and zstd the first bytes are of several values.
    let bzip2 = raw.starts_with(b"BZh") && raw.get(4..10) == Some(b"1AY&SY".as_slice());
    let skippable = matches!(raw, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    let tar = raw.get(257..262) == Some(b"ustar".as_slice());
    let (name, remedy) = if bzip2 {
        ("bzip2", "bzip2 -dc FILE > profile.pb")
    } else if skippable {
        ("zstd or LZ4", "zstd -d FILE -o profile.pb")
    } else if tar {
        ("tar", "tar -xf FILE")
    } else {
        let mut packings = PACKINGS.iter();
        let (_, name, remedy) = packings.find(|(magic, ..)| raw.starts_with(magic))?;
        (*name, *remedy)
    };
    Some(format!(
        "it is packed with {name}; unpack it first with `{remedy}`"
    ))
}

/// Bytes that are no profile as they are, but would be one without zlib's
/// packing: its first bytes may be a profile's, too.
pub(super) fn is_zlib(raw: &[u8]) -> bool {
    matches!(raw, [0x78, level, ..] if (0x7800 | u16::from(*level)) % 31 == 0)
}
