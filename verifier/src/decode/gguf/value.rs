//! Values of key/values, looked at in place.
//!
//! | id | type | id | type | id | type |
//! | --- | --- | --- | --- | --- | --- |
//! | 0 | u8 | 5 | i32 | 10 | u64 |
//! | 1 | i8 | 6 | f32 | 11 | i64 |
//! | 2 | u16 | 7 | bool | 12 | f64 |
//! | 3 | i16 | 8 | string: u64 length, bytes | | |
//! | 4 | u32 | 9 | array: u32 type, u64 count, items | | |

/// One value: its type id and its bytes, which were checked when the file was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The type id of the table above.
    pub type_id: u32,
    /// The bytes after the type id, exactly those of this value.
    pub bytes: &'a [u8],
}

impl<'a> Value<'a> {
    /// Returns the name of the type, as used in records and reports.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        type_name(self.type_id).unwrap_or("unknown")
    }

    /// Returns a whole number of any integer type.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        Some(match self.type_id {
            0 => u8::from_le_bytes(self.fixed()?).into(),
            1 => i8::from_le_bytes(self.fixed()?).into(),
            2 => u16::from_le_bytes(self.fixed()?).into(),
            3 => i16::from_le_bytes(self.fixed()?).into(),
            4 => u32::from_le_bytes(self.fixed()?).into(),
            5 => i32::from_le_bytes(self.fixed()?).into(),
            10 => u64::from_le_bytes(self.fixed()?).into(),
            11 => i64::from_le_bytes(self.fixed()?).into(),
            _ => return None,
        })
    }

    /// Returns a whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_integer().and_then(|value| value.try_into().ok())
    }

    /// Returns an f32.
    #[must_use]
    pub fn as_f32(&self) -> Option<f32> {
        (self.type_id == F32).then(|| self.fixed().map(f32::from_le_bytes))?
    }

    /// Returns an f64.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        (self.type_id == F64).then(|| self.fixed().map(f64::from_le_bytes))?
    }

    /// Returns a bool; decoding has refused bytes other than 0 and 1.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.type_id == BOOL).then(|| self.bytes == [1])
    }

    /// Returns the bytes of a string, which need not be UTF-8.
    #[must_use]
    pub fn as_string(&self) -> Option<&'a [u8]> {
        (self.type_id == STRING).then(|| self.bytes.get(8..))?
    }

    /// Returns the items of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<Items<'a>> {
        if self.type_id != ARRAY {
            return None;
        }
        let (type_id, rest) = self.bytes.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        Some(Items {
            type_id: u32::from_le_bytes(*type_id),
            count: u64::from_le_bytes(*count),
            rest,
        })
    }

    fn fixed<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes.try_into().ok()
    }
}

/// The items of an array, in order.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// The type id of every item.
    pub type_id: u32,
    /// How many items are left.
    pub count: u64,
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.count = self.count.checked_sub(1)?;
        let length = length_of(self.type_id, self.rest)?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Value {
            type_id: self.type_id,
            bytes,
        })
    }
}

/// Bytes of one item of a fixed size.
pub(super) const fn fixed_size(type_id: u32) -> Option<u64> {
    match type_id {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

pub(super) fn type_name(type_id: u32) -> Option<&'static str> {
    let index = usize::try_from(type_id).ok()?;
    TYPE_NAMES.get(index).copied()
}

/// Length of the value at the start of checked bytes. Nesting is bounded by the depth that decoding allows.
fn length_of(type_id: u32, bytes: &[u8]) -> Option<usize> {
    if let Some(size) = fixed_size(type_id) {
        return usize::try_from(size).ok();
    }
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    if type_id == STRING {
        return usize::try_from(u64::from_le_bytes(*first))
            .ok()?
            .checked_add(8);
    }
    let (item_type, _) = bytes.split_first_chunk::<4>()?;
    let count = u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?);
    let item_type = u32::from_le_bytes(*item_type);
    let mut items = rest.get(4..)?;
    if let Some(size) = fixed_size(item_type) {
        return usize::try_from(count.checked_mul(size)?)
            .ok()?
            .checked_add(12);
    }
    let mut total = 12_usize;
    for _ in 0..count {
        let length = length_of(item_type, items)?;
        items = items.get(length..)?;
        total = total.checked_add(length)?;
    }
    Some(total)
}

pub(super) const U16: u32 = 2;
pub(super) const I32: u32 = 5;
pub(crate) const F32: u32 = 6;
pub(crate) const BOOL: u32 = 7;
pub(crate) const STRING: u32 = 8;
pub(crate) const ARRAY: u32 = 9;
pub(crate) const F64: u32 = 12;
/// The names of the value types, by id.
pub(crate) const TYPE_NAMES: [&str; 13] = [
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64",
];
