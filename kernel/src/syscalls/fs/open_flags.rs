//! Flags of open(2) as the guest's architecture numbers them.

use arch::Arch;

/// From the guest's numbers to those of [`vfs::OpenFlags`], and back.
///
/// [`vfs::OpenFlags`] has x86-64's. On arm64 (`arch/arm64/include/uapi/asm/fcntl.h`) `O_DIRECTORY`
/// and `O_NOFOLLOW` stand where x86-64 has `O_DIRECT` and `O_LARGEFILE`, and the other way round, so
/// the same exchange of bits serves both directions.
pub(crate) const fn translate(arch: Arch, flags: u32) -> u32 {
    const LOW: u32 = 0o140000;
    const HIGH: u32 = LOW << 2;
    match arch {
        Arch::X86_64 => flags,
        Arch::Aarch64 => flags & !(LOW | HIGH) | (flags & LOW) << 2 | (flags & HIGH) >> 2,
    }
}

#[cfg(test)]
mod tests {
    use super::translate;
    use arch::Arch::{Aarch64, X86_64};
    use vfs::OpenFlags;

    #[test]
    fn arm64_numbers_are_those_of_its_header() {
        for (flag, arm64) in [
            (OpenFlags::DIRECTORY, 0o40000),
            (OpenFlags::NOFOLLOW, 0o100000),
            (OpenFlags::DIRECT, 0o200000),
            (OpenFlags::LARGEFILE, 0o400000),
            (OpenFlags::DIRECTORY | OpenFlags::TMPFILE, 0o20040000),
            (OpenFlags::CLOEXEC | OpenFlags::PATH | OpenFlags::RDWR, 0o12000002),
        ] {
            assert_eq!(translate(Aarch64, arm64), flag.bits());
            assert_eq!(translate(Aarch64, flag.bits()), arm64);
            assert_eq!(translate(X86_64, flag.bits()), flag.bits());
        }
        assert_eq!(translate(Aarch64, u32::MAX), u32::MAX);
    }
}
