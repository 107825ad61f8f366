//! Holds the PTX text to the contract: every operation on floats rounds to nearest and is exact about it.
//!
//! Whole opcodes are looked at, so a symbol may be called anything.

use crate::cuda::kernel::PTX;

/// Returns what the text may not hold: the instruction or the directive, once for each place.
fn forbidden(ptx: &str) -> Vec<String> {
    let lines = ptx.lines().map(|line| {
        line.split_once("//")
            .map_or(line, |(instruction, _)| instruction)
    });
    let statements = lines.flat_map(|line| line.split([';', '{', '}']));
    statements
        .filter(|statement| !is_allowed(statement))
        .map(|statement| statement.trim().to_owned())
        .collect()
}

fn is_allowed(statement: &str) -> bool {
    let mut words = statement.split_whitespace().peekable();
    if words
        .clone()
        .any(|word| FORBIDDEN_DIRECTIVES.contains(&word))
    {
        return false;
    }
    // Labels and predicates stand in front of an instruction.
    while words
        .next_if(|word| word.starts_with('@') || word.ends_with(':'))
        .is_some()
    {}
    match words.next() {
        Some(opcode) if !opcode.starts_with('.') => is_allowed_opcode(opcode),
        _ => true,
    }
}

fn is_allowed_opcode(opcode: &str) -> bool {
    let mut parts = opcode.split('.');
    let name = parts.next().unwrap_or_default();
    let modifiers: Vec<&str> = parts.collect();
    let has = |modifier| modifiers.contains(&modifier);
    if FORBIDDEN_NAMES.contains(&name) || FORBIDDEN_MODIFIERS.iter().any(|modifier| has(modifier)) {
        return false;
    }
    if !FLOATS.iter().any(|float| has(float)) {
        return true;
    }
    match name {
        "add" | "sub" | "mul" | "div" | "fma" => has("rn") && (has("f32") || has("f64")),
        "sqrt" => has("rn") && has("f32"),
        // A conversion to a wider float is exact, one of an integer rounds.
        "cvt" => has("rn") || modifiers == ["f32", "f16"] || modifiers == ["f64", "f32"],
        "abs" | "ld" | "mov" | "neg" | "selp" | "setp" | "st" => true,
        _ => false,
    }
}

const FORBIDDEN_DIRECTIVES: [&str; 2] = [".extern", ".local"];
const FORBIDDEN_NAMES: [&str; 11] = [
    "atom", "call", "cos", "ex2", "lg2", "mad24", "rcp", "red", "rsqrt", "sin", "tanh",
];
const FORBIDDEN_MODIFIERS: [&str; 5] = ["approx", "ftz", "full", "local", "sat"];
const FLOATS: [&str; 9] = [
    "f16", "f16x2", "bf16", "bf16x2", "tf32", "f32", "f32x2", "f64", "e4m3",
];

#[test]
fn the_kernels_only_round_to_nearest() {
    assert_eq!(forbidden(PTX), [""; 0]);
}

/// An fma in the f64 of a record would be the compiler's.
#[test]
fn only_scores_have_an_fma_in_f64() {
    let kernels = PTX.split(".visible .entry ");
    let with = kernels.filter(|kernel| kernel.contains("fma.rn.f64"));
    let names: Vec<_> = with.filter_map(|kernel| kernel.split('(').next()).collect();
    assert_eq!(names, ["attention_scores"]);
}

#[test]
fn every_forbidden_thing_is_found_in_the_kernels() {
    let changes = [
        ("fma.rn.f32", "fma.rn.ftz.f32"),
        ("fma.rn.f32", "mad.rn.f32"),
        ("fma.rn.f32", "fma.rz.f32"),
        ("mul.rn.f32", "mul.f32"),
        ("mul.rn.f32", "mul.rn.sat.f32"),
        ("add.rn.f32", "add.f32"),
        ("sub.rn.f32", "sub.f32"),
        ("div.rn.f32", "div.full.f32"),
        ("div.rn.f32", "div.approx.f32"),
        ("sqrt.rn.f32", "sqrt.approx.f32"),
        ("sqrt.rn.f32", "rsqrt.approx.f32"),
        ("cvt.rn.f32.s32", "cvt.rz.f32.s32"),
        ("add.rn.f64", "add.f64"),
        ("add.rn.f64", "add.rz.f64"),
        ("sub.rn.f64", "sub.f64"),
        ("mul.rn.f64", "mul.f64"),
        ("fma.rn.f64", "fma.rz.f64"),
        ("mul.rn.f64", "mad.rn.f64"),
        ("div.rn.f64", "div.rp.f64"),
        ("abs.f64", "rcp.approx.ftz.f64"),
        ("abs.f64", "sqrt.rn.f64"),
        ("cvt.rn.f64.u32", "cvt.rm.f64.u32"),
        ("cvt.f64.f32", "cvt.rz.f64.f32"),
        ("setp.gt.f64", "max.f64"),
        ("neg.f32", "ex2.f32"),
        ("neg.f32", "lg2.f32"),
        ("neg.f32", "sin.f32"),
        ("neg.f32", "cos.f32"),
        ("neg.f32", "tanh.f32"),
        ("neg.f32", "rcp.rn.f32"),
        ("st.global.u32", "red.global.add.u32"),
        ("ld.global.u32", "atom.global.add.u32"),
        ("ld.shared.f32", "ld.local.f32"),
        ("bar.sync", "call.uni"),
        (".reg .f32", ".local .f32"),
        (".visible .entry", ".extern .entry"),
    ];
    for (from, to) in changes {
        let changed = PTX.replacen(from, to, 1);
        assert_ne!(changed, PTX, "{from} is in no kernel");
        assert_eq!(forbidden(&changed).len(), 1, "{to}");
    }
}

#[test]
fn instructions_are_found_behind_labels_and_predicates() {
    let found = forbidden(
        "$L__BB0_1: @!%p1 ex2.approx.f32 %f1, %f2; // sin\n.global .u32 sin = 1;\nmov.u32 %r1, cos;\n\
         { add.f32 %f1, %f1, %f2; }\ncvt.f32.f16 %f1, %h1;\n@%p2 bra red;",
    );
    let expected = [
        "$L__BB0_1: @!%p1 ex2.approx.f32 %f1, %f2",
        "add.f32 %f1, %f1, %f2",
    ];
    assert_eq!(found, expected);
}
