//! Arrays: checked once when the file is parsed, read again on demand.

use crate::{
    error::{Error, Grouped},
    header::{Cursor, Place},
    value::{Value, read_bool, read_string},
    value_type::ValueType,
};

/// An array whose items were checked when the file was parsed and are read again on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array<'a> {
    /// The type of every item.
    pub element_type: ValueType,
    /// The number of items.
    pub count: u64,
    pub(crate) bytes: &'a [u8],
}

/// Iterates over the items of an [`Array`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    cursor: Cursor<'a>,
    element_type: ValueType,
    left: u64,
}

/// A step of a walk through an array and all arrays in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part<'a> {
    /// An array begins, with items of this type.
    Open(ValueType),
    /// An item that is no array.
    Item(Value<'a>),
    /// The array that began last ends.
    Close,
}

/// Walks through an array and all arrays in it; every byte is read once, however deep they nest.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    cursor: Cursor<'a>,
    /// The array that is to begin next.
    next: Option<(ValueType, u64)>,
    /// The type of the items of each array that has begun, and how many are left.
    open: Vec<(ValueType, u64)>,
}

impl<'a> Array<'a> {
    /// Returns the array and everything in it, from its beginning to its end.
    pub fn parts(&self) -> Parts<'a> {
        Parts {
            cursor: Cursor::again(self.bytes),
            next: Some((self.element_type, self.count)),
            open: Vec::new(),
        }
    }

    /// Returns the items; an array in an array is a [`Value::Array`], which is read to its end to find the next one.
    pub fn iter(&self) -> Items<'a> {
        Items {
            cursor: Cursor::again(self.bytes),
            element_type: self.element_type,
            left: self.count,
        }
    }

    /// Reads the array and everything in it with a stack on the heap: files nest 200,000 deep.
    pub(crate) fn read(cursor: &mut Cursor<'a>, depth: usize, place: Place) -> Result<Self, Error> {
        let (element_type, count) = read_array_head(cursor, place)?;
        let start = cursor.position();
        // How many arrays are still to come in each array of arrays around the cursor.
        let mut open: Vec<u64> = Vec::new();
        let mut head = (element_type, count);
        loop {
            match head {
                (ValueType::Array, count) => open.push(count),
                (plain, count) => check_items(cursor, plain, count, place)?,
            }
            while open.pop_if(|left| *left == 0).is_some() {}
            let Some(left) = open.last_mut() else {
                return Ok(Self {
                    element_type,
                    count,
                    bytes: cursor.since(start),
                });
            };
            *left = left.saturating_sub(1);
            if open.len() >= depth {
                let expected = format_args!("at most {depth} arrays in each other");
                return Err(Error::format(
                    "gguf.array.depth",
                    cursor.position(),
                    place,
                    expected,
                    "more",
                ));
            }
            head = read_array_head(cursor, place)?;
        }
    }
}

impl<'a> IntoIterator for Array<'a> {
    type Item = Value<'a>;
    type IntoIter = Items<'a>;

    fn into_iter(self) -> Items<'a> {
        self.iter()
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The items were read once before, with the depth that the caller's limits allow.
        Value::read(
            &mut self.cursor,
            self.element_type,
            usize::MAX,
            Place::File("item"),
        )
        .ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if let Some(array) = self.next.take() {
            self.open.push(array);
            return Some(Part::Open(array.0));
        }
        let (element_type, left) = self.open.last_mut()?;
        let Some(rest) = left.checked_sub(1) else {
            self.open.pop();
            return Some(Part::Close);
        };
        *left = rest;
        // The items were read once before.
        let place = Place::File("item");
        if *element_type == ValueType::Array {
            self.next = Some(read_array_head(&mut self.cursor, place).ok()?);
            return self.next();
        }
        let item = Value::read(&mut self.cursor, *element_type, 0, place).ok()?;
        Some(Part::Item(item))
    }
}

fn read_array_head(cursor: &mut Cursor<'_>, place: Place) -> Result<(ValueType, u64), Error> {
    let element_type = ValueType::read(cursor, place)?;
    let offset = cursor.position();
    let count = cursor.u64(place)?;
    let most = cursor
        .left()
        .checked_div(element_type.least_bytes())
        .unwrap_or_default();
    if count > most {
        let expected = format_args!("at most {} items in the bytes left", Grouped(most));
        return Err(Error::format(
            "gguf.array.count",
            offset,
            place,
            expected,
            Grouped(count),
        ));
    }
    Ok((element_type, count))
}

fn check_items(
    cursor: &mut Cursor<'_>,
    plain: ValueType,
    count: u64,
    place: Place,
) -> Result<(), Error> {
    match plain {
        ValueType::String => (0..count).try_for_each(|_| read_string(cursor, place).map(drop)),
        ValueType::Bool => (0..count).try_for_each(|_| read_bool(cursor, place).map(drop)),
        // The count was held against the bytes left, so the product cannot saturate.
        number => cursor
            .take(count.saturating_mul(number.least_bytes()), place)
            .map(drop),
    }
}
