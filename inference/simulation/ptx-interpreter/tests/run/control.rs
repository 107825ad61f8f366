//! Jumps, predicates, scopes, grids, schedules.

use ptx_interpreter::{Argument, Memory, Module, Options, Schedule};

use crate::support::{all_schedules, kernel, run, words};

#[test]
fn loops_end_and_guards_choose_what_runs() {
    let text = kernel(
        "",
        "mov.u32 %r1, 0; mov.u32 %r2, 0;
         $L: add.s32 %r1, %r1, 3; add.s32 %r2, %r2, 1; setp.lt.u32 %p1|%p2, %r2, 7; .pragma \"nounroll\"; @%p1 bra $L;
         bra.uni $OUT; mov.u32 %r1, 99;
         $OUT: @!%p1 add.s32 %r1, %r1, 1000; @%p1 add.s32 %r1, %r1, 5; @%p2 add.s32 %r1, %r1, 200;
         { .reg .b32 %r1; .reg .pred p; mov.u32 %r1, 1; setp.eq.u32 p, %r1, 1; @p st.global.u32 [%out+4], %r1; }
         st.global.u32 [%out], %r1; ret; st.global.u32 [%out], 0;",
    );
    assert_eq!(
        run(&text, 1, 0, &[0], 2, &Options::default()).unwrap(),
        [1221, 1]
    );
}

#[test]
fn lines_that_ran_are_told_from_those_that_did_not() {
    let text = ".version 8.0 .target sm_61 .address_size 64
        .entry k() { .reg .pred %p; .reg .b32 %r;
        mov.u32 %r, %tid.x; setp.gt.u32 %p, %r, 1; @%p bra $L;
        bar.warp.sync 3;
        ret; $L:
        @!%p bar.sync 0; }";
    let module = Module::parse(text).unwrap();
    let lines = |threads| {
        let (shape, options) = (([1, 1, 1], [threads, 1, 1]), Options::default());
        let ran = module.launch("k", shape, 0, &[], &mut Memory::new(), &options);
        ran.unwrap().lines
    };
    assert_eq!(lines(2), [3, 4, 5]);
    assert_eq!(lines(3), [3, 4, 5, 6]);
}

#[test]
fn comparisons_are_joined_with_a_predicate() {
    for (join, negated, expected) in [
        ("and", "", [0b00, 0b01, 0b10, 0b00]),
        ("or", "", [0b10, 0b11, 0b11, 0b01]),
        ("xor", "!", [0b01, 0b10, 0b10, 0b01]),
    ] {
        // Bit 0: a < b joined with c; bit 1: a >= b joined with c. Rows: (no, no), (yes, yes), (no, yes), (yes, no).
        let text = kernel(
            "",
            &format!(
                "mul.wide.u32 %rd1, %t, 8; add.s64 %rd1, %in, %rd1; ld.global.v2.u32 {{%r1, %r2}}, [%rd1];
                 setp.ne.u32 %p3, %r2, 0; setp.lt.{join}.u32 %p1|%p2, %r1, 5, {negated}%p3;
                 selp.u32 %r3, 1, 0, %p1; selp.u32 %r4, 2, 0, %p2; or.b32 %r3, %r3, %r4;
                 mul.wide.u32 %rd2, %t, 4; add.s64 %rd2, %out, %rd2; st.global.u32 [%rd2], %r3;"
            ),
        );
        let found = run(
            &text,
            4,
            0,
            &[9, 0, 1, 1, 9, 1, 1, 0],
            4,
            &Options::default(),
        )
        .unwrap();
        let by_hand: Vec<u32> = [(false, false), (true, true), (false, true), (true, false)]
            .map(|(less, other)| {
                let other = other != (negated == "!");
                let joined = |a: bool| match join {
                    "and" => a && other,
                    "or" => a || other,
                    _ => a != other,
                };
                u32::from(joined(less)) | u32::from(joined(!less)) << 1
            })
            .to_vec();
        assert_eq!(found, by_hand, "{join}");
        if join == "and" {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn special_registers_count_threads_and_blocks() {
    let text = ".version 8.0 .target sm_61 .address_size 64
        .entry k(.param .u64 out) { .reg .b64 %rd<4>; .reg .b32 %r<20>;
        ld.param.u64 %rd1, [out];
        mov.u32 %r1, %ctaid.z; mov.u32 %r2, %nctaid.y; mov.u32 %r3, %ctaid.y; mad.lo.s32 %r1, %r1, %r2, %r3;
        mov.u32 %r2, %nctaid.x; mov.u32 %r3, %ctaid.x; mad.lo.s32 %r1, %r1, %r2, %r3;
        mov.u32 %r4, %tid.z; mov.u32 %r5, %ntid.y; mov.u32 %r6, %tid.y; mad.lo.s32 %r4, %r4, %r5, %r6;
        mov.u32 %r5, %ntid.x; mov.u32 %r6, %tid.x; mad.lo.s32 %r4, %r4, %r5, %r6;
        mov.u32 %r7, %ntid.z; mul.lo.s32 %r7, %r7, 35; mad.lo.s32 %r8, %r1, %r7, %r4;
        mul.wide.u32 %rd2, %r8, 4; add.s64 %rd1, %rd1, %rd2;
        mov.u32 %r9, %laneid; mov.u32 %r10, %warpid; mad.lo.s32 %r9, %r10, 32, %r9; shl.b32 %r1, %r1, 8;
        or.b32 %r9, %r9, %r1; st.global.u32 [%rd1], %r9; }";
    let module = Module::parse(text).unwrap();
    let expected: Vec<u32> = (0..24)
        .flat_map(|block| (0..70).map(move |thread| block << 8 | thread))
        .collect();
    for options in all_schedules() {
        let mut memory = Memory::new();
        let out = memory.reserve(24 * 70 * 4);
        let shape = ([2, 3, 4], [7, 5, 2]);
        module
            .launch("k", shape, 0, &[Argument::U64(out)], &mut memory, &options)
            .unwrap();
        assert_eq!(words(&memory, out, 24 * 70), expected);
    }
}

#[test]
fn barriers_order_the_threads_under_every_schedule() {
    // Reverses 64 words in shared memory, three times.
    let text = kernel(
        ".shared .align 4 .b8 s[256];",
        "mul.wide.u32 %rd1, %t, 4; add.s64 %rd2, %in, %rd1; ld.global.u32 %r1, [%rd2];
         mov.u64 %rd3, s; add.s64 %rd4, %rd3, %rd1; sub.s32 %r2, 63, %t; mul.wide.u32 %rd5, %r2, 4;
         add.s64 %rd5, %rd3, %rd5; mov.u32 %r3, 0;
         $L: st.shared.u32 [%rd4], %r1; bar.sync 0; ld.shared.u32 %r1, [%rd5]; barrier.sync 0;
         add.s32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 3; @%p1 bra $L;
         add.s64 %rd6, %out, %rd1; st.global.u32 [%rd6], %r1;",
    );
    let input: Vec<u32> = (100..164).collect();
    let expected: Vec<u32> = input.iter().rev().copied().collect();
    for options in all_schedules() {
        let found = run(&text, 64, 0, &input, 64, &options).unwrap();
        assert_eq!(found, expected, "{options:?}");
    }
}

#[test]
fn the_order_of_a_schedule_shows_where_threads_race() {
    // Every thread writes its number to one word.
    let text = kernel("", "st.global.u32 [%out], %t; membar.gl;");
    let last = |schedule| {
        let options = Options {
            schedule,
            ..Options::default()
        };
        run(&text, 64, 0, &[0], 1, &options).unwrap()[0]
    };
    assert_eq!(last(Schedule::LowestFirst), 63);
    assert_eq!(last(Schedule::HighestFirst), 0);
    let seeds: Vec<u32> = (0..20).map(|seed| last(Schedule::Random(seed))).collect();
    assert!(seeds.iter().any(|last| *last != seeds[0]));
    assert_eq!(last(Schedule::Random(3)), last(Schedule::Random(3)));
}
