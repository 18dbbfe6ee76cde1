//! One histogram of `spans.hlog`: HdrHistogram's V2 encoding, deflated or not,
//! in base64.
//!
//! The `hdrhistogram` crate's own decoder makes all the room at once that the
//! header asks for, which may be gigabytes for a hundred bytes. Here only the
//! values that were recorded are made, each with its count, one by one.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::ZlibDecoder;

use crate::limits::HISTOGRAM_BYTES;

/// The first four bytes of an encoding, without the word size, which V2 sets
/// to 16.
const PLAIN: u32 = 0x1c84_9313;
const DEFLATED: u32 = 0x1c84_9314;

/// Bytes of the header of a plain one.
const HEADER: usize = 40;

/// Significant digits that there can be.
const MAX_DIGITS: u32 = 5;

/// Unpacks histograms, with buffers that are used over and over.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    encoded: Vec<u8>,
    plain: Vec<u8>,
    /// What was recorded: value and count.
    values: Vec<(u64, u64)>,
}

impl Unpacker {
    /// The values of a histogram, each at the upper end of what it stands for,
    /// and how many there are of each; `None` if it cannot be read.
    pub(super) fn values(&mut self, base64: &[u8]) -> Option<&[(u64, u64)]> {
        self.encoded.clear();
        STANDARD.decode_vec(base64, &mut self.encoded).ok()?;
        let bytes = match word(&self.encoded, 0)? {
            PLAIN => self.encoded.as_slice(),
            DEFLATED => {
                let length = word(&self.encoded, 4)? as usize;
                let packed = self.encoded.get(8..)?.get(..length)?;
                self.plain.clear();
                let mut unpacked = ZlibDecoder::new(packed).take(HISTOGRAM_BYTES + 1);
                unpacked.read_to_end(&mut self.plain).ok()?;
                (word(&self.plain, 0)? == PLAIN).then_some(self.plain.as_slice())?
            }
            _ => return None,
        };
        let length = word(bytes, 4)? as usize;
        let payload = bytes.get(HEADER..)?.get(..length)?;
        if payload.len() as u64 > HISTOGRAM_BYTES || word(bytes, 8)? != 0 {
            return None;
        }
        let layout = Layout::new(word(bytes, 12)?, long(bytes, 16)?)?;
        if f64::from_bits(long(bytes, 32)?) != 1.0 {
            return None;
        }
        self.values.clear();
        layout.read(payload, &mut self.values)?;
        Some(&self.values)
    }

    /// Bytes that the last one took when unpacked.
    pub(super) fn unpacked(&self) -> u64 {
        self.encoded.len() as u64 + self.plain.len() as u64
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Which value each counter stands for.
struct Layout {
    /// The logarithm of the lowest value that differs from zero.
    unit: u32,
    /// The logarithm of half the counters of a bucket.
    half: u32,
}

impl Layout {
    fn new(digits: u32, lowest: u64) -> Option<Layout> {
        if digits > MAX_DIGITS || lowest == 0 {
            return None;
        }
        let counters = 2 * 10_u32.pow(digits);
        let half = counters.next_power_of_two().ilog2().checked_sub(1)?;
        let unit = lowest.ilog2();
        (unit + half < 63).then_some(Layout { unit, half })
    }

    fn read(&self, mut payload: &[u8], values: &mut Vec<(u64, u64)>) -> Option<()> {
        let mut index = 0_u64;
        while !payload.is_empty() {
            let number = varint(&mut payload)?;
            // Zig-zag: what is negative is a run of zeros.
            let number = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
            if number < 0 {
                index = index.checked_add(number.unsigned_abs())?;
                continue;
            }
            if number > 0 {
                values.push((self.value(index)?, number.cast_unsigned()));
            }
            index = index.checked_add(1)?;
        }
        Some(())
    }

    /// The highest value that is counted at `index`; `None` if there is no such
    /// counter.
    fn value(&self, index: u64) -> Option<u64> {
        let bucket = index >> self.half;
        let within = index & ((1 << self.half) - 1);
        let (shift, step) = match bucket.checked_sub(1) {
            None => (0, within),
            Some(shift) => (u32::try_from(shift).ok()?, within + (1 << self.half)),
        };
        let shift = shift.checked_add(self.unit)?;
        let next = u128::from(step + 1)
            .checked_shl(shift)
            .filter(|_| shift < 64)?;
        u64::try_from(next - 1).ok()
    }
}

/// LEB128 of at most nine bytes, of which the last has eight bits.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if at == 8 {
            return Some(value | u64::from(*byte) << 56);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};

    fn encoded(histogram: &Histogram<u64>, deflated: bool) -> String {
        let mut bytes = Vec::new();
        if deflated {
            V2DeflateSerializer::new()
                .serialize(histogram, &mut bytes)
                .unwrap();
        } else {
            V2Serializer::new()
                .serialize(histogram, &mut bytes)
                .unwrap();
        }
        STANDARD.encode(bytes)
    }

    #[test]
    fn values_are_those_of_the_crate_that_wrote_them() {
        for (digits, lowest) in [(2, 1), (3, 1), (0, 1), (5, 1000), (1, 77)] {
            let mut histogram =
                Histogram::<u64>::new_with_bounds(lowest, u64::MAX / 4, digits).unwrap();
            let mut value = 1_u64;
            for count in 1..200 {
                histogram.record_n(value, count * count).unwrap();
                value = value * 6 / 5 + 3;
            }
            let wanted: Vec<(u64, u64)> = histogram
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect();
            for deflated in [true, false] {
                let mut unpacker = Unpacker::default();
                let got = unpacker.values(encoded(&histogram, deflated).as_bytes());
                assert_eq!(got, Some(wanted.as_slice()), "{digits} {lowest}");
            }
        }
    }

    /// A header that asks for all the room there is costs nothing.
    #[test]
    fn a_header_that_asks_for_gigabytes_makes_no_room() {
        let mut bytes = Vec::new();
        bytes.extend(PLAIN.to_be_bytes());
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(5_u32.to_be_bytes());
        bytes.extend(1_u64.to_be_bytes());
        bytes.extend(u64::MAX.to_be_bytes());
        bytes.extend(1_f64.to_be_bytes());
        bytes.extend([2, 1, 2]);
        let text = STANDARD.encode(&bytes);
        let mut unpacker = Unpacker::default();
        assert_eq!(
            unpacker.values(text.as_bytes()),
            Some(&[(0, 1), (2, 1)][..])
        );
        // A payload longer than the bytes, and one that never ends.
        bytes[7] = 0xff;
        assert_eq!(unpacker.values(STANDARD.encode(&bytes).as_bytes()), None);
        bytes[7] = 1;
        bytes[HEADER] = 0xff;
        assert_eq!(unpacker.values(STANDARD.encode(&bytes).as_bytes()), None);
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        use std::io::Write;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(&PLAIN.to_be_bytes()).unwrap();
        zlib.write_all(&(50_u32 << 20).to_be_bytes()).unwrap();
        zlib.write_all(&vec![0; 50 << 20]).unwrap();
        let packed = zlib.finish().unwrap();
        let mut bytes = DEFLATED.to_be_bytes().to_vec();
        bytes.extend((packed.len() as u32).to_be_bytes());
        bytes.extend(packed);
        let mut unpacker = Unpacker::default();
        assert_eq!(unpacker.values(STANDARD.encode(&bytes).as_bytes()), None);
        assert!(unpacker.unpacked() < 3 << 20, "{}", unpacker.unpacked());
    }
}
