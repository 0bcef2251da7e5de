//! Guests' iovecs as source and destination, against a flat model.

use arch::kit::{Memory, check_user_memory};
use arch::{Addr, AddrRange, BufDst, BufSrc, IoDst, IoSrc, UserIo, UserMemoryExt};
use proptest::prelude::*;
use syserr::Errno;

const BASE: u64 = 0x1_0000;
const LEN: u64 = 4096;

#[derive(Clone, Debug)]
enum Op {
    Take(usize),
    Untake(usize),
    Skip(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0usize..40).prop_map(Op::Take),
        (0usize..20).prop_map(Op::Untake),
        (0u64..20).prop_map(Op::Skip),
    ]
}

fn ranges() -> impl Strategy<Value = Vec<AddrRange>> {
    let one = (BASE..BASE + LEN + 20, 0u64..30);
    let one = one.prop_map(|(s, l)| AddrRange { start: Addr(s), end: Addr(s + l) });
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn taking_agrees_with_a_flat_list(list in ranges(), ops in prop::collection::vec(op(), 0..12)) {
        let mem = Memory::new(BASE, LEN as usize);
        mem.put(BASE, &(0..LEN).map(|i| (i * 7) as u8).collect::<Vec<_>>());
        let flat: Vec<u64> = list.iter().flat_map(|r| r.start.0..r.end.0).collect();
        let mut io = UserIo::from_ranges(&mem, list.iter().copied());
        let mut pos = 0;
        for op in ops {
            match op {
                Op::Take(n) => {
                    let mut buf = vec![0; n];
                    let wanted: Vec<u64> = flat[pos..].iter().copied().take(n).collect();
                    let good = wanted.iter().take_while(|&&a| a < BASE + LEN).count();
                    match io.take(&mut buf) {
                        Ok(k) => {
                            prop_assert_eq!(k, good);
                            for (at, got) in wanted.iter().zip(&buf[..k]) {
                                prop_assert_eq!(*got, ((at - BASE) * 7) as u8);
                            }
                            pos += k;
                        }
                        Err(e) => {
                            prop_assert_eq!(e, Errno::EFAULT);
                            prop_assert!(good == 0 && !wanted.is_empty());
                        }
                    }
                }
                Op::Untake(n) => {
                    let n = n.min(pos);
                    io.untake(n);
                    pos -= n;
                }
                Op::Skip(n) => {
                    io.skip(n);
                    pos = flat.len().min(pos + n as usize);
                }
            }
            prop_assert_eq!(io.position(), pos as u64);
            prop_assert_eq!(IoSrc::remaining(&io), (flat.len() - pos) as u64);
        }
    }

    #[test]
    fn putting_fills_the_ranges_in_order(list in ranges(), bytes in prop::collection::vec(1u8.., 0..80)) {
        let mem = Memory::new(BASE, LEN as usize);
        let mut model = vec![0u8; LEN as usize];
        let flat: Vec<u64> = list.iter().flat_map(|r| r.start.0..r.end.0).collect();
        let good = flat.iter().take(bytes.len()).take_while(|&&a| a < BASE + LEN).count();
        for (at, b) in flat.iter().zip(&bytes).take(good) {
            model[(at - BASE) as usize] = *b;
        }
        let mut io = UserIo::from_ranges(&mem, list.iter().copied());
        match io.put(&bytes) {
            Ok(n) => prop_assert_eq!(n, good),
            Err(e) => prop_assert!(e == Errno::EFAULT && good == 0),
        }
        prop_assert!(mem.get(BASE, LEN as usize) == model);
    }
}

#[test]
fn the_memory_of_the_kit_is_user_memory() {
    let mem = Memory::new(BASE, 3 * 4096);
    check_user_memory(&mem, mem.range());
    // Every alignment and length, against a flat model.
    let mut model = vec![0u8; 64];
    let mem = Memory::new(BASE, model.len());
    for (i, (at, len)) in (0..20).flat_map(|at| (0..20).map(move |len| (at, len))).enumerate() {
        let bytes: Vec<u8> = (0..len).map(|n| (i + n) as u8).collect();
        mem.put(BASE + at as u64, &bytes);
        model[at..at + len].copy_from_slice(&bytes);
        assert_eq!(mem.get(BASE + at as u64, len), bytes);
        assert_eq!(mem.get(BASE, 64), model);
    }
}

#[test]
fn ranges_that_cannot_be_are_survived() {
    let mem = Memory::new(BASE, 64);
    let backwards = AddrRange { start: Addr(9), end: Addr(3) };
    let all = AddrRange { start: Addr(0), end: Addr(u64::MAX) };
    let mut io = UserIo::from_ranges(&mem, [backwards, all, all, all].into_iter());
    assert_eq!(IoDst::remaining(&io), u64::MAX);
    io.skip(u64::MAX);
    assert_eq!(io.position(), u64::MAX);
    io.untake(5);
    assert_eq!(IoSrc::remaining(&io), 5);
    assert_eq!(UserIo::new(&mem, Addr(u64::MAX), 8).put(&[1]), Ok(0));
}

#[test]
fn kernel_buffers_and_objects() {
    let mut out = [0; 4];
    let mut dst = BufDst::new(&mut out);
    assert_eq!((dst.put(b"ab"), dst.put_zeros(1), dst.put(b"cd")), (Ok(2), Ok(1), Ok(1)));
    assert_eq!((dst.position(), dst.remaining()), (4, 0));
    assert_eq!(out, *b"ab\0c");
    let mut src = BufSrc::new(b"xyz");
    let mut two = [0; 2];
    assert_eq!((src.take(&mut two), two), (Ok(2), *b"xy"));
    src.untake(1);
    assert_eq!((src.take(&mut two), two), (Ok(2), *b"yz"));

    let mem = Memory::new(BASE, 4096);
    mem.write_obj(Addr(BASE), &[1u32, 2, 3]).unwrap();
    assert_eq!(mem.read_vec::<u32>(Addr(BASE), 3), Ok(vec![1, 2, 3]));
    assert_eq!(mem.read_vec::<u32>(Addr(BASE + 4092), 2), Err(Errno::EFAULT));
    mem.put(BASE + 4090, b"hello\0");
    assert_eq!(mem.read_cstr(Addr(BASE + 4090), 5).unwrap(), b"hello");
    assert_eq!(mem.read_cstr(Addr(BASE + 4090), 4), Err(Errno::ENAMETOOLONG));
    mem.put(BASE + 4095, b"x");
    assert_eq!(mem.read_cstr(Addr(BASE + 4090), usize::MAX), Err(Errno::EFAULT));
}
