//! Texts that no compiler wrote: an error or a run, never a panic.

use ptx_interpreter::{Argument, Error, Memory, Module, Options};

use crate::support::kernel;

const COMPILED: &str = include_str!("../data/compiled.ptx");

#[test]
fn what_is_not_covered_is_named_with_its_line() {
    for (body, opcode) in [
        ("add.f32 %f1, %f2, %f3;", "add.f32"),
        ("mul.f32 %f1, %f2, %f3;", "mul.f32"),
        ("fma.rn.ftz.f32 %f1, %f2, %f3, %f1;", "fma.rn.ftz.f32"),
        ("ex2.approx.f32 %f1, %f2;", "ex2.approx.f32"),
        ("div.full.f32 %f1, %f2, %f2;", "div.full.f32"),
        ("rcp.approx.f32 %f1, %f2;", "rcp.approx.f32"),
        ("cvt.f32.s32 %f1, %r1;", "cvt.f32.s32"),
        ("cvt.rn.sat.f32.s32 %f1, %r1;", "cvt.rn.sat.f32.s32"),
        ("atom.global.add.u32 %r1, [%in], 1;", "atom.global.add.u32"),
        ("ld.local.u32 %r1, [%in];", "ld.local.u32"),
        (".local .b8 x[4];", ".local"),
        ("call.uni f;", "call.uni"),
        ("bar.sync 0, 64;", "bar.sync"),
        ("abs.u32 %r1, %r2;", "abs.u32"),
        ("setp.ltu.s32 %p1, %r1, %r2;", "setp.ltu.s32"),
        ("bra.sideways $L;", "bra.sideways"),
        ("st.const.u32 [%in], 1;", "st.const.u32"),
    ] {
        let text = kernel("", &format!("\n{body}\n"));
        let line = text.lines().position(|line| line == body).unwrap() as u32 + 1;
        let opcode = opcode.to_owned();
        assert_eq!(
            Module::parse(&text).err(),
            Some(Error::Opcode { line, opcode })
        );
    }
}

#[test]
fn malformed_texts_are_errors() {
    for body in [
        "add.s32 %r1, %r2;",
        "add.s32 %r1, %r2, %rd1;",
        "add.s32 %r1, %r2, %r99;",
        "add.s32 %r1, %r2, 0f3F80000;",
        "add.rn.f32 %f1, %f2, 1;",
        "add.s32 1, %r2, %r3;",
        "add.s32 %tid.x, %r2, %r3;",
        "add.s32 %r1, %r2, %r3",
        "bra $NOWHERE;",
        "$A: $A:",
        "mov.u32 %r1, %nosuch;",
        "@%r1 bra $L; $L:",
        "mov.b64 {%r1, %rd2}, %rd1;",
        "ld.global.u32 %rs1, [%in];",
        "ld.global.u32 %r1, [%in+99999999999];",
        "ld.global.v2.u32 %r1, [%in];",
        "ld.global.u32 %r1, [%p1];",
        ".reg .b32 %r<5>;",
        ".reg .b32 %many<70000>;",
        ".shared .align 3 .b8 x[4];",
        ".shared .b8 x[99999999];",
        ".shared .b8 x[4294967296][4294967296];",
        ".reg .b8 %x;",
        "setp.lt.and.s32 %p1, %r1, %r2;",
        "} }",
    ] {
        assert!(Module::parse(&kernel("", body)).is_err(), "{body}");
    }
    assert!(Module::parse("").is_err());
    assert!(Module::parse(".version 8.0 .target sm_61 .address_size 32").is_err());
    let twice = kernel("", "") + ".entry k() {}";
    assert!(matches!(Module::parse(&twice), Err(Error::Twice { .. })));
    assert!(Module::parse(&kernel(".global .u32 x = {1, 2};", "")).is_err());
    assert!(Module::parse(&kernel(".extern .func f;", "")).is_err());
}

#[test]
fn changed_bytes_never_panic() {
    let mut random = Random(7);
    for _ in 0..3000 {
        let mut bytes = COMPILED.as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(4) {
                0 => bytes[at] = b" \n{}[]();:,.%@!|+-<>\"/*_09fFx"[random.below(29) as usize],
                1 => {
                    bytes.remove(at);
                }
                2 => {
                    let end = (at + random.below(40) as usize).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes[at] = random.below(128) as u8,
            }
        }
        run_everything(&String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn truncated_texts_never_panic() {
    for end in 0..COMPILED.len() {
        if end % 7 == 0 {
            let _parsed = Module::parse(&COMPILED[..end]);
        }
    }
    for text in [
        "\"",
        "/*",
        "//",
        "\u{e9}",
        ".version \u{0}",
        ".version 8.0 .target sm_61 .address_size 64 .entry",
    ] {
        assert!(Module::parse(text).is_err());
    }
}

/// Launches every kernel of a text with some arguments, if it is accepted.
fn run_everything(text: &str) {
    let Ok(module) = Module::parse(text) else {
        return;
    };
    for kernel in module.kernels() {
        let mut memory = Memory::new();
        let parameters = module.parameters(kernel).unwrap();
        let arguments: Vec<Argument> = parameters
            .iter()
            .map(|parameter| match parameter.size {
                8 => Argument::U64(memory.allocate(&[1; 4096])),
                4 => Argument::Bytes(vec![40, 0, 0, 0]),
                size => Argument::Bytes(vec![1; size]),
            })
            .collect();
        let options = Options {
            step_limit: 20_000,
            races: true,
            ..Options::default()
        };
        let shape = ([1, 1, 1], [40, 1, 1]);
        let _ran = module.launch(kernel, shape, 256, &arguments, &mut memory, &options);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
