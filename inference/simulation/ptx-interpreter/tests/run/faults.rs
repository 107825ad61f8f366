//! What a GPU does silently is a fault here, with its line.

use ptx_interpreter::{Argument, Cause, Memory, Module, Options, Schedule, Space};

use crate::support::{all_schedules, cause, kernel, run};

#[test]
fn accesses_are_checked() {
    let options = Options::default();
    let shared = ".shared .align 4 .b8 s[64];";
    for (body, space, expected) in [
        (
            "ld.global.u32 %r1, [%in+256];",
            Space::Global,
            "out of bounds",
        ),
        (
            "ld.global.u32 %r1, [%in+-4];",
            Space::Global,
            "out of bounds",
        ),
        (
            "ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%in+248];",
            Space::Global,
            "not aligned",
        ),
        (
            "ld.global.v2.u32 {%r1,%r2}, [%in+256];",
            Space::Global,
            "out of bounds",
        ),
        ("ld.global.u32 %r1, [%in+2];", Space::Global, "not aligned"),
        ("ld.global.u16 %rs1, [%in+1];", Space::Global, "not aligned"),
        (
            "ld.global.u32 %r1, [%out];",
            Space::Global,
            "before they are written",
        ),
        (
            "st.global.u8 [%out], 1; ld.global.u16 %rs1, [%out];",
            Space::Global,
            "before they are written",
        ),
        (
            "st.global.u32 [%out+256], 1;",
            Space::Global,
            "out of bounds",
        ),
        (
            "mov.u64 %rd1, 0; ld.global.u8 %rs1, [%rd1];",
            Space::Global,
            "out of bounds",
        ),
        (
            "mov.u64 %rd1, 8; st.u8 [%rd1], 1;",
            Space::Generic,
            "out of bounds",
        ),
        (
            "ld.shared.u32 %r1, [s];",
            Space::Shared,
            "before they are written",
        ),
        ("st.shared.u32 [s+64], 1;", Space::Shared, "out of bounds"),
        ("ld.shared.u32 %r1, [s+-4];", Space::Shared, "out of bounds"),
        ("st.shared.u32 [s+1], 1;", Space::Shared, "not aligned"),
        (
            "mov.u64 %rd1, s; ld.global.u32 %r1, [%rd1];",
            Space::Global,
            "out of bounds",
        ),
        (
            "ld.param.u64 %rd1, [output+8];",
            Space::Param,
            "out of bounds",
        ),
        ("ld.const.u32 %r1, [v+4];", Space::Const, "out of bounds"),
        ("st.global.u32 [v], 1;", Space::Global, "may only be read"),
    ] {
        let text = kernel(
            &format!("{shared} .const .u32 v = 1;"),
            &format!("\n{body}\n"),
        );
        let (found, line) = cause(&text, 1, 0, &options).unwrap();
        let message = found.to_string();
        assert!(message.contains(expected), "{body} {message}");
        assert!(message.contains(&space.to_string()), "{body} {message}");
        assert_eq!(line, body);
    }
}

#[test]
fn poison_is_read_where_that_is_allowed() {
    let text = kernel(
        ".shared .align 4 .b8 s[64];",
        "ld.shared.u32 %r1, [s+8]; st.global.u32 [%out], %r1;",
    );
    let options = Options {
        uninitialised: false,
        ..Options::default()
    };
    assert_eq!(run(&text, 1, 0, &[0], 1, &options).unwrap(), [0xCDCD_CDCD]);
}

#[test]
fn shared_memory_of_one_block_is_not_seen_by_the_next() {
    let text = ".version 8.0 .target sm_61 .address_size 64
        .entry k() { .shared .b32 s; .reg .pred %p; .reg .b32 %r;
        mov.u32 %r, %ctaid.x; setp.eq.u32 %p, %r, 0; @%p st.shared.u32 [s], 1; ld.shared.u32 %r, [s]; }";
    let module = Module::parse(text).unwrap();
    let shape = ([2, 1, 1], [1, 1, 1]);
    let fault = module
        .launch("k", shape, 0, &[], &mut Memory::new(), &Options::default())
        .unwrap_err();
    assert_eq!(fault.place.unwrap().block, [1, 0, 0]);
    assert!(
        fault
            .to_string()
            .starts_with("kernel k, line 3, block [1, 0, 0], thread [0, 0, 0]: 4 bytes at shared")
    );
}

#[test]
fn a_barrier_that_some_threads_do_not_reach_is_a_deadlock() {
    let text = kernel(
        "",
        "setp.gt.u32 %p1, %t, 9; @%p1 bra $B;\nbar.sync 0; // first\nbra $C; $B:\nbar.sync 0;\n$C:",
    );
    for options in all_schedules() {
        let (found, line) = cause(&text, 64, 0, &options).unwrap();
        assert!(line.contains("first"));
        let other_line = text.lines().position(|line| line == "bar.sync 0;").unwrap() as u32 + 1;
        assert_eq!(
            found,
            Cause::Barrier {
                waiting: 10,
                live: 64,
                other: [10, 0, 0],
                other_line
            }
        );
    }
}

#[test]
fn a_missing_barrier_is_found_by_an_order_or_by_the_race_mode() {
    let body = "mul.wide.u32 %rd1, %t, 4; mov.u64 %rd2, s; add.s64 %rd3, %rd2, %rd1;
        st.shared.u32 [%rd3], %t; BARRIER
        ld.shared.u32 %r1, [%rd3+NEIGHBOUR]; add.s64 %rd4, %out, %rd1; st.global.u32 [%rd4], %r1;";
    for (neighbour, threads) in [
        ("4", "setp.eq.u32 %p1, %t, 63; @%p1 ret;"),
        ("-4", "setp.eq.u32 %p1, %t, 0; @%p1 ret;"),
    ] {
        let text = |barrier: &str| {
            // The thread at the end has no neighbour: it leaves after the barrier.
            let body = body
                .replace("BARRIER", &format!("{barrier} {threads}\n"))
                .replace("NEIGHBOUR", neighbour);
            kernel(".shared .align 4 .b8 s[256];", &body)
        };
        let without = text("");
        let with = text("bar.sync 0;");
        for options in all_schedules() {
            assert!(!matches!(
                cause(&with, 64, 0, &options),
                Some((Cause::Race { .. }, _))
            ));
            if options.races {
                let (found, _) = cause(&without, 64, 0, &options).unwrap();
                assert!(matches!(
                    found,
                    Cause::Race {
                        space: Space::Shared,
                        ..
                    } | Cause::Uninitialised { .. }
                ));
            }
        }
        // One of the two orders reads what nobody wrote yet.
        let unwritten = [Schedule::LowestFirst, Schedule::HighestFirst].map(|schedule| {
            let options = Options {
                schedule,
                ..Options::default()
            };
            matches!(
                cause(&without, 64, 0, &options),
                Some((Cause::Uninitialised { .. }, _))
            )
        });
        assert_eq!(unwritten, [neighbour == "4", neighbour == "-4"]);
    }
}

#[test]
fn races_name_both_lines() {
    let options = Options {
        races: true,
        ..Options::default()
    };
    // A write after a read of another thread, which no order shows as uninitialised.
    let text = kernel(
        ".shared .align 4 .b8 s[256];",
        "mul.wide.u32 %rd1, %t, 4; mov.u64 %rd2, s; add.s64 %rd3, %rd2, %rd1; st.shared.u32 [%rd3], %t; bar.sync 0;\n
         ld.shared.u8 %rs1, [s+5];\n setp.ne.u32 %p1, %t, 1; @%p1 bra $E;\n st.shared.u16 [s+4], 7;\n $E:",
    );
    let (found, line) = cause(&text, 64, 0, &options).unwrap();
    assert!(line.contains("st.shared.u16"));
    let Cause::Race {
        space,
        address,
        other_thread,
        other_line,
        ..
    } = found
    else {
        panic!("{found}");
    };
    assert_eq!((space, address, other_thread), (Space::Shared, 5, 0));
    assert!(
        text.lines()
            .nth(other_line as usize - 1)
            .unwrap()
            .contains("ld.shared.u8")
    );
    // Bytes beside each other are no race.
    let text = kernel(
        ".shared .align 4 .b8 s[64];",
        "mov.u64 %rd1, s; cvt.u64.u32 %rd2, %t; add.s64 %rd1, %rd1, %rd2; st.shared.u8 [%rd1], 1; ld.shared.u8 %rs1, [%rd1];",
    );
    assert!(!matches!(
        cause(&text, 64, 0, &options),
        Some((Cause::Race { .. }, _))
    ));
}

#[test]
fn two_threads_that_write_one_global_word_race() {
    let options = Options {
        races: true,
        ..Options::default()
    };
    let text = kernel(
        "",
        "and.b32 %r1, %t, 31; mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %out, %rd1; st.global.u32 [%rd1], 1;",
    );
    let (found, _) = cause(&text, 64, 0, &options).unwrap();
    assert!(matches!(
        found,
        Cause::Race {
            space: Space::Global,
            other_thread: 0,
            ..
        }
    ));
    // Blocks have no barrier between them.
    let text = ".version 8.0 .target sm_61 .address_size 64
        .entry k(.param .u64 out) { .reg .b64 %rd; ld.param.u64 %rd, [out]; bar.sync 0; st.global.u32 [%rd], 1; }";
    let module = Module::parse(text).unwrap();
    let mut memory = Memory::new();
    let arguments = [Argument::U64(memory.reserve(4))];
    let shape = ([2, 1, 1], [1, 1, 1]);
    let fault = module
        .launch("k", shape, 0, &arguments, &mut memory, &options)
        .unwrap_err();
    assert!(matches!(fault.cause, Cause::Race { other_block: 0, .. }));
}

#[test]
fn endless_loops_and_divisions_by_zero_end() {
    let options = Options {
        step_limit: 10_000,
        ..Options::default()
    };
    let (found, _) = cause(&kernel("", "$L: bra $L;"), 2, 0, &options).unwrap();
    assert_eq!(found, Cause::Steps { limit: 10_000 });
    let (found, _) = cause(
        &kernel("", "mov.u32 %r1, 0; div.u32 %r2, %t, %r1;"),
        1,
        0,
        &options,
    )
    .unwrap();
    assert_eq!(found, Cause::DivisionByZero);
}

#[test]
fn launches_that_no_gpu_takes_are_refused() {
    let text = ".version 8.0 .target sm_61 .address_size 64 .entry k() { .shared .b8 s[49152]; }";
    let module = Module::parse(text).unwrap();
    let launch = |kernel, grid, block, shared| {
        let options = Options::default();
        let result = module.launch(
            kernel,
            (grid, block),
            shared,
            &[],
            &mut Memory::new(),
            &options,
        );
        result.map_err(|fault| fault.cause)
    };
    assert!(launch("k", [1; 3], [1024, 1, 1], 1000).is_ok());
    assert_eq!(launch("none", [1; 3], [1; 3], 0), Err(Cause::NoKernel));
    for (grid, block, shared) in [
        ([0, 1, 1], [1, 1, 1], 0),
        ([1, 70_000, 1], [1, 1, 1], 0),
        ([1, 1, 1], [1025, 1, 1], 0),
        ([1, 1, 1], [32, 33, 1], 0),
        ([1, 1, 1], [1, 1, 65], 0),
        ([1, 1, 1], [1, 1, 1], 200_000),
    ] {
        assert!(matches!(
            launch("k", grid, block, shared),
            Err(Cause::Size { .. })
        ));
    }
}
