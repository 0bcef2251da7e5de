//! Scripts for what random ones seldom reach: bad arguments, and each rule by name.

use crate::script::{
    Act, KERNEL, NOBODY, UNMAPPED, Value, call, call2, place, wait, wake, wake_op,
};
use futex::abi::{OWNER_DIED, WAITERS, cmd};

/// All of them, by name.
pub(crate) fn scripts() -> Vec<(&'static str, Vec<Act>)> {
    use Act::{Futex, Requeue2, Set, Wait2, Waitv, Wake2};
    let p = |op| op | 128;
    let pair = |who, op, a: u32, b: u32, n: u32, m: i32, val3| Futex {
        who,
        op,
        a,
        val: n,
        val2: m,
        b,
        val3,
    };
    let w3 = || vec![wait(1, 0), wait(2, 0), wait(3, 0)];
    let with = |mut first: Vec<Act>, then: Vec<Act>| {
        first.extend(then);
        first
    };
    vec![
        (
            "wake_counts",
            with(w3(), vec![wake(0, 0, 0), wake(0, 0, -5), wake(0, 0, 9), wake(0, 0, 1)]),
        ),
        ("wrong_value", vec![Set(0, Value::Num(7)), wait(1, 0), call(1, cmd::WAIT, place(0), 7)]),
        (
            "addresses",
            [
                cmd::WAIT,
                cmd::WAKE,
                cmd::LOCK_PI,
                cmd::TRYLOCK_PI,
                cmd::WAIT_BITSET,
                cmd::WAKE_BITSET,
            ]
            .into_iter()
            .flat_map(|op| [UNMAPPED, KERNEL, KERNEL + 2, place(0) + 2].map(|a| (op, a)))
            .flat_map(|(op, a)| [pair(0, p(op), a, 0, 1, 0, 1), pair(0, op, a, 0, 1, 0, 1)])
            .collect(),
        ),
        (
            "unlock_unmapped",
            vec![call(0, cmd::UNLOCK_PI, UNMAPPED, 0), call(0, cmd::UNLOCK_PI, KERNEL, 0)],
        ),
        (
            "second_addresses",
            [
                cmd::REQUEUE,
                cmd::CMP_REQUEUE,
                cmd::WAKE_OP,
                cmd::CMP_REQUEUE_PI,
                cmd::WAIT_REQUEUE_PI,
            ]
            .into_iter()
            .flat_map(|op| [UNMAPPED, KERNEL, place(1) + 1, place(0)].map(|b| (op, b)))
            .flat_map(|(op, b)| {
                let n = if op == cmd::WAIT_REQUEUE_PI { 7 } else { 1 };
                [pair(0, p(op), 0, b, n, 0, 0), pair(0, op, 0, b, n, 0, 0)]
            })
            .collect(),
        ),
        (
            "unknown_operations",
            [2, 14, 15, 100, 0x1000, 0x8000_0000]
                .into_iter()
                .flat_map(|op| [op, op | 128, op | 256])
                .chain((0..14).filter(|op| ![9, 11, 13, 2].contains(op)).map(|op| op | 256))
                .map(|op| call2(0, op, (0, 1), (1, 0), 1))
                .collect(),
        ),
        (
            "clock_on_what_takes_it",
            vec![
                pair(0, 256 | 9 | 128, 0, 0, 1, 0, 1),
                pair(0, 256 | 11 | 128, 0, 16, 1, 0, 1),
                pair(0, 256 | 13 | 128, 0, 0, 1, 0, 0),
            ],
        ),
        ("empty_bitset", vec![pair(0, p(9), 0, 0, 0, 0, 0), pair(0, p(10), 0, 0, 1, 0, 0)]),
        (
            "requeue_returns_both",
            with(
                w3(),
                vec![call2(0, cmd::REQUEUE, (0, 1), (1, 1), 0), wake(0, 1, 9), wake(0, 0, 9)],
            ),
        ),
        (
            "cmp_requeue_returns_both",
            with(
                w3(),
                vec![
                    call2(0, cmd::CMP_REQUEUE, (0, 1), (1, 9), 1),
                    call2(0, cmd::CMP_REQUEUE, (0, 1), (1, 9), 0),
                    wake(0, 1, 9),
                ],
            ),
        ),
        (
            "requeue_to_self",
            with(
                w3(),
                vec![
                    call2(0, cmd::REQUEUE, (0, 0), (1, i32::MAX), 0),
                    call2(0, cmd::CMP_REQUEUE, (0, 0), (0, 1), 0),
                    wake(0, 0, 9),
                ],
            ),
        ),
        (
            "requeue_zero",
            with(
                w3(),
                vec![call2(0, cmd::REQUEUE, (0, 1), (0, 0), 0), wake(0, 1, 9), wake(0, 0, 9)],
            ),
        ),
        (
            "negative_counts",
            vec![
                call2(0, cmd::REQUEUE, (0, 1), (-1, 0), 0),
                call2(0, cmd::REQUEUE, (0, 1), (0, -1), 0),
                call2(0, cmd::CMP_REQUEUE, (0, 1), (-1, -1), 5),
                call2(0, cmd::CMP_REQUEUE_PI, (0, 1), (1, -1), 5),
            ],
        ),
        (
            "wrong_kind",
            vec![
                wait(1, 0),
                pair(0, cmd::WAKE, 0, 0, 9, 0, 0),
                wake(0, 0, 1),
                pair(1, cmd::WAIT, 0, 0, 0, 0, 0),
                wake(0, 0, 1),
                pair(0, cmd::WAKE, 0, 0, 9, 0, 0),
            ],
        ),
        (
            "requeue_keeps_bitset",
            vec![
                pair(1, p(9), 0, 0, 0, 0, 1),
                pair(2, p(9), 0, 0, 0, 0, 2),
                call2(0, cmd::REQUEUE, (0, 1), (0, 9), 0),
                pair(0, p(10), 16, 0, 9, 0, 4),
                pair(0, p(10), 16, 0, 9, 0, 2),
                pair(0, p(10), 16, 0, 9, 0, 1),
            ],
        ),
        (
            "wake_op_signed",
            with(
                w3(),
                vec![
                    Set(1, Value::Num(0xffff_fffe)),
                    call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(0, 0, 0xfff, 2, 0xfff)),
                    call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(1, 0, 0x800, 4, 0xffe)),
                ],
            ),
        ),
        (
            "wake_op_shift",
            vec![
                call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(0, 1, 31, 0, 0)),
                call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(1, 1, 33, 0, 0)),
                call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(4, 1, 0xfff, 0, 0)),
            ],
        ),
        (
            "wake_op_counts",
            vec![
                wait(1, 0),
                wait(2, 0),
                wait(3, 1),
                wait(4, 1),
                call2(0, cmd::WAKE_OP, (0, 1), (0, 0), wake_op(1, 0, 0, 0, 0)),
                call2(0, cmd::WAKE_OP, (0, 1), (-1, -1), wake_op(1, 0, 0, 0, 0)),
            ],
        ),
        (
            "wake_op_unknown",
            vec![
                wait(1, 0),
                call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(5, 0, 1, 0, 0)),
                call2(0, cmd::WAKE_OP, (0, 1), (1, 1), wake_op(0, 0, 9, 6, 0)),
                wake(0, 0, 1),
            ],
        ),
        (
            "wake_op_same_word",
            vec![
                wait(1, 0),
                wait(2, 0),
                wait(3, 0),
                call2(0, cmd::WAKE_OP, (0, 0), (1, 1), wake_op(1, 0, 1, 0, 0)),
            ],
        ),
        (
            "pi_lock_hand_over",
            vec![
                call(0, 6, 0, 0),
                call(1, 6, 0, 0),
                call(2, 13, 0, 0),
                call(3, 8, 0, 0),
                call(3, 7, 0, 0),
                call(0, 7, 0, 0),
                call(1, 7, 0, 0),
                call(2, 7, 0, 0),
                call(2, 7, 0, 0),
            ],
        ),
        (
            "pi_deadlock",
            vec![
                call(0, 6, 0, 0),
                call(0, 6, 0, 0),
                call(1, 6, 16, 0),
                call(2, 6, 32, 0),
                call(0, 6, 16, 0),
                call(1, 6, 32, 0),
                call(2, 6, 0, 0),
                call(2, 8, 0, 0),
            ],
        ),
        (
            "pi_no_owner",
            vec![
                Set(0, Value::Num(NOBODY)),
                call(0, 6, 0, 0),
                Set(0, Value::Num(NOBODY)),
                call(0, 8, 0, 0),
                Set(0, Value::Num(NOBODY | OWNER_DIED)),
                call(0, 6, 0, 0),
                Set(0, Value::Num(OWNER_DIED)),
                call(0, 6, 0, 0),
                call(0, 7, 0, 0),
                Set(0, Value::Num(OWNER_DIED | WAITERS)),
                call(0, 8, 0, 0),
                call(0, 7, 0, 0),
                Set(0, Value::Num(WAITERS)),
                call(0, 6, 0, 0),
            ],
        ),
        (
            "pi_mixed_with_plain",
            vec![
                wait(1, 0),
                Set(0, Value::Tid(3, 0)),
                call(0, 6, 0, 0),
                call(0, 8, 0, 0),
                call(3, 7, 0, 0),
                wake(0, 0, 9),
                call(0, 6, 0, 0),
                wake(2, 0, 9),
                call2(2, cmd::REQUEUE, (0, 1), (1, 1), 0),
                call2(2, cmd::REQUEUE, (0, 1), (0, 0), 0),
            ],
        ),
        (
            "pi_inconsistent",
            vec![
                call(0, 6, 0, 0),
                call(1, 6, 0, 0),
                Set(0, Value::Tid(2, 0)),
                call(3, 6, 0, 0),
                call(2, 7, 0, 0),
                Set(0, Value::Num(0)),
                call(3, 6, 0, 0),
                Set(0, Value::Tid(0, OWNER_DIED)),
                call(3, 6, 0, 0),
                call(0, 7, 0, 0),
            ],
        ),
        (
            "requeue_pi_free",
            vec![
                call2(1, 11, (0, 1), (0, 0), 0),
                call2(2, 11, (0, 1), (0, 0), 0),
                call2(3, 11, (0, 1), (0, 0), 0),
                wake(0, 0, 1),
                call2(0, 3, (0, 2), (1, 1), 0),
                call2(0, 12, (0, 2), (1, 1), 0),
                call2(0, 12, (0, 1), (1, 1), 1),
                call2(0, 12, (0, 1), (2, 1), 0),
                call2(0, 12, (0, 1), (1, 1), 0),
                call(1, 7, 16, 0),
                call2(0, 12, (0, 1), (1, 9), 0),
                call(2, 7, 16, 0),
                call(3, 7, 16, 0),
            ],
        ),
        (
            "requeue_pi_owned",
            vec![
                call(0, 6, 16, 0),
                call2(1, 11, (0, 1), (0, 0), 0),
                call2(2, 11, (0, 1), (0, 0), 0),
                call2(4, 12, (0, 1), (1, 0), 0),
                call2(4, 12, (0, 1), (1, 9), 0),
                call(0, 7, 16, 0),
                call(1, 7, 16, 0),
                call(2, 7, 16, 0),
            ],
        ),
        (
            "requeue_pi_wake_only",
            vec![
                call2(1, 11, (0, 1), (0, 0), 0),
                call2(2, 11, (0, 1), (0, 0), 0),
                call2(0, 12, (0, 1), (1, 0), 0),
                call2(0, 12, (0, 1), (1, 0), 0),
                call(1, 7, 16, 0),
                call(2, 7, 16, 0),
            ],
        ),
        (
            "requeue_pi_of_owner",
            vec![
                call(1, 6, 16, 0),
                call2(1, 11, (0, 1), (0, 0), 0),
                call2(0, 12, (0, 1), (1, 9), 0),
            ],
        ),
        (
            "requeue_pi_second_owns",
            vec![
                call(2, 6, 16, 0),
                call2(1, 11, (0, 1), (0, 0), 0),
                call2(2, 11, (0, 1), (0, 0), 0),
                call2(0, 12, (0, 1), (1, 9), 0),
                call(2, 7, 16, 0),
            ],
        ),
        (
            "requeue_pi_dead_owner",
            vec![
                Set(1, Value::Num(NOBODY)),
                call2(1, 11, (0, 1), (0, 0), 0),
                call2(0, 12, (0, 1), (1, 9), 0),
            ],
        ),
        (
            "waitv",
            vec![
                Waitv { who: 1, entries: vec![(0, 0, 0x82), (16, 0, 0x82), (32, 0, 0x82)] },
                wake(0, 2, 1),
                Waitv { who: 1, entries: vec![(0, 0, 0x82), (16, 1, 0x82)] },
                Waitv { who: 1, entries: vec![(0, 0, 0x82), (0, 0, 0x82)] },
                wake(0, 0, 9),
                Waitv { who: 1, entries: vec![(0, 0, 0x82)] },
                call2(0, 3, (0, 1), (0, 1), 0),
                wake(0, 1, 1),
            ],
        ),
        (
            "waitv_bad",
            vec![
                Waitv { who: 0, entries: vec![] },
                Waitv { who: 0, entries: vec![(0, 1, 2); 129] },
                Waitv { who: 0, entries: vec![(0, 1, 2); 128] },
                Waitv { who: 0, entries: vec![(0, 1 << 32, 2)] },
                Waitv { who: 0, entries: vec![(0, 1, 0)] },
                Waitv { who: 0, entries: vec![(0, 1, 1)] },
                Waitv { who: 0, entries: vec![(0, 1, 3)] },
                Waitv { who: 0, entries: vec![(0, 1, 0x12)] },
                Waitv { who: 0, entries: vec![(2, 1, 2)] },
                Waitv { who: 0, entries: vec![(0, 1, 2), (KERNEL, 1, 2)] },
                Waitv { who: 0, entries: vec![(0, 0, 2), (UNMAPPED, 1, 0x82)] },
            ],
        ),
        (
            "futex2",
            vec![
                Wait2 { who: 1, a: 0, val: 0, mask: 1, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 2, n: 1, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 1, n: 0, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 1, n: 1, flags: 2 },
                Wake2 { who: 0, a: 0, mask: 1, n: 1, flags: 0x82 },
                Wait2 { who: 1, a: 0, val: 1, mask: 1, flags: 0x82 },
                Wait2 { who: 1, a: 0, val: 0, mask: 0, flags: 0x82 },
                Wait2 { who: 1, a: 0, val: 1 << 32, mask: 1, flags: 0x82 },
                Wait2 { who: 1, a: 0, val: 0, mask: 1 << 32, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 1 << 32, n: 1, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 0, n: 1, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 0, n: 0, flags: 0x82 },
                Wake2 { who: 0, a: 2, mask: 1, n: 0, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 1, n: -1, flags: 0x82 },
                Wake2 { who: 0, a: 0, mask: 1, n: 1, flags: 0x80 },
                Wake2 { who: 0, a: 0, mask: 1, n: 1, flags: 0x81 },
                Wake2 { who: 0, a: 0, mask: 1, n: 1, flags: 0x83 },
                Wake2 { who: 0, a: 0, mask: 1, n: 1, flags: 0x182 },
            ],
        ),
        (
            "futex2_requeue",
            vec![
                wait(1, 0),
                wait(2, 0),
                Requeue2 { who: 0, a: (0, 1, 0x82), b: (16, 0, 0x82), n: 1, m: 1 },
                Requeue2 { who: 0, a: (0, 0, 0x82), b: (16, 0, 0x80), n: 1, m: 1 },
                Requeue2 { who: 0, a: (0, 0, 0x82), b: (16, 0, 0x82), n: -1, m: 1 },
                Requeue2 { who: 0, a: (0, 0, 0x82), b: (0, 0, 0x82), n: 0, m: 1 },
                Requeue2 { who: 0, a: (0, 0, 0x82), b: (16, 9, 2), n: 1, m: 1 },
                wake(0, 1, 1),
                Wake2 { who: 0, a: 16, mask: 1, n: 1, flags: 2 },
            ],
        ),
    ]
}
