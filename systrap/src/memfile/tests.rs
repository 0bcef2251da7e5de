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

#[test]
fn words() {
    let f = file();
    let r = f.allocate(PAGE).unwrap();
    assert_eq!(f.swap_u32(r.start + 8, 7), 0);
    assert_eq!(f.compare_exchange_u32(r.start + 8, 7, 9), 7);
    assert_eq!(f.compare_exchange_u32(r.start + 8, 7, 1), 9);
    assert_eq!(f.load_u32(r.start + 8), 9);
}
