//! The built-in vDSO, mapped into this very process and called.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use arch::Arch;
use goblin::elf::Elf;
use loader::vdso::{ClockParams, Vdso, VdsoDefect, VdsoParams};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use rustix::time::{ClockId, clock_gettime};
use std::borrow::Cow;
use zerocopy::IntoBytes;

const PAGE: usize = 4096;

/// A mapped vDSO; the mapping is never given back.
struct Mapped {
    base: *mut u8,
    vdso: Vdso,
}

type ClockGettime = unsafe extern "C" fn(i32, *mut [i64; 2]) -> i32;
type Gettimeofday = unsafe extern "C" fn(*mut [i64; 2], *mut u64) -> i32;
type Time = unsafe extern "C" fn(*mut i64) -> i64;
type Getcpu = unsafe extern "C" fn(*mut u32, *mut u32, *mut u64) -> i32;

impl Mapped {
    fn new(params: VdsoParams) -> Mapped {
        let vdso = Vdso::builtin(Arch::X86_64).expect("built on an x86-64 Linux host");
        let len = PAGE + vdso.image_len() as usize;
        let rw = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, which nothing else knows; the copy stays inside it.
        let base = unsafe {
            let base = mmap_anonymous(std::ptr::null_mut(), len, rw, MapFlags::PRIVATE)
                .expect("mmap")
                .cast::<u8>();
            let image = vdso.image();
            base.add(PAGE).copy_from_nonoverlapping(image.as_ptr(), image.len());
            let code = base.add(PAGE).cast();
            mprotect(code, len - PAGE, MprotectFlags::READ | MprotectFlags::EXEC)
                .expect("mprotect");
            base
        };
        let mapped = Mapped { base, vdso };
        mapped.set(params);
        mapped
    }

    fn set(&self, params: VdsoParams) {
        let bytes = params.as_bytes();
        // SAFETY: the parameter page is mapped, writable and larger; no other thread reads it.
        unsafe { self.base.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Finds a function by name, as a C library does.
    fn symbol(&self, name: &str) -> *const () {
        let elf = Elf::parse(self.vdso.image()).expect("ELF");
        let symbol = elf
            .dynsyms
            .iter()
            .find(|s| elf.dynstrtab.get_at(s.st_name) == Some(name))
            .unwrap_or_else(|| panic!("{name} is exported"));
        // SAFETY: inside the mapping, since the symbol lies in the image.
        unsafe { self.base.add(PAGE + symbol.st_value as usize).cast_const().cast() }
    }

    fn clock(&self, clock: i32) -> (i32, i64) {
        // SAFETY: the symbol is a function of this type.
        let call: ClockGettime =
            unsafe { std::mem::transmute(self.symbol("__vdso_clock_gettime")) };
        let mut to = [0i64; 2];
        // SAFETY: `to` is a timespec.
        let ret = unsafe { call(clock, &mut to) };
        assert!(ret != 0 || (0..1_000_000_000).contains(&to[1]));
        (ret, to[0] * 1_000_000_000 + to[1])
    }
}

fn host(clock: ClockId) -> i64 {
    let t = clock_gettime(clock);
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

fn tsc() -> u64 {
    // SAFETY: every x86-64 has them.
    unsafe {
        core::arch::x86_64::_mm_lfence();
        core::arch::x86_64::_rdtsc()
    }
}

#[test]
fn a_page_of_zeroes_asks_the_kernel() {
    let m = Mapped::new(VdsoParams::default());
    for (number, clock) in [(0, ClockId::Realtime), (1, ClockId::Monotonic), (7, ClockId::Boottime)]
    {
        let before = host(clock);
        let (ret, now) = m.clock(number);
        assert_eq!(ret, 0);
        assert!(before <= now && now <= host(clock));
    }
    assert_eq!(m.clock(99).0, -22, "the kernel's own error");
    // SAFETY: the symbols are functions of these types, called with valid pointers.
    unsafe {
        let gettimeofday: Gettimeofday = std::mem::transmute(m.symbol("__vdso_gettimeofday"));
        let time: Time = std::mem::transmute(m.symbol("__vdso_time"));
        let getcpu: Getcpu = std::mem::transmute(m.symbol("__vdso_getcpu"));
        let before = host(ClockId::Realtime) / 1000;
        let (mut tv, mut sec, mut cpu, mut zone) = ([0i64; 2], 0i64, u32::MAX, 7u64);
        assert_eq!(gettimeofday(&mut tv, std::ptr::null_mut()), 0);
        assert!(before <= tv[0] * 1_000_000 + tv[1]);
        assert_eq!(gettimeofday(&mut tv, &mut zone), 0);
        assert_eq!(time(&mut sec), sec);
        // time(2) reads the coarse clock, which may be a tick behind.
        assert!((before / 1_000_000 - 1..=before / 1_000_000 + 60).contains(&sec));
        assert_eq!(getcpu(&mut cpu, std::ptr::null_mut(), std::ptr::null_mut()), 0);
        assert_ne!(cpu, u32::MAX);
    }
}

fn tsc_params(mult: u64) -> VdsoParams {
    VdsoParams {
        mode: VdsoParams::MODE_TSC,
        realtime: ClockParams { base_cycles: tsc(), base_ns: 1_700_000_000_123_456_789, mult },
        monotonic: ClockParams { base_cycles: tsc(), base_ns: 5_999_999_999, mult },
        ..VdsoParams::default()
    }
}

#[test]
fn a_stopped_clock_shows_its_base() {
    let m = Mapped::new(tsc_params(0));
    for clock in [0, 5] {
        assert_eq!(m.clock(clock), (0, 1_700_000_000_123_456_789));
    }
    for clock in [1, 4, 6, 7] {
        assert_eq!(m.clock(clock), (0, 5_999_999_999));
    }
    // SAFETY: the symbols are functions of these types, called with valid pointers.
    unsafe {
        let gettimeofday: Gettimeofday = std::mem::transmute(m.symbol("gettimeofday"));
        let time: Time = std::mem::transmute(m.symbol("time"));
        let mut tv = [0i64; 2];
        assert_eq!(gettimeofday(&mut tv, std::ptr::null_mut()), 0);
        assert_eq!(tv, [1_700_000_000, 123_456]);
        assert_eq!(gettimeofday(std::ptr::null_mut(), std::ptr::null_mut()), 0);
        assert_eq!(time(std::ptr::null_mut()), 1_700_000_000);
    }
}

#[test]
fn program_and_kernel_compute_the_same() {
    // From many nanoseconds per cycle, where 64 bits would overflow, to almost none.
    for mult in [1, 1 << 20, (1 << 32) / 3, 1 << 32, 1 << 40] {
        let params = tsc_params(mult);
        let m = Mapped::new(params);
        for _ in 0..100 {
            let low = params.cycles_to_ns(tsc());
            let now = (m.clock(0).1 as u64, m.clock(1).1 as u64);
            let high = params.cycles_to_ns(tsc());
            assert!(low.0 <= now.0 && now.0 <= high.0, "{mult}: {low:?} {now:?} {high:?}");
            assert!(low.1 <= now.1 && now.1 <= high.1, "{mult}: {low:?} {now:?} {high:?}");
        }
    }
}

#[test]
fn an_update_is_odd_while_it_lasts() {
    let mut page = [0u8; 64];
    let mut seen = Vec::new();
    let mut params = VdsoParams::default();
    for round in 1..4u32 {
        let next = tsc_params(ClockParams::mult_of(3_000_000_000).expect("not zero"));
        params.publish(next, &mut |at, bytes| {
            page[at as usize..][..bytes.len()].copy_from_slice(bytes);
            seen.push(page[0]);
        });
        assert_eq!(page, params.as_bytes());
        assert_eq!(params, VdsoParams { seq: 2 * round, ..next });
    }
    assert_eq!(seen, [1, 1, 2, 3, 3, 4, 5, 5, 6]);
    assert_eq!(ClockParams::mult_of(1_000_000_000), Some(1 << 32));
    assert_eq!(ClockParams::mult_of(0), None);
}

#[test]
fn readers_never_see_half_an_update() {
    use std::sync::atomic::{AtomicBool, Ordering, fence};
    // With the base of one and the factor of the other, the time would be far from both.
    let still = ClockParams { base_cycles: 0, base_ns: 5, mult: 0 };
    let ahead = ClockParams { base_cycles: tsc() + (1 << 60), base_ns: 7, mult: 1 << 60 };
    let with =
        |monotonic| VdsoParams { mode: VdsoParams::MODE_TSC, monotonic, ..Default::default() };
    let m = Mapped::new(with(still));
    let page = m.base as usize;
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut params = with(still);
            for round in 0.. {
                let next = with(if round % 2 == 0 { ahead } else { still });
                params.publish(next, &mut |at, bytes| {
                    for (i, b) in bytes.iter().enumerate() {
                        // SAFETY: inside the parameter page, which nobody else writes.
                        unsafe { ((page + at as usize + i) as *mut u8).write_volatile(*b) };
                    }
                    fence(Ordering::Release);
                });
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..20_000 {
            let (ret, now) = m.clock(1);
            // The kernel's own clock, when the writer was put to sleep in the middle of it.
            assert!(
                ret == 0
                    && (now == 5 || now == 7 || now.abs_diff(host(ClockId::Monotonic)) < 1 << 36)
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_base_in_the_future_does_not_go_back() {
    let mut params = tsc_params(1 << 32);
    params.monotonic.base_cycles = tsc() + (1 << 60);
    assert_eq!(Mapped::new(params).clock(1), (0, params.monotonic.base_ns as i64));
    assert_eq!(params.monotonic.cycles_to_ns(tsc()), params.monotonic.base_ns);
}

#[test]
fn an_update_that_never_ends_asks_the_kernel() {
    let m = Mapped::new(VdsoParams { seq: 1, ..tsc_params(0) });
    let before = host(ClockId::Monotonic);
    let (ret, now) = m.clock(1);
    assert!(ret == 0 && before <= now && now <= host(ClockId::Monotonic));
}

#[test]
fn clocks_of_its_own_only() {
    // CPU time and TAI are the kernel's, whatever the mode is.
    let m = Mapped::new(tsc_params(0));
    let before = host(ClockId::ThreadCPUTime);
    let (ret, now) = m.clock(3);
    assert!(ret == 0 && before <= now && now <= host(ClockId::ThreadCPUTime));
}

#[test]
fn the_host_processor_number() {
    if !std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().contains("rdtscp") {
        return;
    }
    let m = Mapped::new(VdsoParams { cpu: VdsoParams::CPU_RDTSCP, ..VdsoParams::default() });
    // SAFETY: the symbol is a function of this type, called with valid pointers.
    let getcpu: Getcpu = unsafe { std::mem::transmute(m.symbol("getcpu")) };
    // The thread may move between two questions, but not every time.
    let agrees = (0..1000).any(|_| {
        let mut cpu = u32::MAX;
        // SAFETY: as above.
        unsafe { getcpu(&mut cpu, std::ptr::null_mut(), std::ptr::null_mut()) };
        cpu as usize == rustix::thread::sched_getcpu()
    });
    assert!(agrees);
}

#[test]
fn the_image_is_what_its_readers_expect() {
    let vdso = Vdso::builtin(Arch::X86_64).expect("built");
    let image = vdso.image();
    let elf = Elf::parse(image).expect("ELF");
    assert_eq!(elf.soname, Some("linux-vdso.so.1"));
    let versions = elf.verdef.as_ref().expect("versions");
    let names: Vec<_> = versions
        .iter()
        .flat_map(|v| v.iter().map(|a| a.vda_name).collect::<Vec<_>>())
        .filter_map(|n| elf.dynstrtab.get_at(n))
        .collect();
    assert_eq!(names, ["linux-vdso.so.1", "LINUX_2.6"]);
    let dynamic = elf.dynamic.as_ref().expect("dynamic");
    let has = |tag| dynamic.dyns.iter().any(|d| d.d_tag == tag);
    // DT_HASH for Go and musl, DT_GNU_HASH for glibc.
    assert!(has(4) && has(0x6fff_fef5), "both hash tables");
    let sigreturn = vdso.sigreturn().expect("sigreturn") as usize;
    assert_eq!(image[sigreturn..][..9], [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05]);
    assert!(Vdso::builtin(Arch::Aarch64).is_none());
}

#[test]
fn images_of_others_are_checked() {
    let good = Vdso::builtin(Arch::X86_64).expect("built").image().to_vec();
    let new = |bytes: Vec<u8>| Vdso::new(Cow::Owned(bytes)).map(|_| ());
    assert_eq!(new(good.clone()), Ok(()));
    assert_eq!(new(vec![]), Err(VdsoDefect::NotElf));
    assert_eq!(new(good[..200].to_vec()), Err(VdsoDefect::NotElf));
    let mut other = good.clone();
    other[18] = 3;
    assert_eq!(new(other), Err(VdsoDefect::NotElf));
    // p_vaddr of the only segment.
    let mut moved = good.clone();
    moved[64 + 16 + 1] = 0x10;
    assert!(new(moved).is_err());
    let own = std::fs::read("/proc/self/exe").expect("own program");
    assert!(new(own).is_err());
}
