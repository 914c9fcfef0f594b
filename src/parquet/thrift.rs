//! A reader of Thrift's compact protocol, for the few numbers of a Parquet file that must be known before it is decoded.

/// Maximum depth of nested structures; those of Parquet are four deep.
const MAX_DEPTH: usize = 16;

/// Type of a field or an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Byte,
    /// An integer of 16, 32 or 64 bits.
    Int,
    Double,
    Binary,
    List,
    Struct,
}

/// Bytes that are being read. Every method returns `None` if they end, or are not of this protocol.
#[derive(Debug, Clone)]
pub(super) struct Thrift<'a> {
    rest: &'a [u8],
}

impl<'a> Thrift<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the number of bytes that were not read.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Reads an integer.
    pub(super) fn int(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Reads the fields of a structure: `each` reads or skips the value of a field, by its number.
    pub(super) fn fields(&mut self, mut each: impl FnMut(&mut Self, i64, Kind) -> Option<()>) -> Option<()> {
        let mut number = 0;
        loop {
            let header = self.byte()?;
            if header & 0x0f == 0 {
                return Some(());
            }
            number = match header >> 4 {
                0 => self.int()?,
                delta => i64::checked_add(number, i64::from(delta))?,
            };
            each(self, number, kind(header & 0x0f)?)?;
        }
    }

    /// Reads the start of a list: the number and the type of its elements.
    pub(super) fn list(&mut self) -> Option<(u64, Kind)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.varint()?,
            count => count.into(),
        };
        Some((count, kind(header & 0x0f)?))
    }

    /// Skips a value.
    pub(super) fn skip(&mut self, kind: Kind) -> Option<()> {
        self.skip_within(kind, false, MAX_DEPTH)
    }

    fn skip_within(&mut self, kind: Kind, is_element: bool, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // The value of a field is its type.
            Kind::Bool => {
                if is_element {
                    self.bytes(1)
                } else {
                    Some(())
                }
            }
            Kind::Byte => self.bytes(1),
            Kind::Int => self.varint().map(drop),
            Kind::Double => self.bytes(8),
            Kind::Binary => {
                let length = self.varint()?;
                self.bytes(usize::try_from(length).ok()?)
            }
            Kind::List => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.skip_within(kind, true, depth))
            }
            Kind::Struct => self.fields(|this, _, kind| this.skip_within(kind, false, depth)),
        }
    }
}

fn kind(code: u8) -> Option<Kind> {
    Some(match code {
        1 | 2 => Kind::Bool,
        3 => Kind::Byte,
        4..=6 => Kind::Int,
        7 => Kind::Double,
        8 => Kind::Binary,
        9 | 10 => Kind::List,
        12 => Kind::Struct,
        _ => return None,
    })
}
