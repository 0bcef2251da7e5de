use super::*;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn a_system_call_traps_with_all_registers() {
    let host = host();
    // mov eax, 39; syscall; mov rbx, rax; mov eax, 60; syscall
    let code = b"\xb8\x27\0\0\0\x0f\x05\x48\x89\xc3\xb8\x3c\0\0\0\x0f\x05";
    let s = space(&host, code);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        for (i, register) in r.iter_mut().take(16).enumerate() {
            *register = 0x1111_0000 + i as u64;
        }
        let t = run(&mut c, &s, &mut r).await;
        assert!(
            matches!(t, RawTrap::Signal { signo: 31, code: 1, arch: 0xc000_003e, .. }),
            "{t:x?}"
        );
        assert_eq!((r[ORIG_RAX], r[RIP], r[R15], r[R8]), (39, CODE + 7, 0x1111_0000, 0x1111_0009));
        assert_eq!(r[RSP], STACK + 4096);
        r[RAX] = 1234;
        run(&mut c, &s, &mut r).await;
        assert_eq!((r[ORIG_RAX], r[RBX]), (60, 1234));
    });
}

#[test]
fn faults_tell_address_and_access_and_are_retried() {
    let host = host();
    // mov [rdi], eax; mov eax, [rsi]; int3; ud2; div ecx (of zero); call rdx
    let code = b"\x89\x07\x8b\x06\xcc\x0f\x0b\xf7\xf1\xff\xd2";
    let (s, stack) = space_of(host.shared(), code);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        (r[RDI], r[RSI], r[RAX], r[RDX]) = (0x70_0123, 0x80_0000, 77, 0xffff_ffff_ff60_0000);
        let t = run(&mut c, &s, &mut r).await;
        let RawTrap::Signal { signo: 11, cr2: 0x70_0123, trapno: 14, err, .. } = t else {
            panic!("{t:x?}")
        };
        assert_eq!((err & 0x12, r[RIP]), (2, CODE));
        s.push_op(op::MAP, range(0x70_0000, 4096), Access::RW, stack.start, true);
        let t = run(&mut c, &s, &mut r).await;
        let RawTrap::Signal { signo: 11, cr2: 0x80_0000, err, .. } = t else { panic!("{t:x?}") };
        assert_eq!((err & 0x12, r[RIP]), (0, CODE + 2));
        assert_eq!(s.host.memory.load_u32(stack.start + 0x120) >> 24, 77);
        s.push_op(op::MAP, range(0x80_0000, 4096), Access::READ, stack.start, false);
        let t = run(&mut c, &s, &mut r).await;
        assert_eq!((signal_of(t), r[RIP]), (5, CODE + 5));
        let t = run(&mut c, &s, &mut r).await;
        assert_eq!((signal_of(t), r[RIP]), (4, CODE + 5));
        r[RIP] += 2;
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), 8);
        r[RIP] += 2;
        let t = run(&mut c, &s, &mut r).await;
        // The host's own page there may be executable; then the host acts as its call.
        if let RawTrap::Signal { signo: 11, cr2, .. } = t {
            assert_eq!(cr2, 0xffff_ffff_ff60_0000);
        }
        // Not writable any more, then gone.
        s.push_op(op::PROTECT, range(0x70_0000, 4096), Access::READ, 0, false);
        r[RIP] = CODE;
        let t = run(&mut c, &s, &mut r).await;
        assert!(matches!(t, RawTrap::Signal { signo: 11, err: 7, .. }), "{t:x?}");
        s.push_op(op::UNMAP, range(0x80_0000, 4096), Access::empty(), 0, false);
        r[RIP] = CODE + 2;
        let t = run(&mut c, &s, &mut r).await;
        assert!(matches!(t, RawTrap::Signal { signo: 11, err: 4, .. }), "{t:x?}");
    });
}

#[test]
fn a_spinning_guest_is_interrupted() {
    let host = host();
    // jmp self
    let s = space(&host, b"\xeb\xfe");
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        let interrupter = c.interrupter().clone();
        interrupter.interrupt();
        assert_eq!(run_once(&mut c, &s, &mut r).await, RawTrap::Interrupted);
        for delay in [0, 1, 100, 3000] {
            let i = interrupter.clone();
            let other = std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_micros(delay));
                i.interrupt();
            });
            assert_eq!(run_once(&mut c, &s, &mut r).await, RawTrap::Interrupted);
            other.join().unwrap();
        }
    });
}

#[test]
fn contexts_share_threads_and_keep_their_fpu_state_and_bases() {
    let host = host();
    // movq xmm0, rdi; wrfsbase rdi; wrgsbase rsi; 1: mov eax, 24; syscall; movq rbx, xmm0;
    // rdfsbase rbp; rdgsbase r12; jmp 1b
    let code =
        b"\x66\x48\x0f\x6e\xc7\xf3\x48\x0f\xae\xd7\xf3\x48\x0f\xae\xde\xb8\x18\0\0\0\x0f\x05\
                 \x66\x48\x0f\x7e\xc3\xf3\x48\x0f\xae\xc5\xf3\x49\x0f\xae\xcc\xeb\xe8";
    let s = space(&host, code);
    let shared = host.shared().clone();
    let left = Arc::new(AtomicU32::new(1000));
    host.run(async move {
        for n in 0..1000u64 {
            let (s, left) = (s.clone(), left.clone());
            shared.run_queue.spawn(Box::pin(async move {
                let mut c = RawContext::default();
                let mut r = regs();
                (r[RDI], r[RSI]) = (n * 4096, n * 16);
                for round in 0..20 {
                    let t = run(&mut c, &s, &mut r).await;
                    assert_eq!((signal_of(t), r[ORIG_RAX]), (SIGSYS, 24));
                    if round > 0 {
                        assert_eq!((r[RBX], r[RBP], r[R12]), (n * 4096, n * 4096, n * 16));
                    }
                }
                left.fetch_sub(1, Relaxed);
            }));
        }
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if left.load(Relaxed) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
}

#[test]
fn an_fpu_image_goes_in_and_comes_out() {
    let host = host();
    // movq rbx, xmm0; movq xmm1, rdi; mov eax, 24; syscall
    let s = space(&host, b"\x66\x48\x0f\x7e\xc3\x66\x48\x0f\x6e\xcf\xb8\x18\0\0\0\x0f\x05");
    host.run(async move {
        let size = s.host.xsave.size as usize;
        let mut c = RawContext::default();
        let mut r = regs();
        r[RDI] = 0x0123_4567_89ab_cdef;
        let mut image = vec![0; size];
        image[24..28].copy_from_slice(&0x1f80u32.to_ne_bytes());
        image[160..168].copy_from_slice(&42u64.to_ne_bytes());
        image[512] = 3;
        c.set_fpu(image);
        run(&mut c, &s, &mut r).await;
        assert_eq!(r[RBX], 42);
        let image = c.get_fpu(size).unwrap();
        assert_eq!(image[176..184], r[RDI].to_ne_bytes());
    });
}

#[test]
fn a_context_waits_for_no_other_that_spins() {
    let host = host();
    // test edi, edi; 1: jnz 1b; mov eax, 24; syscall
    let s = space(&host, b"\x85\xff\x75\xfe\xb8\x18\0\0\0\x0f\x05");
    let shared = host.shared().clone();
    host.run(async move {
        for _ in 0..4 {
            let s = s.clone();
            let mut c = RawContext::default();
            shared.run_queue.spawn(Box::pin(async move {
                let mut r = regs();
                r[RDI] = 1;
                run(&mut c, &s, &mut r).await;
            }));
        }
        let mut c = RawContext::default();
        for _ in 0..3 {
            let mut r = regs();
            assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
        }
    });
}

#[test]
fn memory_comes_back_after_the_operation_that_unmapped_it() {
    let host = host();
    let s = space(&host, b"\xb8\x18\0\0\0\x0f\x05\xeb\xf7");
    host.run(async move {
        let memory = s.host.memory.clone();
        let used = memory.used();
        let mut c = RawContext::default();
        let mut r = regs();
        let page = memory.allocate(4096).unwrap();
        s.push_op(op::MAP, range(0x70_0000, 4096), Access::RW, page.start, false);
        run(&mut c, &s, &mut r).await;
        s.push_op(op::UNMAP, range(0x70_0000, 4096), Access::empty(), 0, false);
        s.retire(&[page]);
        assert_eq!(memory.used(), used + 4096);
        assert!(memory.is_returning(), "out of memory, one would wait for it");
        flushed(&s).await;
        assert_eq!(memory.used(), used);
        assert!(!memory.is_returning(), "it is there");
        // More operations than the ring holds.
        let page = memory.allocate(4096).unwrap();
        for i in 0..3000 {
            let at = range(0x100_0000 + i * 8192, 4096);
            s.push_op(op::MAP, at, Access::RW, page.start, false);
        }
        assert_eq!(signal_of(run(&mut c, &s, &mut r).await), SIGSYS);
    });
}

#[test]
fn more_than_the_ring_holds_is_performed_while_no_context_runs() {
    let host = host();
    let s = space(&host, b"\xcc");
    host.run(async move {
        let page = s.host.memory.allocate(4096).unwrap();
        for i in 0..5000 {
            let at = range(0x100_0000 + i * 8192, 4096);
            s.push_op(op::MAP, at, Access::RW, page.start, false);
        }
        flushed(&s).await;
    });
}
