//! A bounded reader of bytes at known addresses. Everything is `Option`: the
//! input may be damaged, and the reader runs where a panic would be fatal.

/// Bytes together with the address at which the program sees them.
#[derive(Clone, Copy)]
pub(crate) struct Image<'a> {
    pub(crate) bytes: &'a [u8],
    /// The address of `bytes[0]`.
    pub(crate) address: u64,
}

impl<'a> Image<'a> {
    /// A reader from `address` on.
    pub(crate) fn at(self, address: u64) -> Option<Reader<'a>> {
        let start = usize::try_from(address.checked_sub(self.address)?).ok()?;
        let bytes = self.bytes.get(start..)?;
        Some(Reader { bytes, address })
    }
}

/// Reads forward; fails at the end instead of going past it.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pub(crate) address: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are left.
    pub(crate) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<Reader<'a>> {
        let (head, tail) = self.bytes.split_at_checked(length)?;
        let reader = Reader {
            bytes: head,
            address: self.address,
        };
        self.bytes = tail;
        self.address = self.address.wrapping_add(length as u64);
        Some(reader)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.bytes.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// An unsigned LEB128 number; bits beyond the 64th are lost.
    pub(crate) fn uleb(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// A signed LEB128 number.
    pub(crate) fn sleb(&mut self) -> Option<i64> {
        let mut value = 0i64;
        let mut shift = 0u32;
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                if shift < 64 && byte & 0x40 != 0 {
                    value |= -1i64 << shift;
                }
                return Some(value);
            }
        }
    }

    /// A pointer in one of the encodings of the LSB's "DWARF Exception Header
    /// Encoding". `data` is what data-relative ones are relative to.
    pub(crate) fn pointer(&mut self, encoding: u8, data: u64) -> Option<u64> {
        const OMIT: u8 = 0xff;
        if encoding == OMIT {
            return None;
        }
        let here = self.address;
        let value = match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => self.u64()?,
            0x01 => self.uleb()?,
            0x02 => u64::from(self.u16()?),
            0x03 => u64::from(self.u32()?),
            0x09 => self.sleb()? as u64,
            0x0a => self.u16()? as i16 as u64,
            0x0b => self.u32()? as i32 as u64,
            _ => return None,
        };
        match encoding & 0x70 {
            0x00 => Some(value),
            0x10 => Some(here.wrapping_add(value)),
            0x30 => Some(data.wrapping_add(value)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader<'_> {
        Image {
            bytes,
            address: 0x1000,
        }
        .at(0x1000)
        .expect("the first byte is there")
    }

    #[test]
    fn leb128_as_in_the_dwarf_standards_table() {
        assert_eq!(reader(&[0x80, 0x01]).uleb(), Some(128));
        assert_eq!(reader(&[0xb9, 0x64]).uleb(), Some(12857));
        assert_eq!(reader(&[0x7e]).sleb(), Some(-2));
        assert_eq!(reader(&[0x80, 0x7f]).sleb(), Some(-128));
        assert_eq!(reader(&[0xff, 0x00]).sleb(), Some(127));
        assert_eq!(reader(&[0x80]).uleb(), None);
        assert_eq!(reader(&[0xff; 40]).sleb(), None);
    }

    #[test]
    fn pointers_are_relative_to_where_they_stand() {
        assert_eq!(
            reader(&[0xfc, 0xff, 0xff, 0xff]).pointer(0x1b, 0),
            Some(0xffc)
        );
        assert_eq!(reader(&[4, 0, 0, 0]).pointer(0x3b, 0x2000), Some(0x2004));
        assert_eq!(reader(&[0; 8]).pointer(0xff, 0), None);
        assert_eq!(reader(&[0; 8]).pointer(0x50, 0), None);
    }
}
