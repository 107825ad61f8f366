//! Shuffles and votes.

use ptx_interpreter::{Cause, Options};

use crate::support::{all_schedules, cause, kernel, run};

#[test]
fn shuffles_follow_the_definition() {
    for (mode, width) in [("up", 0u32), ("down", 31), ("bfly", 31), ("idx", 31)] {
        for segment in [32u32, 16, 8] {
            // As __shfl_*_sync(mask, value, b, segment) writes it.
            let c = (32 - segment) << 8 | width;
            for b in [0u32, 1, 2, 5, 15, 16, 31] {
                let text = kernel(
                    "",
                    &format!(
                        "mul.lo.u32 %r1, %t, 10; shfl.sync.{mode}.b32 %r2|%p1, %r1, {b}, {c}, -1;
                         selp.u32 %r3, 1000, 0, %p1; add.s32 %r2, %r2, %r3;
                         mul.wide.u32 %rd1, %t, 4; add.s64 %rd1, %out, %rd1; st.global.u32 [%rd1], %r2;"
                    ),
                );
                let expected: Vec<u32> = (0..64)
                    .map(|thread: u32| {
                        let (start, place) = (thread / segment * segment, thread % segment);
                        let source = match mode {
                            "up" => place.checked_sub(b),
                            "down" => Some(place + b).filter(|source| *source < segment),
                            "bfly" => Some(place ^ b).filter(|source| *source < segment),
                            _ => Some(b % segment),
                        };
                        // A butterfly may reach lower segments, since only the upper end is a limit.
                        let source = match (mode, source) {
                            ("bfly", _) if (thread ^ b) % 32 <= ((thread % 32) | (segment - 1)) => {
                                Some(thread ^ b)
                            }
                            (_, source) => source.map(|source| start + source),
                        };
                        source.map_or(thread * 10, |source| source * 10 + 1000)
                    })
                    .collect();
                for options in all_schedules() {
                    let found = run(&text, 64, 0, &[0], 64, &options).unwrap();
                    assert_eq!(found, expected, "{mode} {segment} {b}");
                }
            }
        }
    }
}

#[test]
fn votes_count_the_lanes_of_the_mask() {
    let text = kernel(
        "",
        "and.b32 %r1, %t, 3; setp.eq.u32 %p1, %r1, 0; vote.sync.ballot.b32 %r2, %p1, -1;
         vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, %p1, -1; vote.sync.uni.pred %p4, !%p1, -1;
         selp.u32 %r3, 1, 0, %p2; selp.u32 %r4, 2, 0, %p3; selp.u32 %r5, 4, 0, %p4; or.b32 %r3, %r3, %r4; or.b32 %r3, %r3, %r5;
         setp.lt.u32 %p5, %t, 16; mov.u32 %r6, -65536; @%p5 mov.u32 %r6, 65535; vote.sync.all.pred %p6, %p5, %r6;
         selp.u32 %r7, 8, 0, %p6; or.b32 %r3, %r3, %r7; activemask.b32 %r8; bar.warp.sync -1;
         mul.wide.u32 %rd1, %t, 12; add.s64 %rd1, %out, %rd1; st.global.u32 [%rd1], %r2; st.global.u32 [%rd1+4], %r3; st.global.u32 [%rd1+8], %r8;",
    );
    for options in all_schedules() {
        let found = run(&text, 32, 0, &[0], 96, &options).unwrap();
        for (lane, words) in found.chunks(3).enumerate() {
            assert_eq!(
                words,
                [0x1111_1111, if lane < 16 { 9 } else { 1 }, 0xFFFF_FFFF]
            );
        }
    }
}

#[test]
fn the_active_mask_has_the_lanes_that_are_there() {
    let text = kernel(
        "",
        "mul.wide.u32 %rd1, %t, 4; add.s64 %rd1, %out, %rd1; st.global.u32 [%rd1], %t;
         setp.lt.u32 %p1, %t, 4; @%p1 ret; bar.sync 0; activemask.b32 %r1; bar.sync 0; st.global.u32 [%rd1], %r1;",
    );
    let expected: Vec<u32> = (0..40)
        .map(|thread| match thread {
            0..4 => thread,
            4..32 => 0xFFFF_FFF0,
            _ => 0xFF,
        })
        .collect();
    for options in all_schedules() {
        let found = run(&text, 40, 0, &[0], 40, &options).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_sum_over_the_warp_keeps_its_order() {
    let text = kernel(
        "",
        "mul.wide.u32 %rd1, %t, 4; add.s64 %rd2, %in, %rd1; ld.global.f32 %f1, [%rd2]; mov.u32 %r1, 16;
         $L: mov.b32 %r2, %f1; shfl.sync.down.b32 %r3, %r2, %r1, 31, -1; mov.b32 %f2, %r3; add.rn.f32 %f1, %f1, %f2;
         shr.u32 %r1, %r1, 1; setp.ne.u32 %p1, %r1, 0; @%p1 bra $L;
         setp.eq.u32 %p2, %t, 0; @%p2 st.global.f32 [%out], %f1;",
    );
    let values: Vec<f32> = (0..32).map(|i| 1.0 / (i as f32 + 0.7)).collect();
    let mut sums = values.clone();
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    let input: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
    for options in all_schedules() {
        assert_eq!(
            run(&text, 32, 0, &input, 1, &options).unwrap(),
            [sums[0].to_bits()]
        );
    }
}

#[test]
fn lanes_that_do_not_come_are_named() {
    let options = Options::default();
    let left = kernel(
        "",
        "setp.gt.u32 %p1, %t, 9; @%p1 ret; vote.sync.ballot.b32 %r1, %p1, -1;",
    );
    let (found, line) = cause(&left, 32, 0, &options).unwrap();
    assert_eq!(
        found,
        Cause::Mask {
            mask: u32::MAX,
            lane: 10
        }
    );
    assert!(line.contains("vote.sync"));
    let elsewhere = kernel(
        "",
        "setp.gt.u32 %p1, %t, 9; @%p1 bra $B; bar.warp.sync -1; bra $C; $B: bar.sync 0; $C:",
    );
    let (found, _) = cause(&elsewhere, 32, 0, &options).unwrap();
    assert_eq!(
        found,
        Cause::Mask {
            mask: u32::MAX,
            lane: 10
        }
    );
    let not_itself = kernel("", "bar.warp.sync 1;");
    let (found, _) = cause(&not_itself, 2, 0, &options).unwrap();
    assert_eq!(found, Cause::Mask { mask: 1, lane: 1 });
    let source = kernel("", "shfl.sync.down.b32 %r1, %t, 16, 31, -1;");
    let (found, _) = cause(&source, 20, 0, &options).unwrap();
    assert_eq!(found, Cause::ShuffleSource { lane: 20 });
}
