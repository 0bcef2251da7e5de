//! Random registers and FPU states that make a round trip through real signals: sigreturn(2) loads
//! them, a breakpoint stores them in the next frame, and ours must be the same frame.

use super::common::oracle::Oracle;
use super::*;
use arch::fpu::xfeature;
use arch::x86_64::eflags;

const SIGTRAP: c_int = 5;
const ALTSTACK: usize = 64 << 10;

/// What the thread gets while the handler of `SIGUSR1` returns.
#[derive(Clone, Debug)]
struct State {
    /// From `r8` to `sp` in the order of the frame.
    regs: [u64; 16],
    flags: u64,
    mask: u64,
    /// Components that are in use, of those that there are.
    used: u64,
    mxcsr: u32,
    fcw: u16,
    /// From which the registers of the FPU are filled.
    bytes: u64,
}

fn states() -> impl Strategy<Value = State> {
    let word = || prop_oneof![any::<u64>(), any::<u8>().prop_map(u64::from), Just(u64::MAX)];
    let regs = proptest::collection::vec(word(), 16)
        .prop_map(|v| <[u64; 16]>::try_from(v).expect("sixteen"));
    let rest = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u16>(), any::<u64>());
    (regs, rest).prop_map(|(regs, (flags, mask, used, mxcsr, fcw, bytes))| State {
        regs,
        // Not single step, and no check of the alignment of what glibc does in the next handler.
        flags: flags & (eflags::SIGRETURN & !(eflags::TF | eflags::AC | eflags::RF)) | 0x202,
        // The breakpoint must come through.
        mask: mask & !(1 << (SIGTRAP - 1)),
        used,
        // All exceptions masked: those that are pending stay so.
        mxcsr: mxcsr & 0xe03f | 0x1f80,
        fcw: fcw & 0xf00 | 0x37f,
        bytes,
    })
}

/// A page of breakpoints.
fn breakpoints() -> u64 {
    static PAGE: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        // SAFETY: fresh anonymous memory, all of it written before anybody executes it.
        unsafe {
            let page = mmap(core::ptr::null_mut(), 4096, 7, 0x22, -1, 0).cast::<u8>();
            page.write_bytes(0xcc, 4096);
            page as u64
        }
    });
    *PAGE
}

struct Trip {
    state: State,
    layout: FpuLayout,
    /// The frame of `SIGUSR1` as the kernel wrote it, and as the handler left it.
    original: Option<Captured>,
    left: Option<Captured>,
}

static TRIP: Mutex<Option<Trip>> = Mutex::new(None);

/// Puts the state into a frame and its FPU image.
fn edit(frame: &mut Captured, state: &State, layout: &FpuLayout) {
    let fpu = u64::from_le_bytes(frame.bytes[232..240].try_into().unwrap()) - frame.at;
    let fpu = fpu as usize;
    let mut put = |at: usize, bytes: &[u8]| {
        frame.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for (i, word) in state.regs.iter().enumerate() {
        put(48 + 8 * i, &word.to_le_bytes());
    }
    put(48 + 128, &breakpoints().to_le_bytes());
    put(48 + 136, &state.flags.to_le_bytes());
    put(304, &state.mask.to_le_bytes());
    let mut word = state.bytes;
    let mut random = |out: &mut [u8]| {
        for b in out {
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *b = (word >> 56) as u8 | 1;
        }
    };
    let used = state.used & layout.xcr0() & !(1 << xfeature::PKRU | TILES);
    let mut area = vec![0; layout.size()];
    area[..2].copy_from_slice(&state.fcw.to_le_bytes());
    area[24..28].copy_from_slice(&state.mxcsr.to_le_bytes());
    for i in 0..8 {
        random(&mut area[32 + 16 * i..42 + 16 * i]);
    }
    random(&mut area[160..416]);
    area[512..520].copy_from_slice(&used.to_le_bytes());
    for c in layout.components().filter(|c| used & 1 << c.number != 0) {
        random(&mut area[c.offset as usize..(c.offset + c.size) as usize]);
    }
    put(fpu, &area[..416]);
    put(fpu + 512, &area[512..]);
}

/// The frame that a handler is on.
fn frame_at(context: *const c_void) -> Captured {
    capture(context);
    CAPTURED.lock().unwrap().take().expect("just captured")
}

/// Puts a frame's bytes where the handler's own frame is, its FPU image at this one's place.
///
/// # Safety
/// `context` is the third argument of the handler that is running.
unsafe fn overwrite(context: *const c_void, with: &Captured) {
    let at = context as usize - 8;
    let fpu = |bytes: &[u8], at: u64| {
        (u64::from_le_bytes(bytes[232..240].try_into().unwrap()) - at) as usize
    };
    let from = fpu(&with.bytes, with.at);
    let len = with.bytes.len() - from;
    // SAFETY: both frames are complete and of the same machine, so that what is copied fits.
    unsafe {
        let to = ((at + 232) as *const usize).read();
        let skip = 48;
        core::ptr::copy_nonoverlapping(
            with.bytes[skip..].as_ptr(),
            (at + skip) as *mut u8,
            312 - skip,
        );
        ((at + 232) as *mut usize).write(to);
        core::ptr::copy_nonoverlapping(with.bytes[from..].as_ptr(), to as *mut u8, len);
    }
}

extern "C" fn on_user(_: c_int, _info: *const c_void, context: *const c_void) {
    let original = frame_at(context);
    let mut trip = TRIP.lock().unwrap();
    let Some(trip) = trip.as_mut() else { return };
    let mut left = Captured { at: original.at, bytes: original.bytes.clone() };
    edit(&mut left, &trip.state, &trip.layout);
    // SAFETY: the argument of this handler.
    unsafe { overwrite(context, &left) };
    trip.original = Some(original);
    trip.left = Some(left);
}

extern "C" fn on_trap(_: c_int, _info: *const c_void, context: *const c_void) {
    capture(context);
    let trip = TRIP.lock().unwrap();
    if let Some(original) = trip.as_ref().and_then(|t| t.original.as_ref()) {
        // SAFETY: the argument of this handler.
        unsafe { overwrite(context, original) };
    }
}

/// Sends one state around, and says what differs between the kernel's second frame and ours.
fn round_trip(state: State, layout: &FpuLayout, altstack: AltStack) -> Option<String> {
    *TRIP.lock().unwrap() = Some(Trip { state, layout: *layout, original: None, left: None });
    // SAFETY: both handlers are installed, and the second brings everything back.
    unsafe { raise(SIGUSR1) };
    let trip = TRIP.lock().unwrap().take().expect("just put there");
    let left = trip.left.expect("the first handler ran");
    let theirs = CAPTURED.lock().unwrap().take().expect("the second handler ran");

    let mem = memory(&left);
    let mut ctx = Context::new(Arch::X86_64, layout);
    ctx.set_sp(left.at + 8);
    let popped = match pop_frame(&mut ctx, &mem) {
        Ok(p) => p,
        Err(e) => return Some(format!("refused here: {e:?} {:x?}", trip.state)),
    };
    // Behind the breakpoint.
    ctx.set_ip(ctx.ip() + 1);
    let word = |at: usize| u64::from_le_bytes(theirs.bytes[at..at + 8].try_into().unwrap());
    let flags = SaFlags::SIGINFO | SaFlags::RESTORER | SaFlags::ONSTACK;
    let unblockable = SignalSet::UNBLOCKABLE;
    let delivery = SignalDelivery {
        action: SigAction { handler: 0x1234, flags, restorer: word(0), mask: SignalSet::EMPTY },
        info: SigInfo::from_prefix(&theirs.bytes[312..440]),
        mask: popped.mask.difference(unblockable),
        fault: FaultState { error_code: 0, trapno: 3, address: word(48 + 176) },
        trampoline: None,
    };
    let mem = Memory::new(altstack.sp, altstack.size as usize);
    mem.fill(0xa5);
    if let Err(e) = push_frame(&mut ctx, &mem, &delivery, &mut { altstack }) {
        return Some(format!("no frame here: {e:?} {:x?}", trip.state));
    }
    if ctx.sp() != theirs.at {
        return Some(format!("frame at {:#x}, theirs at {:#x}", ctx.sp(), theirs.at));
    }
    let ours = mem.get(theirs.at, theirs.bytes.len());
    // A processor may count a component as used that it could count as initial.
    let fpu = (word(232) - theirs.at) as usize;
    let bv = fpu + 512..fpu + 520;
    for range in written(&theirs, layout) {
        let wrong =
            range.filter(|i| ours[*i] != theirs.bytes[*i] && !bv.contains(i)).collect::<Vec<_>>();
        if let Some(&at) = wrong.first() {
            let (o, t) = (ours[at], theirs.bytes[at]);
            return Some(format!("byte {at} is {o:#x}, theirs {t:#x}; {:x?}", trip.state));
        }
    }
    let more = word(fpu + 512);
    let ours = u64::from_le_bytes(ours[bv].try_into().unwrap());
    (ours & !more != 0).then(|| format!("components {ours:#x}, theirs {more:#x}"))
}

/// Damage to what sigreturn checks, in one place or in several bytes of one.
fn damage(size: usize) -> impl Strategy<Value = Damage> {
    let byte = any::<u8>().prop_map(u64::from);
    let far = any::<u64>();
    prop_oneof![
        3 => (464usize..576, byte.clone()).prop_map(|(at, v)| Damage::Fpu(at, v, 1)),
        1 => (0..size + 4, byte).prop_map(|(at, v)| Damage::Fpu(at, v, 1)),
        2 => (58usize..71, any::<u64>()).prop_map(|(i, v)| Damage::Fpu(i * 8, v, 8)),
        1 => any::<u32>().prop_map(|v| Damage::Fpu(24, v.into(), 4)),
        1 => any::<u64>().prop_map(|v| Damage::Frame(8, v, 8)),
        1 => (any::<u16>(), prop::sample::select(vec![146usize, 148]))
            .prop_map(|(v, at)| Damage::Frame(48 + at, v.into(), 2)),
        1 => (prop::sample::select(vec![0x33u64, 0x2b, 0x30, 0x10, 0x8, 0]), prop::sample::select(vec![144usize, 150]))
            .prop_map(|(v, at)| Damage::Frame(48 + at, v, 2)),
        1 => far.prop_filter("canonical", |v| !arch::x86_64::is_canonical(*v))
            .prop_map(|v| Damage::Frame(48 + 128, v, 8)),
        1 => (0u64..9).prop_map(|n| Damage::Shift(n * 8)),
        1 => any::<u32>().prop_map(|v| Damage::End(v.into())),
    ]
}

#[test]
fn random_states_and_random_damage() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let old = install(SIGUSR1, on_signal as *const () as usize, SA_SIGINFO);
    // SAFETY: the handler is installed.
    unsafe { raise(SIGUSR1) };
    let frame = CAPTURED.lock().unwrap().take().unwrap();
    let layout = host_layout(&frame);

    let mut stack = vec![0u8; ALTSTACK + 64];
    let start = (stack.as_mut_ptr() as u64).next_multiple_of(64);
    let new = AltStackT { sp: start, flags: 0, size: ALTSTACK as u64 };
    let mut before = new;
    // SAFETY: the buffer outlives its use.
    assert_eq!(unsafe { sigaltstack(&new, &mut before) }, 0);
    let altstack = AltStack { sp: start, flags: 0, size: ALTSTACK as u64 };
    let trap = install(SIGTRAP, on_trap as *const () as usize, SA_SIGINFO | SA_ONSTACK);

    // Alternately, so that both get their share of the time.
    let mut oracle = Oracle::new("signal frames", 512);
    let either = (any::<bool>(), states(), damage(layout.size()));
    oracle.run(&either, |(states, state, damage)| {
        if states {
            install(SIGUSR1, on_user as *const () as usize, SA_SIGINFO);
            round_trip(state, &layout, altstack)
        } else {
            install(SIGUSR1, on_damage as *const () as usize, SA_SIGINFO);
            judge(&frame, &layout, damage)
        }
    });
    install(SIGTRAP, trap.handler, trap.flags);
    install(SIGUSR1, old.handler, old.flags);
    // SAFETY: puts back what was there.
    assert_eq!(unsafe { sigaltstack(&before, core::ptr::null_mut()) }, 0);
    oracle.finish();
}
