use super::dir::{pack_old, pack64};
use alloc::vec::Vec;
use vfs::{DirEntry, mode};

fn entry(name: &[u8]) -> DirEntry {
    DirEntry { ino: 0x0102_0304_0506_0708, kind: mode::IFDIR, name: name.to_vec(), next: 7 }
}

#[test]
fn directory_records_are_aligned_and_terminated() {
    for len in 1..=255usize {
        let e = entry(&alloc::vec![b'n'; len]);
        for (pack, head) in [(pack64 as fn(&DirEntry, &mut Vec<u8>), 19), (pack_old, 18)] {
            let mut out = Vec::new();
            pack(&e, &mut out);
            let reclen = usize::from(u16::from_ne_bytes([out[16], out[17]]));
            assert_eq!(reclen, out.len());
            assert_eq!(reclen % 8, 0);
            assert_eq!(&out[head..head + len], &e.name[..]);
            assert_eq!(out[head + len], 0, "the name ends with a NUL");
        }
    }
}

#[test]
fn the_type_is_where_each_layout_has_it() {
    let (mut new, mut old) = (Vec::new(), Vec::new());
    pack64(&entry(b"ab"), &mut new);
    pack_old(&entry(b"ab"), &mut old);
    assert_eq!(new[18], 4);
    assert_eq!(old.last(), Some(&4));
    assert_eq!(&new[8..16], &7u64.to_ne_bytes());
}
