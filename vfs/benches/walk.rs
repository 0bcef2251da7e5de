//! What cached paths cost: `cargo bench -p vfs --features std`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use support::Guest;
use vfs::{AT_FDCWD, LookupFlags, OpenFlags, OpenHow};

fn time(name: &str, mut f: impl FnMut()) {
    const N: u32 = 20_000;
    let best = (0..10)
        .map(|_| {
            let start = Instant::now();
            (0..N).for_each(|_| f());
            start.elapsed().as_nanos() as f64 / f64::from(N)
        })
        .fold(f64::MAX, f64::min);
    println!("{name:<40} {best:>8.1} ns");
}

fn main() {
    let g = Guest::tmpfs();
    let cx = g.cx();
    let mut path = Vec::new();
    for name in ["usr", "lib", "python3", "dist-packages", "package", "module", "sub"] {
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        g.vfs.mkdir(&cx, AT_FDCWD, &path, 0o755).expect("a directory");
    }
    path.extend_from_slice(b"/file.py");
    let how = OpenHow { flags: OpenFlags::CREAT, mode: 0o644, ..OpenHow::default() };
    g.vfs.open(&cx, AT_FDCWD, &path, how).expect("a file");
    let none = LookupFlags::empty();
    time("stat, 8 components", || {
        black_box(g.vfs.stat(&cx, AT_FDCWD, &path, none)).expect("is there");
    });
    time("stat of a name that is not there", || {
        black_box(g.vfs.stat(&cx, AT_FDCWD, b"/usr/none", none)).expect_err("is not there");
    });
    time("open + close, 8 components", || {
        let f = g.vfs.open(&cx, AT_FDCWD, &path, OpenHow::default()).expect("opens");
        let fd = g.files.install(f, 0, 64, false).expect("a descriptor");
        g.files.close(fd).expect("closes");
    });
}
