//! System calls that are rewritten into jumps.

use super::*;
use crate::shared::{REPORT_BASE, TEXT_BASE, THUNK_PLAIN, THUNKS_BASE, Thunk};
use crate::space::plain_way;
use crate::zygote::CALLS_OFFSET;

const SIGILL: u32 = 4;

/// An address space in which the calls that end at `ends`, offsets in `code`, are rewritten.
fn rewritten(host: &Host, code: &[u8], ends: &[usize]) -> Arc<Space> {
    let s = space(host, code);
    let mut new = code.to_vec();
    for &end in ends {
        assert!(s.rewrite(CODE + end as u64, &mut new, end), "a call that can be rewritten");
    }
    let memory = &host.shared().memory;
    let text = memory.allocate(4096).unwrap();
    memory.write(text.start, &new);
    s.push_op(op::MAP, range(CODE, 4096), RX, text.start, false);
    s
}

/// mov eax, 39; syscall; mov rbx, rax; mov eax, 60; syscall
const TWO: &[u8] = b"\xb8\x27\0\0\0\x0f\x05\x48\x89\xc3\xb8\x3c\0\0\0\x0f\x05";

#[test]
fn a_rewritten_call_traps_with_all_registers() {
    let host = host();
    let s = rewritten(&host, TWO, &[7, 17]);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        for (i, register) in r.iter_mut().take(16).enumerate() {
            *register = 0x1111_0000 + i as u64;
        }
        // Carry and direction, and bases.
        (r[EFLAGS], r[FS_BASE], r[GS_BASE]) = (0x603, 0x1234_5000, 0x4321_0000);
        let before = r;
        let t = run(&mut c, &s, &mut r).await;
        assert!(
            matches!(t, RawTrap::Signal { signo: 31, code: 1, arch: 0xc000_003e, .. }),
            "{t:x?}"
        );
        let end = CODE + 7;
        assert_eq!((r[RAX], r[ORIG_RAX], r[RIP], r[RCX], r[R11]), (39, 39, end, end, 0x603));
        let kept = [R15, R14, R13, R12, RBP, RBX, R10, R9, R8, RDX, RSI, RDI, EFLAGS, RSP];
        for i in kept.into_iter().chain([FS_BASE, GS_BASE]) {
            assert_eq!(r[i], before[i], "register {i}");
        }
        (r[RAX], r[EFLAGS], r[GS_BASE]) = (1234, 0x202, 0x5000_0000);
        run(&mut c, &s, &mut r).await;
        assert_eq!((r[ORIG_RAX], r[RBX], r[EFLAGS]), (60, 1234, 0x202));
        assert_eq!(r[GS_BASE], 0x5000_0000);
    });
}

#[test]
fn vector_registers_belong_to_the_context() {
    let host = host();
    // 1: movq xmm0, rdi; mov eax, 24; syscall; movq rbx, xmm0; mov eax, 24; syscall; jmp 1b
    let code = b"\x66\x48\x0f\x6e\xc7\xb8\x18\0\0\0\x0f\x05\x66\x48\x0f\x7e\xc3\xb8\x18\0\0\0\x0f\x05\xeb\xe6";
    // Only the first is rewritten: contexts change between the two ways.
    let s = rewritten(&host, code, &[12]);
    host.run(async move {
        let mut contexts: Vec<_> = (0..3).map(|i| (RawContext::default(), regs(), i)).collect();
        for round in 0..300u64 {
            for (c, r, i) in &mut contexts {
                if r[RIP] == CODE + 24 {
                    assert_eq!(r[RBX], r[RDI]);
                    r[RDI] = round << 8 | *i;
                }
                assert_eq!(signal_of(run(c, &s, r).await), SIGSYS);
            }
        }
    });
}

#[test]
fn a_thread_that_is_not_known_makes_plain_calls() {
    let host = host();
    // mov es, ecx; mov eax, 39; syscall
    let s = rewritten(&host, b"\x8e\xc1\xb8\x27\0\0\0\x0f\x05", &[9]);
    host.run(async move {
        for selector in [0, 0x2b] {
            let mut c = RawContext::default();
            let mut r = regs();
            r[RCX] = selector;
            assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
            assert_eq!((r[ORIG_RAX], s.end_of_plain(r[RIP])), (39, Some(CODE + 9)));
            assert_eq!(s.end_of_plain(CODE + 9), None);
        }
    });
}

#[test]
fn each_host_thread_has_its_own_way_in() {
    // 1: movq xmm0, rdi; mov eax, 24; syscall; movq rbx, xmm0; mov ecx, 200000
    // 2: dec ecx; jnz 2b; jmp 1b
    let code = b"\x66\x48\x0f\x6e\xc7\xb8\x18\0\0\0\x0f\x05\x66\x48\x0f\x7e\xc3\
        \xb9\x40\x0d\x03\0\xff\xc9\x75\xfc\xeb\xe4";
    let host = host();
    let s = rewritten(&host, code, &[12]);
    let left = Arc::new(std::sync::atomic::AtomicU32::new(4));
    for i in 0..4u64 {
        let (s, left) = (s.clone(), left.clone());
        let turn = async move {
            let mut c = RawContext::default();
            let mut r = regs();
            (r[RBP], r[GS_BASE]) = (i, 0x1000 * i);
            let mut sent = None;
            for round in 0..500u64 {
                assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
                // Not plainly: the thread was known.
                assert_eq!((r[RIP], r[RCX], r[R11]), (CODE + 12, CODE + 12, r[EFLAGS]));
                assert_eq!((r[RBP], r[GS_BASE]), (i, 0x1000 * i));
                assert!(sent.is_none_or(|sent| r[RBX] == sent), "{sent:x?} {:x}", r[RBX]);
                // What xmm0 has now was loaded from rdi before the call.
                sent = Some(r[RDI]);
                r[RDI] = i << 32 | round;
            }
            left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        };
        host.shared().run_queue.spawn(Box::pin(turn));
    }
    let space = s.clone();
    host.run(async move {
        // A context of its own keeps the run going, with a call a turn.
        let mut c = RawContext::default();
        let mut r = regs();
        while left.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            run(&mut c, &s, &mut r).await;
        }
    });
    let threads = space.report().threads.iter();
    let threads = threads.filter(|t| t.tid.load(std::sync::atomic::Ordering::Relaxed) != 0).count();
    assert!(threads > 1, "{threads} host threads");
}

#[test]
fn a_call_that_has_no_room_of_its_own_is_rewritten_by_way_of_padding() {
    let host = host();
    // xor eax, eax; syscall; cmp rax, -4096; jb 1f; ud2; 1: 6 x nop; ret; then padding
    let code =
        b"\x31\xc0\x0f\x05\x48\x3d\0\xf0\xff\xff\x72\x02\x0f\x0b\x90\x90\x90\x90\x90\x90\xc3\
        \x66\x66\x2e\x0f\x1f\x84\0\0\0\0\0";
    let s = rewritten(&host, code, &[4]);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
        assert_eq!((r[RAX], r[ORIG_RAX], r[RIP], r[RCX]), (0, 0, CODE + 4, CODE + 4));
        // Restarted, with the number where it belongs.
        (r[RIP], r[RAX]) = (CODE + 2, 7);
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
        assert_eq!((r[ORIG_RAX], r[RIP]), (7, CODE + 4));
        r[RAX] = -1i64 as u64;
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGILL);
        assert_eq!(r[RIP], CODE + 12);
    });
}

#[test]
fn the_middle_of_a_rewritten_call_is_no_instruction() {
    let host = host();
    let s = rewritten(&host, TWO, &[7]);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        (r[RIP], r[RAX]) = (CODE + 5, 77);
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGILL);
        assert_eq!((r[RIP], r[RAX]), (CODE + 5, 77));
        assert_eq!(s.end_of_tail(r[RIP]), Some(CODE + 7));
        assert_eq!(s.end_of_tail(CODE + 15), None);
    });
}

#[test]
fn a_copy_has_the_sites_of_its_original() {
    let host = host();
    let s = rewritten(&host, TWO, &[7, 17]);
    let child = rewritten(&host, TWO, &[]);
    child.inherit_sites(&s);
    let (mut ours, mut theirs) = (TWO.to_vec(), TWO.to_vec());
    assert!(s.rewrite(CODE + 17, &mut ours, 17) && child.rewrite(CODE + 17, &mut theirs, 17));
    assert_eq!(ours, theirs);
    assert!(!child.rewrite(CODE + 17, &mut b"\x90\x90\x90\x90\x90\x0f\x05".to_vec(), 7));
    let thunk = THUNKS_BASE + size_of::<Thunk>() as u64;
    assert_eq!(plain_way(thunk), Some(thunk + THUNK_PLAIN));
    assert_eq!(plain_way(thunk + 1), None);
}

#[test]
fn a_single_step_through_a_site_ends_in_the_call() {
    let host = host();
    let s = rewritten(&host, TWO, &[7]);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        r[EFLAGS] |= 0x100;
        for step in 0..4 {
            let t = run(&mut c, &s, &mut r).await;
            if signal_of(t) == SIGSYS {
                assert_eq!((r[ORIG_RAX], s.end_of_plain(r[RIP])), (39, Some(CODE + 7)));
                return;
            }
            assert_eq!(signal_of(t), 5, "step {step}");
            r[RIP] = plain_way(r[RIP]).unwrap_or(r[RIP]);
        }
        panic!("no call");
    });
}

#[test]
fn interruptions_lose_neither_calls_nor_registers() {
    let host = host();
    // 1: inc rbx; mov eax, 24; syscall; jmp 1b
    let s = rewritten(&host, b"\x48\xff\xc3\xb8\x18\0\0\0\x0f\x05\xeb\xf4", &[10]);
    host.run(async move {
        let mut c = RawContext::default();
        let (mut r, mut calls, mut interruptions) = (regs(), 0, 0);
        let i = c.interrupter().clone();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = done.clone();
        let caller = std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                i.interrupt();
                std::thread::sleep(std::time::Duration::from_micros(3));
            }
        });
        while calls < 30_000 {
            match run_once(&mut c, &s, &mut r).await {
                RawTrap::Interrupted => interruptions += 1,
                t => {
                    assert_eq!((signal_of(t), r[RIP]), (SIGSYS, CODE + 10));
                    calls += 1;
                    assert_eq!(r[RBX], calls);
                }
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        caller.join().unwrap();
        assert!(interruptions > 0);
    });
}

#[test]
fn jumps_into_the_way_in_harm_nobody_else() {
    let host = host();
    // jmp rbx
    let code = b"\xff\xe3\xb8\x27\0\0\0\x0f\x05";
    let good = rewritten(&host, TWO, &[7, 17]);
    let image = crate::zygote::image();
    // Up to the jump out, which is the only one through memory.
    let jump = image.windows(2).skip(CALLS_OFFSET as usize).position(|w| w == b"\xff\x25").unwrap();
    host.run(async move {
        let entry = (0..=jump as u64).map(|at| TEXT_BASE + CALLS_OFFSET + at);
        let thunk = (0..size_of::<Thunk>() as u64).map(|at| THUNKS_BASE + at);
        for (n, at) in entry.chain(thunk).enumerate() {
            let bad = space_of(&good.host, code).0;
            assert!(bad.rewrite(CODE + 9, &mut code.to_vec(), 9));
            let mut c = RawContext::default();
            let mut r = regs();
            r[RBX] = at;
            if n % 2 == 1 {
                // As if it were the stub's own.
                (r[RAX], r[R11], r[RSP]) = (REPORT_BASE, REPORT_BASE, REPORT_BASE + 0x4000);
            }
            let i = c.interrupter().clone();
            let b = bad.clone();
            bad.host.run_queue.spawn(Box::pin(async move {
                for _ in 0..3 {
                    run_once(&mut c, &b, &mut r).await;
                }
            }));
            let mut c = RawContext::default();
            let mut r = regs();
            for number in [39, 60] {
                assert_eq!(signal_of(run(&mut c, &good, &mut r).await), SIGSYS);
                assert_eq!(r[ORIG_RAX], number);
                i.interrupt();
            }
            bad.host.condemn(bad.clone());
        }
    });
}
