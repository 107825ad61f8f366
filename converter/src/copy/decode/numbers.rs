//! Plain numbers, converted only where F32 holds the same value.
#![expect(
    clippy::cast_possible_truncation,
    reason = "every cast that could lose something is undone and compared"
)]

#[expect(clippy::unnecessary_wraps, reason = "the other conversions can fail")]
pub(crate) fn i8(bytes: [u8; 1]) -> Option<f32> {
    Some(i8::from_le_bytes(bytes).into())
}

#[expect(clippy::unnecessary_wraps, reason = "the other conversions can fail")]
pub(crate) fn i16(bytes: [u8; 2]) -> Option<f32> {
    Some(i16::from_le_bytes(bytes).into())
}

pub(crate) fn i32(bytes: [u8; 4]) -> Option<f32> {
    whole(i32::from_le_bytes(bytes).into())
}

pub(crate) fn i64(bytes: [u8; 8]) -> Option<f32> {
    whole(i64::from_le_bytes(bytes))
}

/// The bits are compared, so that zeros keep their sign and NaNs their payload.
pub(crate) fn f64(bytes: [u8; 8]) -> Option<f32> {
    let number = f64::from_le_bytes(bytes);
    let value = number as f32;
    (f64::from(value).to_bits() == number.to_bits()).then_some(value)
}

fn whole(number: i64) -> Option<f32> {
    let value = number as f32;
    // Through i128: 2^63 as an i64 would saturate to a number that F32 does not hold.
    (value as i128 == i128::from(number)).then_some(value)
}
