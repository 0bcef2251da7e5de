//! What the fuzz targets check: functions of bytes that panic when something is wrong.

mod elf;
mod mm_ops;
mod script;
mod sigreturn;
mod stack;

pub use elf::elf;
pub use mm_ops::mm_ops;
pub use script::script;
pub use sigreturn::sigreturn;
pub use stack::stack;

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Calls `check` on every file of `corpus/TARGET/`.
    fn corpus(target: &str, check: fn(&[u8])) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut files = 0;
        for entry in dir.read_dir().expect("a corpus") {
            let path = entry.expect("an entry").path();
            eprintln!("{}", path.display());
            check(&std::fs::read(path).expect("a file"));
            files += 1;
        }
        assert!(files > 0, "{} holds nothing", dir.display());
    }

    #[test]
    fn elf() {
        corpus("elf", super::elf);
    }

    #[test]
    fn mm_ops() {
        corpus("mm_ops", super::mm_ops);
    }

    #[test]
    fn script() {
        corpus("script", super::script);
    }

    #[test]
    fn sigreturn() {
        corpus("sigreturn", super::sigreturn);
    }

    #[test]
    fn stack() {
        corpus("stack", super::stack);
    }
}
