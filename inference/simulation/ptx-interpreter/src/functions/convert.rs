//! Conversions between the types.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a float that is narrowed rounds to nearest, which is meant"
)]

use super::{
    half,
    number::{Float, Integer},
};

/// A conversion: the function and the bits of source and result types.
pub(crate) struct Conversion {
    pub(crate) f: fn(u64) -> u64,
    pub(crate) result: u32,
    pub(crate) source: u32,
}

/// The conversion with this spelling: what stands behind `cvt.`, as `rni.s32.f32`.
pub(crate) fn conversion(spelling: &str) -> Option<Conversion> {
    let (rest, source) = spelling.rsplit_once('.')?;
    let (rounding, result) = match rest.rsplit_once('.') {
        Some((rounding, result)) => (rounding, result),
        None => ("", rest),
    };
    let f = match (is_float(result), is_float(source)) {
        (false, false) if rounding.is_empty() => integer_from(result, source)?,
        (true, false) if rounding == "rn" => float_from_integer(result, source)?,
        (false, true) => integer_from_float(rounding, result, source)?,
        (true, true) => float_from_float(rounding, result, source)?,
        _ => return None,
    };
    let bits = |kind: &str| kind.get(1..)?.parse().ok();
    Some(Conversion {
        f,
        result: bits(result)?,
        source: bits(source)?,
    })
}

type Converter = Option<fn(u64) -> u64>;

fn is_float(kind: &str) -> bool {
    kind.starts_with('f')
}

/// Calls a generic function with the type of a name.
macro_rules! of_integer {
    ($kind:expr, $function:ident::<_ $(, $more:ty)*>($($argument:expr),*)) => {
        match $kind {
            "u8" => $function::<u8 $(, $more)*>($($argument),*),
            "u16" => $function::<u16 $(, $more)*>($($argument),*),
            "u32" => $function::<u32 $(, $more)*>($($argument),*),
            "u64" => $function::<u64 $(, $more)*>($($argument),*),
            "s8" => $function::<i8 $(, $more)*>($($argument),*),
            "s16" => $function::<i16 $(, $more)*>($($argument),*),
            "s32" => $function::<i32 $(, $more)*>($($argument),*),
            "s64" => $function::<i64 $(, $more)*>($($argument),*),
            _ => None,
        }
    };
}

fn integer_from(result: &str, source: &str) -> Converter {
    of_integer!(source, integer_to::<_>(result))
}

fn integer_to<S: Integer>(result: &str) -> Converter {
    of_integer!(result, integers::<_, S>())
}

fn integers<D: Integer, S: Integer>() -> Converter {
    Some(|a| D::cut(S::get(a).wide()).put())
}

fn float_from_integer(result: &str, source: &str) -> Converter {
    match result {
        "f32" => of_integer!(source, to_single::<_>()),
        "f64" => of_integer!(source, to_double::<_>()),
        _ => None,
    }
}

fn to_single<S: Integer>() -> Converter {
    Some(|a| (S::get(a).wide() as f32).put())
}

fn to_double<S: Integer>() -> Converter {
    Some(|a| (S::get(a).wide() as f64).put())
}

fn integer_from_float(rounding: &str, result: &str, source: &str) -> Converter {
    match (rounding, source) {
        ("rni", "f32") => of_integer!(result, from_single::<_, Nearest>()),
        ("rzi", "f32") => of_integer!(result, from_single::<_, Zero>()),
        ("rmi", "f32") => of_integer!(result, from_single::<_, Down>()),
        ("rpi", "f32") => of_integer!(result, from_single::<_, Up>()),
        ("rni", "f64") => of_integer!(result, from_double::<_, Nearest>()),
        ("rzi", "f64") => of_integer!(result, from_double::<_, Zero>()),
        ("rmi", "f64") => of_integer!(result, from_double::<_, Down>()),
        ("rpi", "f64") => of_integer!(result, from_double::<_, Up>()),
        _ => None,
    }
}

/// A NaN becomes 0, but for results of 64 bits the top bit alone.
fn from_single<D: Integer, R: Rounding>() -> Converter {
    Some(|a| D::nearest(R::round(f32::get(a).into()), D::BITS == 64).put())
}

/// A NaN becomes the top bit alone.
fn from_double<D: Integer, R: Rounding>() -> Converter {
    Some(|a| D::nearest(R::round(f64::get(a)), true).put())
}

fn float_from_float(rounding: &str, result: &str, source: &str) -> Converter {
    Some(match (rounding, result, source) {
        ("", "f32", "f16") => |a| half::widen(u16::get(a)).put(),
        ("rn", "f16", "f32") => |a| half::narrow(f32::get(a)).into(),
        ("", "f64", "f32") => |a| f64::from(f32::get(a)).put(),
        ("rn", "f32", "f64") => |a| (f64::get(a) as f32).put(),
        ("rni", "f32", "f32") => |a| f32::get(a).round_ties_even().put(),
        ("rzi", "f32", "f32") => |a| f32::get(a).trunc().put(),
        ("rmi", "f32", "f32") => |a| f32::get(a).floor().put(),
        ("rpi", "f32", "f32") => |a| f32::get(a).ceil().put(),
        ("rni", "f64", "f64") => |a| f64::get(a).round_ties_even().put(),
        ("rzi", "f64", "f64") => |a| f64::get(a).trunc().put(),
        ("rmi", "f64", "f64") => |a| f64::get(a).floor().put(),
        ("rpi", "f64", "f64") => |a| f64::get(a).ceil().put(),
        _ => return None,
    })
}

/// A way to a whole number.
trait Rounding {
    fn round(value: f64) -> f64;
}

struct Nearest;
struct Zero;
struct Down;
struct Up;

impl Rounding for Nearest {
    fn round(value: f64) -> f64 {
        value.round_ties_even()
    }
}

impl Rounding for Zero {
    fn round(value: f64) -> f64 {
        value.trunc()
    }
}

impl Rounding for Down {
    fn round(value: f64) -> f64 {
        value.floor()
    }
}

impl Rounding for Up {
    fn round(value: f64) -> f64 {
        value.ceil()
    }
}
