//! A column of numbers that takes little memory.
//!
//! What monitors write are short decimals that move little from row to row, or
//! not at all. So a column is cut into blocks of rows, and of each block that is
//! kept by which its numbers differ: nothing where all are equal; else whole
//! numbers of some power of ten, each in as many bits as their differences need.
//! A block of other numbers is kept as it is. What comes out is, bit for bit,
//! what went in. A day of seconds takes a seventh of its `f64`s, or less.
//!
//! Frame of reference and delta coding are those of M. Zukowski et al., "Super-
//! scalar RAM-CPU cache compression" (2006); the powers of ten those of
//! A. Afroozeh et al., "ALP: adaptive lossless floating-point compression" (2023).

use std::ops::Range;

/// Rows of a block. The last ones of a column wait as they are until there are
/// as many.
const BLOCK: usize = 1024;

/// The most decimals that are looked for.
const DECIMALS: usize = 9;

const POWERS: [f64; DECIMALS + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Whole numbers beyond it are not all there among `f64`s.
const LARGEST: f64 = (1_u64 << 53) as f64;

/// Numbers row by row, NaN where one is missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    blocks: Vec<Block>,
    /// The rows after the last whole block.
    open: Vec<f64>,
    /// Decimals of the last block, which the next is likely to have.
    decimals: usize,
}

#[derive(Debug, Clone)]
enum Block {
    /// All are this one.
    Same(f64),
    Decimal(Box<Decimal>),
    Plain(Box<[f64]>),
}

/// Whole numbers of a power of ten.
#[derive(Debug, Clone)]
struct Decimal {
    decimals: u8,
    /// Bits of each number.
    width: u8,
    /// Whether each is the difference from the one before; else from `least`.
    is_delta: bool,
    first: i64,
    /// What is added to each.
    least: i64,
    /// A bit for each row that has a number; `None` where all have.
    present: Option<Box<[u64; BLOCK / 64]>>,
    bits: Box<[u64]>,
}

impl Packed {
    pub(super) fn push(&mut self, value: f64) {
        self.open.push(value);
        if self.open.len() == BLOCK {
            let block = Block::of(&self.open, &mut self.decimals);
            self.blocks.push(block);
            self.open.clear();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len() * BLOCK + self.open.len()
    }

    /// All numbers, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = f64> {
        let mut reader = self.reader();
        (0..self.len()).map(move |row| reader.get(row))
    }

    pub(super) fn to_vec(&self) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.len());
        for block in &self.blocks {
            block.unpack(&mut values);
        }
        values.extend_from_slice(&self.open);
        values
    }

    /// Whether any number is there.
    pub(super) fn has_readings(&self) -> bool {
        let some = |block: &Block| match block {
            Block::Same(value) => value.is_finite(),
            Block::Decimal(_) => true,
            Block::Plain(values) => values.iter().any(|value| value.is_finite()),
        };
        self.blocks.iter().any(some) || self.open.iter().any(|value| value.is_finite())
    }

    /// Reads rows that are near each other one by one.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            packed: self,
            number: usize::MAX,
            values: Vec::new(),
        }
    }

    /// Changes the numbers in stretches of rows, which come in their order.
    pub(super) fn edit(&mut self, stretches: &[Range<usize>], mut change: impl FnMut(&mut f64)) {
        let mut stretches = stretches.iter().cloned().peekable();
        let mut values = Vec::new();
        for number in 0..=self.blocks.len() {
            let rows = number * BLOCK..(number + 1) * BLOCK;
            while stretches.peek().is_some_and(|next| next.end <= rows.start) {
                stretches.next();
            }
            if stretches.peek().is_none_or(|next| next.start >= rows.end) {
                continue;
            }
            values.clear();
            match self.blocks.get(number) {
                Some(block) => block.unpack(&mut values),
                None => values.extend_from_slice(&self.open),
            }
            while let Some(stretch) = stretches.peek() {
                let end = stretch.end.min(rows.start + values.len());
                for row in stretch.start.max(rows.start)..end {
                    change(&mut values[row - rows.start]);
                }
                if stretch.end > rows.end || stretch.start >= rows.end {
                    break;
                }
                stretches.next();
            }
            match self.blocks.get_mut(number) {
                Some(block) => *block = Block::of(&values, &mut self.decimals),
                None => self.open.copy_from_slice(&values),
            }
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        if rows >= self.len() {
            return;
        }
        let (whole, rest) = (rows / BLOCK, rows % BLOCK);
        if let Some(block) = self.blocks.get(whole) {
            self.open.clear();
            block.unpack(&mut self.open);
            self.blocks.truncate(whole);
        }
        self.open.truncate(rest);
    }

    /// Gives back room for rows that will not come.
    pub(super) fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        self.open.shrink_to_fit();
    }
}

impl FromIterator<f64> for Packed {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Packed {
        let mut packed = Packed::default();
        values.into_iter().for_each(|value| packed.push(value));
        packed.shrink();
        packed
    }
}

/// Reads single rows; the block that was read last is at hand.
pub(super) struct Reader<'a> {
    packed: &'a Packed,
    number: usize,
    values: Vec<f64>,
}

impl Reader<'_> {
    /// The number in a row; NaN beyond the last.
    pub(super) fn get(&mut self, row: usize) -> f64 {
        let number = row / BLOCK;
        let Some(block) = self.packed.blocks.get(number) else {
            let place = row - self.packed.blocks.len() * BLOCK;
            return self.packed.open.get(place).copied().unwrap_or(f64::NAN);
        };
        if let Block::Same(value) = block {
            return *value;
        }
        if self.number != number {
            self.values.clear();
            block.unpack(&mut self.values);
            self.number = number;
        }
        self.values[row % BLOCK]
    }
}

impl Block {
    fn of(values: &[f64], decimals: &mut usize) -> Block {
        let same = |value: &f64| {
            value.to_bits() == values[0].to_bits() || value.is_nan() && values[0].is_nan()
        };
        if values.iter().all(same) {
            return Block::Same(values[0]);
        }
        let likely = *decimals;
        for tried in std::iter::once(likely).chain((0..=DECIMALS).filter(|d| *d != likely)) {
            if let Some(numbers) = whole(values, tried) {
                *decimals = tried;
                return Block::Decimal(Box::new(Decimal::of(values, &numbers, tried)));
            }
        }
        Block::Plain(values.into())
    }

    /// Appends its numbers.
    fn unpack(&self, values: &mut Vec<f64>) {
        match self {
            Block::Same(value) => values.resize(values.len() + BLOCK, *value),
            Block::Decimal(decimal) => decimal.unpack(values),
            Block::Plain(plain) => values.extend_from_slice(plain),
        }
    }
}

/// The numbers there are times a power of ten, where that makes whole numbers
/// of all, from which they can be had again.
fn whole(values: &[f64], decimals: usize) -> Option<Vec<i64>> {
    let power = POWERS[decimals];
    let mut numbers = Vec::with_capacity(values.len());
    for value in values.iter().filter(|value| !value.is_nan()) {
        let scaled = (value * power).round();
        let number = scaled as i64;
        // An infinite one is not below it, either; -0 is no whole number.
        let fits = scaled.abs() < LARGEST && (number as f64 / power).to_bits() == value.to_bits();
        if !fits {
            return None;
        }
        numbers.push(number);
    }
    Some(numbers)
}

impl Decimal {
    /// Of the values that are there, as whole numbers; at least one is.
    fn of(values: &[f64], numbers: &[i64], decimals: usize) -> Decimal {
        let range = |numbers: &mut dyn Iterator<Item = i64>| {
            numbers.fold((i64::MAX, i64::MIN), |(low, high), number| {
                (low.min(number), high.max(number))
            })
        };
        let deltas = || numbers.windows(2).map(|pair| pair[1] - pair[0]);
        let (low, high) = range(&mut numbers.iter().copied());
        let (low_delta, high_delta) = range(&mut deltas());
        // Of one number there is no difference.
        let is_delta = numbers.len() > 1 && high_delta - low_delta < high - low;
        let (least, most) = if is_delta {
            (low_delta, high_delta)
        } else {
            (low, high)
        };
        let width = 64 - (most - least).cast_unsigned().leading_zeros();
        let mut bits = Bits::new(width);
        let offset = |number: i64| (number - least).cast_unsigned();
        if is_delta {
            deltas().for_each(|delta| bits.push(offset(delta)));
        } else {
            numbers.iter().for_each(|number| bits.push(offset(*number)));
        }
        let present = (numbers.len() < values.len()).then(|| {
            let mut present = Box::new([0; BLOCK / 64]);
            let there = values.iter().enumerate().filter(|(_, v)| !v.is_nan());
            there.for_each(|(row, _)| present[row / 64] |= 1 << (row % 64));
            present
        });
        Decimal {
            decimals: decimals as u8,
            width: width as u8,
            is_delta,
            first: numbers[0],
            least,
            present,
            bits: bits.finish(),
        }
    }

    fn unpack(&self, values: &mut Vec<f64>) {
        let power = POWERS[usize::from(self.decimals)];
        let mut place = 0;
        let mut last = None;
        let mut next = || {
            let number = match last {
                None if self.is_delta => self.first,
                _ => {
                    let offset = bits_at(&self.bits, place, u32::from(self.width));
                    place += usize::from(self.width);
                    let before = last.filter(|_| self.is_delta).unwrap_or(0);
                    before + self.least + offset.cast_signed()
                }
            };
            last = Some(number);
            number as f64 / power
        };
        match &self.present {
            None => values.extend((0..BLOCK).map(|_| next())),
            Some(present) => values.extend((0..BLOCK).map(|row| {
                if present[row / 64] >> (row % 64) & 1 == 1 {
                    next()
                } else {
                    f64::NAN
                }
            })),
        }
    }
}

/// Numbers of so many bits each, end to end.
struct Bits {
    width: u32,
    words: Vec<u64>,
    /// Bits of the last word that are taken.
    taken: u32,
}

impl Bits {
    fn new(width: u32) -> Bits {
        Bits {
            width,
            words: Vec::new(),
            taken: 64,
        }
    }

    fn push(&mut self, number: u64) {
        if self.width == 0 {
            return;
        }
        if self.taken == 64 {
            self.words.push(0);
            self.taken = 0;
        }
        if let Some(last) = self.words.last_mut() {
            *last |= number << self.taken;
        }
        let room = 64 - self.taken;
        if self.width > room {
            self.words.push(number >> room);
            self.taken = self.width - room;
        } else {
            self.taken += self.width;
        }
    }

    fn finish(self) -> Box<[u64]> {
        self.words.into()
    }
}

/// The number of so many bits, up to 63, at a place.
fn bits_at(words: &[u64], place: usize, width: u32) -> u64 {
    if width == 0 {
        return 0;
    }
    let (word, shift) = (place / 64, (place % 64) as u32);
    let low = words[word] >> shift;
    let room = 64 - shift;
    let both = if width > room {
        low | words[word + 1] << room
    } else {
        low
    };
    both & (u64::MAX >> (64 - width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len()
            && a.iter()
                .zip(b)
                .all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
    }

    /// Of each kind of column one, over several blocks and a bit.
    fn columns() -> Vec<Vec<f64>> {
        let rows = 3 * BLOCK + 77;
        let of = |value: &dyn Fn(usize) -> f64| (0..rows).map(value).collect::<Vec<f64>>();
        let noise = |row: usize| (row * 7_919 % 10_007) as f64;
        vec![
            of(&|_| 41.328125),
            of(&|_| f64::NAN),
            of(&|row| row as f64 / 60.0),
            of(&|row| (row as f64 / 60.0 * 1e6).round() / 1e6),
            of(&|row| (noise(row) - 4e3) / 1e3),
            of(&|row| if row % 10 == 0 { noise(row) } else { f64::NAN }),
            of(&|row| if row == 2_000 { 7.25 } else { f64::NAN }),
            of(&|row| if row % 2 == 0 { 0.0 } else { -0.0 }),
            of(&|row| (noise(row) - 5e3) * 900_719_925_474.0),
            of(&|row| noise(row).powi(70) / 3.0),
            of(&|row| if row == 5 { f64::MAX } else { -1e300 }),
            of(&|row| if row < 1_500 { 12.5 } else { 12.0 + noise(row) }),
        ]
    }

    #[test]
    fn every_number_comes_out_as_it_went_in() {
        for (number, values) in columns().iter().enumerate() {
            for rows in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, values.len()] {
                let packed: Packed = values[..rows].iter().copied().collect();
                assert_eq!(packed.len(), rows);
                assert!(same(&packed.to_vec(), &values[..rows]), "{number}");
                let one_by_one: Vec<f64> = packed.iter().collect();
                assert!(same(&one_by_one, &values[..rows]), "{number}");
                let any = values[..rows].iter().any(|value| value.is_finite());
                assert_eq!(packed.has_readings(), any, "{number}");
            }
        }
    }

    #[test]
    fn edits_and_cuts_are_those_of_a_plain_list() {
        for values in columns() {
            let mut plain = values.clone();
            let mut packed: Packed = values.iter().copied().collect();
            let stretches = [0..3, 3..9, 1_000..1_030, 2_040..2_048, 2_100..9_999];
            packed.edit(&stretches, |value| *value = *value * 2.0 + 1.0);
            for stretch in stretches {
                for row in stretch.start..stretch.end.min(plain.len()) {
                    plain[row] = plain[row] * 2.0 + 1.0;
                }
            }
            assert!(same(&packed.to_vec(), &plain));
            for rows in [plain.len(), 3 * BLOCK + 1, 3 * BLOCK, 2 * BLOCK + 1, 5, 0] {
                plain.truncate(rows);
                packed.truncate(rows);
                assert!(same(&packed.to_vec(), &plain), "{rows}");
            }
            packed.push(1.5);
            assert_eq!(packed.to_vec(), [1.5]);
        }
    }

    #[test]
    fn short_decimals_take_few_bits() {
        let bytes = |values: &[f64]| -> usize {
            let packed: Packed = values.iter().copied().collect();
            let of = |block: &Block| match block {
                Block::Same(_) => 0,
                Block::Decimal(decimal) => 8 * decimal.bits.len() + size_of::<Decimal>(),
                Block::Plain(values) => size_of_val(&**values),
            };
            packed.blocks.iter().map(of).sum()
        };
        let columns = columns();
        assert_eq!(bytes(&columns[0]), 0);
        // Steps of one second that are rounded to a microsecond.
        assert!(bytes(&columns[3]) < 3 * BLOCK, "{}", bytes(&columns[3]));
        assert!(bytes(&columns[4]) < 3 * BLOCK * 2, "{}", bytes(&columns[4]));
        assert!(bytes(&columns[5]) < 3 * BLOCK / 2, "{}", bytes(&columns[5]));
    }
}
