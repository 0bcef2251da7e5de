use super::*;
use crate::shared::{ACK_FD, CONTROL_BASE, Control, REPORT_BASE, Report, TEXT_BASE};
use std::mem::offset_of;

/// Another address space of the same host still runs.
async fn still_runs(s: &Arc<Space>) {
    let mut c = RawContext::default();
    let mut r = regs();
    for _ in 0..10 {
        assert_eq!(signal_of(run(&mut c, s, &mut r).await), SIGSYS);
    }
}

const LOOP: &[u8] = b"\xb8\x18\0\0\0\x0f\x05\xeb\xf7";

#[test]
fn scribbling_over_the_shared_region_harms_nobody_else() {
    let host = host();
    // rep stosq; mov eax, 24; syscall
    let bad = space(&host, b"\xf3\x48\xab\xb8\x18\0\0\0\x0f\x05");
    let good = space(&host, LOOP);
    host.run(async move {
        for value in [0, u64::MAX, 0x4141_4141_4141_4141, 1] {
            let bad = space_of(&bad.host, b"\xf3\x48\xab\xb8\x18\0\0\0\x0f\x05").0;
            let mut c = RawContext::default();
            let mut r = regs();
            (r[RDI], r[RCX], r[RAX]) = (REPORT_BASE, size_of::<Report>() as u64 / 8, value);
            // It may never come back, so it is not waited for.
            let i = c.interrupter().clone();
            let s = bad.clone();
            bad.host.run_queue.spawn(Box::pin(async move {
                run(&mut c, &s, &mut r).await;
            }));
            still_runs(&good).await;
            i.interrupt();
            still_runs(&good).await;
            bad.host.condemn(bad.clone());
        }
        drop(bad);
    });
}

#[test]
fn what_the_stub_may_only_read_cannot_be_written() {
    let host = host();
    // mov [rdi], eax
    let s = space(&host, b"\x89\x07");
    host.run(async move {
        for at in [CONTROL_BASE, TEXT_BASE] {
            let mut c = RawContext::default();
            let mut r = regs();
            r[RDI] = at;
            let t = run(&mut c, &s, &mut r).await;
            assert!(matches!(t, RawTrap::Signal { signo: 11, trapno: 14, err: 7, .. }), "{t:x?}");
        }
    });
}

#[test]
fn the_stub_s_own_system_calls_are_of_no_use_without_the_cookie() {
    let host = host();
    // jmp rbx
    let bad = space(&host, b"\xff\xe3");
    let good = space(&host, LOOP);
    // Every `syscall` instruction of the stub.
    let image = crate::zygote::image();
    let sites: Vec<u64> = image
        .windows(2)
        .enumerate()
        .filter(|(_, w)| *w == b"\x0f\x05")
        .map(|(i, _)| TEXT_BASE + i as u64)
        .collect();
    assert!(sites.len() > 5);
    host.run(async move {
        // mmap of the memory file, munmap and mprotect of the stub, mprotect for writing, an
        // acknowledgement, a thread, kill, ptrace, socket, execve.
        let calls = [
            (9, [0x70_0000, 4096, 3, 0x11, 0, 0]),
            (11, [TEXT_BASE, 4096, 0, 0, 0, 0]),
            (10, [CONTROL_BASE, 4096, 1, 0, 0, 0]),
            (10, [CODE, 4096, 7, 0, 0, 0]),
            (1, [u64::from(ACK_FD), CONTROL_BASE, 16, 0, 0, 0]),
            (56, [0x0005_0f00, STACK, 0, 0, 0, 0]),
            (62, [1, 9, 0, 0, 0, 0]),
            (101, [16, 1, 0, 0, 0, 0]),
            (41, [2, 1, 0, 0, 0, 0]),
            (59, [0; 6]),
            (231, [0; 6]),
        ];
        let site = sites[sites.len() / 2];
        for (nr, a) in calls {
            let bad = space_of(&bad.host, b"\xff\xe3").0;
            let mut c = RawContext::default();
            let mut r = regs();
            (r[RBX], r[RAX]) = (site, nr);
            (r[RDI], r[RSI], r[RDX], r[R10], r[R8], r[R9]) = (a[0], a[1], a[2], a[3], a[4], a[5]);
            // The filter traps it like any system call of the guest's.
            let t = run(&mut c, &bad, &mut r).await;
            assert_eq!((signal_of(t), r[ORIG_RAX], r[RIP]), (SIGSYS, nr, site + 2));
            still_runs(&good).await;
        }
    });
}

#[test]
fn a_dead_stub_ends_its_own_contexts_only() {
    let host = host();
    let (bad, good) = (space(&host, b"\xeb\xfe"), space(&host, LOOP));
    host.run(async move {
        let pid = bad.child().pid();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        let mut c = RawContext::default();
        let mut r = regs();
        assert_eq!(run(&mut c, &bad, &mut r).await, RawTrap::Dead);
        assert_eq!(run(&mut c, &bad, &mut r).await, RawTrap::Dead);
        killer.join().unwrap();
        still_runs(&good).await;
    });
}

#[test]
fn progress_that_guest_code_claims_frees_no_memory() {
    let host = host();
    // mov dword ptr [rdi], ecx; mov dword ptr [rsi], 1; mov eax, 24; syscall
    let code = b"\x89\x0f\xc7\x06\x01\0\0\0\xb8\x18\0\0\0\x0f\x05";
    let (s, stack) = space_of(host.shared(), code);
    let memory = host.shared().memory.clone();
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        r[RDI] = REPORT_BASE + offset_of!(Report, ops_done) as u64;
        r[RSI] = REPORT_BASE + offset_of!(Report, attention) as u64;
        r[RCX] = 0x4000_0000;
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
        s.push_op(op::UNMAP, range(STACK, 4096), Access::empty(), 0, false);
        s.retire(&[stack]);
        for _ in 0..100 {
            s.poll();
            assert_eq!(memory.ref_count(stack.start), 1);
        }
        // The mapper's word, which comes through the kernel, does.
        flushed(&s).await;
        assert_eq!(memory.ref_count(stack.start), 0);
    });
}

#[test]
fn a_stub_that_was_taken_over_and_answers_no_interrupt_is_ended() {
    let host = host();
    // jmp rbx
    let (bad, page) = space_of(host.shared(), b"\xff\xe3");
    let good = space(&host, LOOP);
    // The mapper's munmap: what follows it looks into what r15 points to, and goes to sleep.
    let image = crate::zygote::image();
    let munmap = image.windows(7).position(|w| w == b"\xb8\x0b\0\0\0\x0f\x05").unwrap();
    let memory = host.shared().memory.clone();
    memory.write(page.start, &u64::MAX.to_ne_bytes());
    memory.write(page.start + 8 + offset_of!(Control, ops_tail) as u64, &1u32.to_ne_bytes());
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        // rt_sigprocmask(SIG_SETMASK, all, NULL, 8)
        (r[RBX], r[RAX]) = (TEXT_BASE + munmap as u64 + 5, 14);
        (r[RDI], r[RSI], r[RDX], r[R10]) = (2, STACK, 0, 8);
        (r[R15], r[R14]) = (STACK + 8, STACK + 1024);
        let i = c.interrupter().clone();
        let b = bad.clone();
        bad.host.run_queue.spawn(Box::pin(async move {
            for _ in 0..1000 {
                still_runs(&good).await;
                if b.is_in_use() {
                    i.interrupt();
                }
            }
        }));
        assert_eq!(run(&mut c, &bad, &mut r).await, RawTrap::Dead);
    });
}
