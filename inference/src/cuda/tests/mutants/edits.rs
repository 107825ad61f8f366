//! Changes of a PTX text that change what it computes.

/// A change at a line of a kernel: the lines that become others; nothing where it has no place.
pub(super) type Edit = fn(&[&str], usize) -> Option<Vec<(usize, String)>>;

/// One step of a chain as a product that is rounded and a sum.
///
/// Left out are products that are exact, where both are the same: those of dequantisation, whose sums no chain goes on
/// from, and those with the upper bits of ln 2.
pub(super) fn split_fma(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let [d, a, b, c] = fma(lines[at])?;
    let goes_on = |line: &&str| fma(line).is_some_and(|[_, _, _, from]| from == d);
    let is_upper = |line: &&str| {
        [a, b]
            .iter()
            .any(|factor| line.contains(&format!("mov.f32 \t{factor}, 0f3F318000")))
    };
    if !lines.iter().any(goes_on) || lines.iter().any(is_upper) {
        return None;
    }
    let split = format!(
        "{{ .reg .f32 product; mul.rn.f32 product, {a}, {b}; add.rn.f32 {d}, product, {c}; }}"
    );
    Some(vec![(at, split)])
}

/// A step of a chain in f64, rounded to f32 as those of other chains are.
pub(super) fn round_step(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let [d, a, b, c] = operands(lines[at], "fma.rn.f64")?;
    let rounded = format!(
        "{{ .reg .f32 narrow; fma.rn.f64 {d}, {a}, {b}, {c}; cvt.rn.f32.f64 narrow, {d}; cvt.f64.f32 {d}, narrow; }}"
    );
    Some(vec![(at, rounded)])
}

/// No barrier.
pub(super) fn drop_barrier(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let is_barrier = lines[at].contains("bar.sync");
    is_barrier.then(|| vec![(at, String::new())])
}

/// An access to shared or global memory one place further.
pub(super) fn shift_index(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let line = lines[at];
    let opcode = line.split_whitespace().next()?;
    let is_access = ["ld.shared", "st.shared", "ld.global", "st.global"]
        .iter()
        .any(|access| opcode.starts_with(access));
    let (before, after) = line.split_once(']').filter(|_| is_access)?;
    let kind = opcode.rsplit('.').next()?;
    let bits: i32 = kind.trim_start_matches(char::is_alphabetic).parse().ok()?;
    let count = opcode.split('.').find_map(|part| part.strip_prefix('v'));
    let count: i32 = count.unwrap_or("1").parse().ok()?;
    let (base, offset) = before.split_once('+').unwrap_or((before, "0"));
    let offset: i32 = offset.parse().ok()?;
    let shifted = format!("{base}+{}]{after}", offset + bits / 8 * count);
    Some(vec![(at, shifted)])
}

/// Two steps of a chain that follow each other, exchanged: the same products, added in another order.
pub(super) fn swap_steps(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let [d, a, b, c] = fma(lines[at])?;
    let goes_on = |line: &&str| fma(line).is_some_and(|[_, _, _, from]| from == d);
    let next = at + 1 + lines[at + 1..].iter().take(4).position(goes_on)?;
    let [e, f, g, _] = fma(lines[next])?;
    // What the second step multiplies has to be there at the first one; a polynomial has one factor for all steps.
    let is_made = |line: &&str| {
        [f, g]
            .iter()
            .any(|factor| line.contains(&format!("\t{factor},")))
    };
    let is_polynomial = [f, g].contains(&d) || [a, b].iter().any(|factor| [d, e].contains(factor));
    if lines[at..next].iter().any(is_made) || is_polynomial {
        return None;
    }
    Some(vec![
        (at, format!("fma.rn.f32 \t{d}, {f}, {g}, {c};")),
        (next, format!("fma.rn.f32 \t{e}, {a}, {b}, {d};")),
    ])
}

/// A product and a sum in f64 as one fma, which rounds once. Left out are products of two f32, which are exact.
pub(super) fn contract(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let [product, a, b] = operands(lines[at], "mul.rn.f64")?;
    if is_exact(lines, at) {
        return None;
    }
    let sum =
        |line: &&str| operands(line, "add.rn.f64").is_some_and(|[_, _, term]| term == product);
    let next = at + 1 + lines[at + 1..].iter().position(sum)?;
    let [d, c, _] = operands(lines[next], "add.rn.f64")?;
    Some(vec![(next, format!("fma.rn.f64 \t{d}, {a}, {b}, {c};"))])
}

/// Two terms of a sum in f64 that follow each other, added in the other order. Left out are products of two f32: few of
/// their sums are rounded.
pub(super) fn swap_terms(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let [d, sum, a] = operands(lines[at], "add.rn.f64")?;
    let goes_on = |line: &&str| operands(line, "add.rn.f64").is_some_and(|[_, from, _]| from == d);
    let next = at + 1 + lines[at + 1..].iter().position(goes_on)?;
    let [e, _, b] = operands(lines[next], "add.rn.f64")?;
    let is_product = format!("mul.rn.f64 \t{a},");
    let product = lines.iter().position(|line| line.contains(&is_product));
    // A loop that goes on from its own result has one term in the text.
    if d == e || d == sum || product.is_some_and(|at| is_exact(lines, at)) {
        return None;
    }
    let swapped = format!("add.rn.f64 {d}, {sum}, {b}; add.rn.f64 {e}, {d}, {a};");
    Some(vec![(at, String::new()), (next, swapped)])
}

/// The greatest of whole numbers or of f64 for the least, and the other way round.
pub(super) fn exchange_extremes(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    const OTHERS: [(&str, &str); 5] = [
        ("min.s32", "max.s32"),
        ("max.s32", "min.s32"),
        ("min.u32", "max.u32"),
        ("max.u32", "min.u32"),
        ("setp.gt.f64", "setp.lt.f64"),
    ];
    let (from, to) = OTHERS.iter().find(|(from, _)| lines[at].contains(from))?;
    Some(vec![(at, lines[at].replace(from, to))])
}

/// No negation.
pub(super) fn drop_negation(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let is_negation = lines[at].contains("neg.f32");
    is_negation.then(|| vec![(at, lines[at].replace("neg.f32", "mov.f32"))])
}

/// A rotation by one more bit.
pub(super) fn turn_on(lines: &[&str], at: usize) -> Option<Vec<(usize, String)>> {
    let (before, bits) = lines[at].trim_end_matches(';').rsplit_once(", ")?;
    if !before.contains("shf.l.wrap.b32") {
        return None;
    }
    let bits: u32 = bits.parse().ok()?;
    Some(vec![(at, format!("{before}, {};", bits + 1))])
}

/// Whether a line is the product of two f32, as f64.
fn is_exact(lines: &[&str], at: usize) -> bool {
    let Some([_, a, _]) = operands(lines[at], "mul.rn.f64") else {
        return false;
    };
    let widened = format!("cvt.f64.f32 \t{a},");
    lines.iter().any(|line| line.contains(&widened))
}

/// Result, factors and addend, if a line is an fma.
fn fma(line: &str) -> Option<[&str; 4]> {
    operands(line, "fma.rn.f32")
}

/// The operands, if a line has this opcode.
fn operands<'a, const COUNT: usize>(line: &'a str, opcode: &str) -> Option<[&'a str; COUNT]> {
    let (_, operands) = line.split_once(opcode)?;
    let operands = operands.trim().trim_end_matches(';');
    let operands: Vec<&str> = operands.split(", ").collect();
    operands.try_into().ok()
}
