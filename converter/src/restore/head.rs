//! The head of a source file, byte for byte: everything before its tensor data.

use gguf_file::ValueType;
use serde_json::{Map, Value as Json};

use crate::restore::record::{Contents, Malformed, Source, bytes, value_type_named};

impl Source<'_> {
    /// Builds the head again. `metadata` is the APR's metadata, which the record refers to for long values.
    pub(super) fn head<'m>(
        &'m self,
        metadata: &'m Map<String, Json>,
    ) -> Result<Vec<u8>, Malformed> {
        let length = usize::try_from(self.data_offset).map_err(|_| "data_offset is too large")?;
        let mut head = self.contents.unpadded_head(metadata, length)?;
        head.resize(length, 0);
        Ok(head)
    }
}

impl Contents<'_> {
    /// The head without the zeros behind it, which must not be longer than `limit`.
    pub(super) fn unpadded_head<'m>(
        &'m self,
        metadata: &'m Map<String, Json>,
        limit: usize,
    ) -> Result<Vec<u8>, Malformed> {
        let mut head = Head {
            bytes: b"GGUF".to_vec(),
            limit,
            metadata,
        };
        head.put(&self.version.to_le_bytes());
        head.put_length(self.tensors.len());
        head.put_length(self.pairs.len());
        for pair in &self.pairs {
            head.put_string(&pair.key);
            head.put(&pair.value_type.id().to_le_bytes());
            head.put_value(pair.value_type, pair.value)?;
            head.check()?;
        }
        for tensor in &self.tensors {
            head.put_string(&tensor.name);
            let dims = u32::try_from(tensor.dims.len()).map_err(|_| "too many dimensions")?;
            head.put(&dims.to_le_bytes());
            for dim in &tensor.dims {
                head.put(&dim.to_le_bytes());
            }
            head.put(&tensor.ggml_type.id().to_le_bytes());
            head.put(&tensor.offset.to_le_bytes());
        }
        head.check()?;
        Ok(head.bytes)
    }
}

/// A head that is being written.
struct Head<'a> {
    bytes: Vec<u8>,
    /// The recorded length: values that refer to others must not expand beyond it.
    limit: usize,
    metadata: &'a Map<String, Json>,
}

impl<'a> Head<'a> {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Versions 2 and 3 count in u64.
    fn put_length(&mut self, length: usize) {
        self.put(&(length as u64).to_le_bytes());
    }

    fn put_string(&mut self, text: &[u8]) {
        self.put_length(text.len());
        self.put(text);
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.bytes.len() > self.limit {
            return Err("the key/values and tensor infos are longer than data_offset".to_owned());
        }
        Ok(())
    }

    /// Arrays nest as deep as the JSON reader allows, so recursion is bounded.
    fn put_value(&mut self, value_type: ValueType, value: &'a Json) -> Result<(), Malformed> {
        let wrong = || format!("a value is not of type {}", value_type.name());
        let unsigned = || value.as_u64().ok_or_else(wrong);
        let signed = || value.as_i64().ok_or_else(wrong);
        match value_type {
            ValueType::U8 => self.put(&narrow::<u8, _>(unsigned()?)?.to_le_bytes()),
            ValueType::U16 => self.put(&narrow::<u16, _>(unsigned()?)?.to_le_bytes()),
            ValueType::U32 => self.put(&narrow::<u32, _>(unsigned()?)?.to_le_bytes()),
            ValueType::U64 => self.put(&unsigned()?.to_le_bytes()),
            ValueType::I8 => self.put(&narrow::<i8, _>(signed()?)?.to_le_bytes()),
            ValueType::I16 => self.put(&narrow::<i16, _>(signed()?)?.to_le_bytes()),
            ValueType::I32 => self.put(&narrow::<i32, _>(signed()?)?.to_le_bytes()),
            ValueType::I64 => self.put(&signed()?.to_le_bytes()),
            ValueType::F32 => self.put(&f32_bits(value).ok_or_else(wrong)?.to_le_bytes()),
            ValueType::F64 => {
                let bits = value
                    .as_str()
                    .and_then(|hex| u64::from_str_radix(hex, 16).ok());
                self.put(&bits.ok_or_else(wrong)?.to_le_bytes());
            }
            ValueType::Bool => self.put(&[u8::from(value.as_bool().ok_or_else(wrong)?)]),
            ValueType::String => match value.get("ref") {
                Some(key) => {
                    let text = self.referred(key)?;
                    self.put_string(&bytes(text)?);
                }
                None => self.put_string(&bytes(value)?),
            },
            ValueType::Array => self.put_array(value)?,
            _ => return Err(wrong()),
        }
        Ok(())
    }

    fn put_array(&mut self, array: &'a Json) -> Result<(), Malformed> {
        let of = array.get("of").ok_or("an array does not name its type")?;
        let of = value_type_named(of)?;
        let items = match array.get("ref") {
            Some(key) => self.referred(key)?.as_array(),
            None => array.get("v").and_then(Json::as_array),
        };
        let items = items.ok_or("an array has no items")?;
        self.put(&of.id().to_le_bytes());
        self.put_length(items.len());
        for item in items {
            self.put_value(of, item)?;
        }
        self.check()
    }

    /// The value of a key of the metadata.
    fn referred(&self, key: &Json) -> Result<&'a Json, Malformed> {
        let key = key.as_str().ok_or("a reference is not a string")?;
        let value = self.metadata.get(key);
        value.ok_or_else(|| format!("{} is referred to and is missing", key.escape_debug()))
    }
}

/// The bits as hex digits, or, behind a reference, a number that rounds to them: as loaders read it, by way of f64.
fn f32_bits(value: &Json) -> Option<u32> {
    match value.as_str() {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => {
            #[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
            let number = value.as_f64()? as f32;
            Some(number.to_bits())
        }
    }
}

fn narrow<T: TryFrom<F>, F: Copy + ToString>(number: F) -> Result<T, Malformed> {
    T::try_from(number).map_err(|_| format!("{} does not fit its type", number.to_string()))
}
