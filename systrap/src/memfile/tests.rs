use super::*;

fn file() -> MemFile {
    MemFile::new(64 << 20).unwrap()
}

#[test]
fn recycled_pages_read_as_zero() {
    let f = file();
    for pages in [1, 3, 16, 17, 300] {
        let r = f.allocate(pages * PAGE).unwrap();
        f.write(r.start, &vec![0xa5; r.len() as usize]);
        f.dec_ref(r);
        let r = f.allocate(pages * PAGE).unwrap();
        let mut back = vec![1; r.len() as usize];
        f.read(r.start, &mut back);
        assert!(back.iter().all(|&b| b == 0), "{pages} pages");
        f.dec_ref(r);
    }
    assert_eq!(f.used(), 0);
}

#[test]
fn the_limit_holds_and_is_given_back() {
    let f = MemFile::new(8 * PAGE).unwrap();
    let r = f.allocate(8 * PAGE).unwrap();
    assert_eq!(f.allocate(PAGE), Err(OutOfMemory));
    f.dec_ref(FileRange { start: r.start + PAGE, end: r.start + 2 * PAGE });
    assert!(f.allocate(PAGE).is_ok());
    assert_eq!(f.allocate(PAGE), Err(OutOfMemory));
}

#[test]
fn pages_are_counted_one_by_one() {
    let f = file();
    let r = f.allocate(4 * PAGE).unwrap();
    let middle = FileRange { start: r.start + PAGE, end: r.start + 3 * PAGE };
    f.inc_ref(middle).unwrap();
    assert!(!f.is_sole(r));
    f.dec_ref(r);
    assert_eq!(f.used(), 2 * PAGE);
    assert!(f.is_sole(middle));
    assert_eq!(f.ref_count(r.start), 0);
    f.dec_ref(middle);
    assert_eq!(f.used(), 0);
}

#[test]
fn fragments_are_put_together_when_the_window_ends() {
    let f = MemFile::new(1 << 30).unwrap();
    // Twice the limit is the window: fill it with single pages, free all, ask for one big run.
    let mut pages = Vec::new();
    for _ in 0..3 {
        for _ in 0..4096 {
            pages.push(f.allocate(PAGE).unwrap());
        }
        pages.drain(..).for_each(|r| f.dec_ref(r));
    }
    assert!(f.allocate(1 << 30).is_ok());
}

/// Bytes of host memory that the file has.
fn resident(f: &MemFile) -> u64 {
    rustix::fs::fstat(f.fd()).unwrap().st_blocks as u64 * 512
}

#[test]
fn what_nobody_needs_goes_back_to_the_host() {
    let f = file();
    let r = f.allocate(1024 * PAGE).unwrap();
    f.write(r.start, &vec![1; r.len() as usize]);
    f.dec_ref(r);
    assert_eq!(resident(&f), 1024 * PAGE, "kept for the next owner");
    f.trim();
    assert_eq!(resident(&f), 1024 * PAGE, "somebody may have needed it a moment ago");
    f.dec_ref(f.allocate(1000 * PAGE).unwrap());
    f.trim();
    assert_eq!(resident(&f), 1000 * PAGE, "all but 24 pages have been in use meanwhile");
    f.trim();
    assert_eq!(resident(&f), 0);
    assert!(!f.is_keeping());
}

#[test]
fn what_is_kept_counts_against_the_limit() {
    let f = MemFile::new(64 * PAGE).unwrap();
    let (a, b) = (f.allocate(8 * PAGE).unwrap(), f.allocate(8 * PAGE).unwrap());
    for r in [a, b] {
        f.write(r.start, &vec![1; r.len() as usize]);
    }
    f.dec_ref(a);
    f.dec_ref(b);
    assert_eq!(resident(&f), 8 * PAGE, "an eighth of the limit is kept");
    let r = f.allocate(60 * PAGE).unwrap();
    f.zero(r.start, r.len());
    assert_eq!(resident(&f), 60 * PAGE, "a short run goes back as a whole");
}

#[test]
fn long_runs_that_come_from_the_kept_are_worth_entering() {
    let f = file();
    let r = f.allocate(64 * PAGE).unwrap();
    assert!(!f.is_long_resident(r));
    f.dec_ref(r);
    let (r, short) = (f.allocate(32 * PAGE).unwrap(), f.allocate(16 * PAGE).unwrap());
    assert!(f.is_long_resident(r));
    assert!(!f.is_long_resident(short));
    f.dec_ref(r);
}

proptest::proptest! {
    /// Whatever comes and goes: nothing is handed out twice, everything reads as zero at first,
    /// and what is in use is counted.
    #[test]
    fn runs_never_overlap(steps in proptest::collection::vec((0u8..4, 1u64..200), 1..200)) {
        let f = MemFile::new(2048 * PAGE).unwrap();
        let mut held: Vec<FileRange> = Vec::new();
        for (what, n) in steps {
            match what {
                0 | 1 => {
                    let Ok(r) = f.allocate(n * PAGE) else {
                        proptest::prop_assert!(f.used() + n * PAGE > f.limit());
                        continue;
                    };
                    proptest::prop_assert_eq!(r.len(), n * PAGE);
                    proptest::prop_assert!(held.iter().all(|h| h.end <= r.start || r.end <= h.start));
                    let mut bytes = vec![1; r.len() as usize];
                    f.read(r.start, &mut bytes);
                    proptest::prop_assert!(bytes.iter().all(|b| *b == 0));
                    f.write(r.start, &vec![0xff; r.len() as usize]);
                    held.push(r);
                }
                2 if !held.is_empty() => {
                    // Part of a run, so that odd lengths come back.
                    let mut r = held.swap_remove(n as usize % held.len());
                    let cut = r.start + n * PAGE % r.len();
                    f.dec_ref(FileRange { start: cut, end: r.end });
                    r.end = cut;
                    if !r.is_empty() {
                        held.push(r);
                    }
                }
                _ => f.trim(),
            }
            let used: u64 = held.iter().map(|r| r.len()).sum();
            proptest::prop_assert_eq!(f.used(), used);
            proptest::prop_assert!(resident(&f) <= f.limit());
        }
    }
}

#[test]
fn words() {
    let f = file();
    let r = f.allocate(PAGE).unwrap();
    assert_eq!(f.swap_u32(r.start + 8, 7), 0);
    assert_eq!(f.compare_exchange_u32(r.start + 8, 7, 9), 7);
    assert_eq!(f.compare_exchange_u32(r.start + 8, 7, 1), 9);
    assert_eq!(f.load_u32(r.start + 8), 9);
}
