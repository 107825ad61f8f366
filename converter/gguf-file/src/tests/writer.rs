//! Builds files byte by byte, any defect included.

use std::io;

use crate::{
    array::Array,
    error::{Error, Quoted},
    header::to_u64,
    layout::round_up,
    value::Value,
    value_type::ValueType,
};

/// Builds a file in the order of the calls.
///
/// The writer lays the tensors out but judges nothing else, so that files with any defect can be built:
/// `general.alignment` stands in the file only when the caller writes the key.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    version: u32,
    alignment: u32,
    key_value_count: u64,
    key_values: Vec<u8>,
    infos: Vec<u8>,
    lengths: Vec<u64>,
    data_end: u64,
}

/// Collects the items of an array, of which [`Self::as_value`] makes a value.
#[derive(Debug, Clone)]
pub(crate) struct ArrayBuffer {
    element_type: ValueType,
    count: u64,
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts a file; `alignment` must be a power of two.
    pub(crate) const fn new(version: u32, alignment: u32) -> Self {
        Self {
            version,
            alignment,
            key_value_count: 0,
            key_values: Vec::new(),
            infos: Vec::new(),
            lengths: Vec::new(),
            data_end: 0,
        }
    }

    /// Appends a key with its value.
    pub(crate) fn key_value(&mut self, key: &[u8], value: &Value<'_>) -> &mut Self {
        let mut payload = Vec::new();
        write_value(&mut payload, value);
        self.raw_key_value(key, value.value_type().id(), &payload)
    }

    /// Appends a key with any type id and any bytes behind it.
    pub(crate) fn raw_key_value(&mut self, key: &[u8], type_id: u32, payload: &[u8]) -> &mut Self {
        write_string(&mut self.key_values, key);
        self.key_values.extend_from_slice(&type_id.to_le_bytes());
        self.key_values.extend_from_slice(payload);
        self.key_value_count = self.key_value_count.saturating_add(1);
        self
    }

    /// Appends a tensor of `length` bytes behind the ones before; `dims` in `ne` order, the contiguous one first.
    ///
    /// # Errors
    /// Fails with `gguf.offset.wrap` when the data would end above 2^64.
    pub(crate) fn tensor(
        &mut self,
        name: &[u8],
        dims: &[u64],
        type_id: u32,
        length: u64,
    ) -> Result<&mut Self, Error> {
        let offset = self.data_end;
        let end = offset
            .checked_add(length)
            .and_then(|end| round_up(end, self.alignment));
        self.data_end = end.ok_or_else(|| {
            let field = format!("tensor {} {} length", self.lengths.len(), Quoted(name));
            Error::format(
                "gguf.offset.wrap",
                offset,
                field,
                "a padded end below 2^64",
                length,
            )
        })?;
        write_string(&mut self.infos, name);
        let rank = u32::try_from(dims.len()).unwrap_or(u32::MAX);
        self.infos.extend_from_slice(&rank.to_le_bytes());
        for dim in dims {
            self.infos.extend_from_slice(&dim.to_le_bytes());
        }
        self.infos.extend_from_slice(&type_id.to_le_bytes());
        self.infos.extend_from_slice(&offset.to_le_bytes());
        self.lengths.push(length);
        Ok(self)
    }

    /// Returns everything before the tensor data; the padding up to it only when there are tensors.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut header = b"GGUF".to_vec();
        header.extend_from_slice(&self.version.to_le_bytes());
        header.extend_from_slice(&to_u64(self.lengths.len()).to_le_bytes());
        header.extend_from_slice(&self.key_value_count.to_le_bytes());
        header.extend_from_slice(&self.key_values);
        header.extend_from_slice(&self.infos);
        if !self.lengths.is_empty() {
            let padding = self.padding(to_u64(header.len()));
            header.resize(header.len().saturating_add(padding), 0);
        }
        header
    }

    /// Writes the whole file; `data` yields the bytes of each tensor in the order of the calls.
    ///
    /// # Errors
    /// Fails with [`io::ErrorKind::InvalidInput`] when the data are not as many or as long as announced, or with the
    /// failure of `out`.
    pub(crate) fn write_to<D>(&self, out: &mut impl io::Write, data: D) -> io::Result<()>
    where
        D: IntoIterator,
        D::Item: AsRef<[u8]>,
    {
        out.write_all(&self.header())?;
        let mut data = data.into_iter();
        for length in &self.lengths {
            let bytes = data.next().ok_or(io::ErrorKind::InvalidInput)?;
            if to_u64(bytes.as_ref().len()) != *length {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            out.write_all(bytes.as_ref())?;
            out.write_all(&vec![0; self.padding(*length)])?;
        }
        match data.next() {
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Ok(()),
        }
    }

    /// Bytes up to the next multiple of the alignment.
    fn padding(&self, length: u64) -> usize {
        let padding = round_up(length, self.alignment).and_then(|end| end.checked_sub(length));
        padding
            .and_then(|padding| usize::try_from(padding).ok())
            .unwrap_or_default()
    }
}

impl ArrayBuffer {
    /// Starts an array of items of one type.
    pub(crate) const fn new(element_type: ValueType) -> Self {
        Self {
            element_type,
            count: 0,
            bytes: Vec::new(),
        }
    }

    /// Appends an item.
    ///
    /// # Errors
    /// Fails with `gguf.value.type` when the item is not of the array's type.
    pub(crate) fn push(&mut self, item: &Value<'_>) -> Result<&mut Self, Error> {
        if item.value_type() != self.element_type {
            let (field, found) = ("array item", item.value_type());
            return Err(Error::format(
                "gguf.value.type",
                self.count,
                field,
                self.element_type,
                found,
            ));
        }
        write_value(&mut self.bytes, item);
        self.count = self.count.saturating_add(1);
        Ok(self)
    }

    /// Returns the array as a value, for a key or as an item of another array.
    pub(crate) fn as_value(&self) -> Value<'_> {
        Value::Array(Array {
            element_type: self.element_type,
            count: self.count,
            bytes: &self.bytes,
        })
    }
}

/// Encodes a string the way files hold it.
fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&to_u64(bytes.len()).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Encodes a value without its type.
fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::U8(value) => out.push(*value),
        Value::I8(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::U16(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::I16(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::U32(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::I32(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::F32(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::U64(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::I64(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::F64(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::String(bytes) => write_string(out, bytes),
        Value::Array(array) => {
            out.extend_from_slice(&array.element_type.id().to_le_bytes());
            out.extend_from_slice(&array.count.to_le_bytes());
            out.extend_from_slice(array.bytes);
        }
    }
}
