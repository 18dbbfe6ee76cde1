//! Which entry of `.eh_frame` covers a program counter, by the sorted table in
//! `.eh_frame_hdr`. Runs in the signal handler, as `cfi` does.

use super::bytes::Image;
use super::cfi::{is_empty, next_entry, rule_in_entry};
use super::rule::Rule;

/// Entries that cover nothing, one after the other, that are stepped over.
const MAX_EMPTY: usize = 16;

/// The rule for `pc`, given the address of `.eh_frame_hdr` in `image`.
pub(crate) fn rule_for(image: Image<'_>, header: u64, pc: u64) -> Rule {
    let Some(table) = SearchTable::read(image, header) else {
        return Rule::Missing;
    };
    let Some(mut index) = table.last_before(pc) else {
        return Rule::Missing;
    };
    // An entry may cover nothing (an empty function), and stand in the table
    // for one that begins at the same address.
    let start = table.pair(index).map(|pair| pair.0);
    for _ in 0..MAX_EMPTY {
        let Some((begins, entry)) = table.pair(index) else {
            break;
        };
        if Some(begins) != start {
            break;
        }
        if let Some(rule) = rule_from(image, entry, pc) {
            return rule;
        }
        match index.checked_sub(1) {
            Some(before) => index = before,
            None => break,
        }
    }
    Rule::Missing
}

/// The rule in the entry at `address`, or, when that one is empty, in one of
/// those behind it.
fn rule_from(image: Image<'_>, mut address: u64, pc: u64) -> Option<Rule> {
    for _ in 0..MAX_EMPTY {
        if let Some(rule) = rule_in_entry(image, address, pc) {
            return Some(rule);
        }
        if !is_empty(image, address)? {
            return None;
        }
        address = next_entry(image, address)?;
    }
    None
}

/// Where `.eh_frame` begins, by its header.
pub(crate) fn frames_address(image: Image<'_>, header: u64) -> Option<u64> {
    let mut reader = image.at(header)?;
    let version = reader.u8()?;
    let encoding = reader.u8()?;
    let (_count_encoding, _table_encoding) = (reader.u8()?, reader.u8()?);
    (version == 1).then(|| reader.pointer(encoding, header))?
}

/// The sorted table of `.eh_frame_hdr`: pairs of 32-bit offsets.
struct SearchTable<'a> {
    image: Image<'a>,
    header: u64,
    /// Where the pairs begin.
    address: u64,
    count: u64,
}

impl<'a> SearchTable<'a> {
    const SORTED_PAIRS_OF_I32: u8 = 0x3b;

    fn read(image: Image<'a>, header: u64) -> Option<Self> {
        let mut reader = image.at(header)?;
        let version = reader.u8()?;
        let (frame_encoding, count_encoding, table_encoding) =
            (reader.u8()?, reader.u8()?, reader.u8()?);
        if version != 1 || table_encoding != Self::SORTED_PAIRS_OF_I32 {
            return None;
        }
        reader.pointer(frame_encoding, header)?;
        let count = reader.pointer(count_encoding, header)?;
        Some(SearchTable {
            image,
            header,
            address: reader.address,
            count,
        })
    }

    /// Where the code of an entry begins, and the address of the entry.
    fn pair(&self, index: u64) -> Option<(u64, u64)> {
        let at = self.address.checked_add(index.checked_mul(8)?)?;
        let mut reader = self.image.at(at)?;
        let start = reader.pointer(Self::SORTED_PAIRS_OF_I32, self.header)?;
        Some((
            start,
            reader.pointer(Self::SORTED_PAIRS_OF_I32, self.header)?,
        ))
    }

    /// The last pair whose code begins at or before `pc`.
    fn last_before(&self, pc: u64) -> Option<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.pair(middle)?.0 <= pc {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }
}
