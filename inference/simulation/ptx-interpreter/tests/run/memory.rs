//! Loads and stores of every size, variables, parameters.

use ptx_interpreter::{Argument, Cause, Memory, Module, Options};

use crate::support::{kernel, run, words};

#[test]
fn small_values_are_extended_by_their_type() {
    let text = kernel(
        "",
        "ld.global.s8 %r1, [%in]; st.global.u32 [%out], %r1;
         ld.global.u8 %r1, [%in]; st.global.u32 [%out+4], %r1;
         ld.global.s16 %r1, [%in+2]; st.global.u32 [%out+8], %r1;
         ld.global.u16 %rs1, [%in+2]; cvt.u32.u16 %r1, %rs1; st.global.u32 [%out+12], %r1;
         ld.global.s8 %rs2, [%in+3]; cvt.s32.s16 %r1, %rs2; st.global.u32 [%out+16], %r1;
         ld.global.s32 %rd1, [%in]; st.global.u64 [%out+24], %rd1;
         ld.global.s8 %rd1, [%in]; st.global.u64 [%out+32], %rd1;
         st.global.u32 [%out+20], %r1; st.global.u8 [%out+20], %r1; st.global.u16 [%out+22], -2;",
    );
    let found = run(&text, 1, 0, &[0x8765_43F2], 10, &Options::default()).unwrap();
    let expected = [
        0xFFFF_FFF2,
        0xF2,
        0xFFFF_8765,
        0x8765,
        0xFFFF_FF87,
        0xFFFE_FF87,
        0x8765_43F2,
        0xFFFF_FFFF,
        0xFFFF_FFF2,
        0xFFFF_FFFF,
    ];
    assert_eq!(found, expected);
}

#[test]
fn vectors_and_pairs_keep_the_order_of_their_parts() {
    let text = kernel(
        "",
        "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%in];
         mov.b64 %rd1, {%r2, %r1}; st.global.b64 [%out], %rd1;
         mov.b64 {%r5, %r6}, %rd1; st.global.v2.u32 [%out+8], {%r5, %r6};
         mov.b32 {%rs1, %rs2}, %r3; mov.b32 %r7, {%rs2, %rs1}; st.global.u32 [%out+16], %r7;
         ld.global.v2.f32 {%f1, _}, [%in+8]; st.global.f32 [%out+20], %f1;
         ld.global.v4.u8 {%rs3, %rs4, %rs5, %rs6}, [%in+12]; cvt.u32.u16 %r8, %rs5; st.global.u32 [%out+24], %r8;
         ld.volatile.global.nc.u32 %r9, [%in+4]; st.global.wb.u32 [%out+28], %r9;",
    );
    let input = [11, 22, 0x0003_0004, 0x0A0B_0C0D];
    let found = run(&text, 1, 0, &input, 8, &Options::default()).unwrap();
    assert_eq!(found, [22, 11, 22, 11, 0x0004_0003, 0x0003_0004, 0x0B, 22]);
}

#[test]
fn variables_hold_their_values() {
    let variables = ".const .align 4 .f32 table[3] = {0f3F800000, 0f40000000};
        .global .align 1 .b8 bytes[4] = {1, 255, -3, 0x10};
        .global .align 8 .u64 number = 81985529216486895;
        .const .align 2 .b16 open[] = {7, 8};";
    let text = kernel(
        variables,
        "ld.const.f32 %f1, [table+4]; st.global.f32 [%out], %f1;
         mov.u64 %rd1, bytes; ld.global.nc.u8 %r1, [%rd1+2]; st.global.u32 [%out+4], %r1;
         ld.global.u64 %rd2, [number]; st.global.u64 [%out+8], %rd2;
         mov.u64 %rd3, table; ld.const.u32 %r2, [%rd3+8]; st.global.u32 [%out+16], %r2;
         ld.const.u16 %rs1, [open+2]; cvt.u32.u16 %r3, %rs1; st.global.u32 [%out+20], %r3;
         cvta.const.u64 %rd4, %rd3; ld.u32 %r4, [%rd4]; st.global.u32 [%out+24], %r4;",
    );
    let found = run(&text, 1, 0, &[0], 7, &Options::default()).unwrap();
    assert_eq!(
        found,
        [
            0x4000_0000,
            0xFD,
            0x89AB_CDEF,
            0x0123_4567,
            0,
            8,
            0x3F80_0000
        ]
    );
}

#[test]
fn doubles_keep_their_bits_in_every_memory() {
    let text = kernel(
        "",
        ".shared .align 8 .b8 place[24]; mov.u64 %rd1, place;
         ld.global.nc.f64 %fd1, [%in]; st.shared.f64 [%rd1+8], %fd1;
         ld.shared.f64 %fd2, [%rd1+8]; st.global.f64 [%out], %fd2;
         ld.global.v2.f64 {%fd3, %fd4}, [%in]; st.global.v2.f64 [%out+16], {%fd4, %fd3};
         mov.f64 %fd5, 0dBFF0000000000001; st.global.f64 [%out+8], %fd5;",
    );
    let input = [1, 0x7FF0_0000, 2, 0x8000_0000];
    let found = run(&text, 1, 0, &input, 8, &Options::default()).unwrap();
    let (a, b) = ([1, 0x7FF0_0000], [2, 0x8000_0000]);
    assert_eq!(found, [a, [1, 0xBFF0_0000], b, a].concat());
}

#[test]
fn shared_memory_is_static_then_dynamic() {
    let variables = ".extern .shared .align 16 .b8 dynamic[];";
    let text = kernel(
        variables,
        ".shared .align 4 .b8 first[20]; .shared .align 8 .f64 second[2];
         mov.u32 %r1, first; mov.u32 %r2, second; mov.u64 %rd1, dynamic; cvt.u32.u64 %r3, %rd1;
         st.global.v2.u32 [%out], {%r1, %r2}; st.global.u32 [%out+8], %r3;
         st.shared.u32 [first+16], 5; st.shared.u32 [%rd1+4], 6; mov.u32 %r4, first;
         ld.shared.u32 %r5, [%r4+16]; st.global.u32 [%out+12], %r5;
         cvta.shared.u64 %rd2, %rd1; ld.u32 %r6, [%rd2+4]; st.global.u32 [%out+16], %r6;
         st.u32 [%rd2], 9; cvta.to.shared.u64 %rd3, %rd2; ld.shared.u32 %r7, [%rd3]; st.global.u32 [%out+20], %r7;",
    );
    let found = run(&text, 1, 64, &[0], 6, &Options::default()).unwrap();
    assert_eq!(found, [0, 24, 48, 5, 6, 9]);
}

#[test]
fn parameters_are_packed_by_their_types() {
    let text = ".version 8.0 .target sm_61 .address_size 64
        .visible .entry k(.param .u64 .ptr .global .align 4 out, .param .u8 a, .param .u32 b, .param .f32 c,
            .param .align 8 .b8 d[12], .param .u64 e) .maxntid 32, 1, 1 {
        .reg .b64 %rd<4>; .reg .b32 %r<9>; .reg .f32 %f<2>;
        ld.param.u64 %rd1, [out]; ld.param.u8 %r1, [a]; ld.param.u32 %r2, [b]; ld.param.f32 %f1, [c];
        ld.param.v2.u32 {%r3, %r4}, [d]; ld.param.u32 %r5, [d+8]; ld.param.u64 %rd2, [e];
        st.global.u32 [%rd1], %r1; st.global.u32 [%rd1+4], %r2; st.global.f32 [%rd1+8], %f1;
        st.global.u32 [%rd1+12], %r4; st.global.u32 [%rd1+16], %r5; st.global.u64 [%rd1+24], %rd2;
        mov.b64 %rd3, d; ld.param.u32 %r6, [%rd3]; st.global.u32 [%rd1+20], %r6; }";
    let module = Module::parse(text).unwrap();
    let parameters = module.parameters("k").unwrap();
    let offsets: Vec<usize> = parameters
        .iter()
        .map(|parameter| parameter.offset)
        .collect();
    assert_eq!(offsets, [0, 8, 12, 16, 24, 40]);
    assert_eq!(parameters[4].kind, "b8[12]");
    let mut memory = Memory::new();
    let out = memory.reserve(32);
    let structure: Vec<u8> = [1u32, 2, 3]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let arguments = [
        Argument::U64(out),
        Argument::Bytes(vec![200]),
        Argument::I32(-5),
        Argument::F32(1.5),
        Argument::Bytes(structure),
        Argument::U64(1 << 40 | 7),
    ];
    let mut launch = |arguments: &[Argument], threads| {
        let shape = ([1, 1, 1], [threads, 1, 1]);
        let options = Options::default();
        module.launch("k", shape, 0, arguments, &mut memory, &options)
    };
    let cause = |result: Result<_, ptx_interpreter::Fault>| result.unwrap_err().cause;
    let short = cause(launch(&arguments[..5], 1));
    assert_eq!(
        short,
        Cause::ArgumentCount {
            expected: 6,
            found: 5
        }
    );
    for (index, wrong) in [
        (0, Argument::U32(1)),
        (1, Argument::U32(1)),
        (2, Argument::F32(1.0)),
        (3, Argument::U32(1)),
        (4, Argument::Bytes(vec![0; 11])),
        (5, Argument::F32(0.0)),
    ] {
        let mut arguments = arguments.clone();
        arguments[index] = wrong;
        let found = cause(launch(&arguments, 1));
        assert!(matches!(found, Cause::Argument { index: found, .. } if found == index));
    }
    assert!(matches!(
        cause(launch(&arguments, 33)),
        Cause::Size { most: 32, .. }
    ));
    launch(&arguments, 1).unwrap();
    let expected = [200, 0xFFFF_FFFB, 0x3FC0_0000, 2, 3, 1, 7, 1 << 8];
    assert_eq!(words(&memory, out, 8), expected);
}
