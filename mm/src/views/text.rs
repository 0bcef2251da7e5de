//! `/proc/PID/maps` and `/proc/PID/smaps` as text: proc_pid_maps(5), `fs/proc/task_mmu.c`.

use super::VmaInfo;
use crate::vma::VmaFlags;
use alloc::string::String;
use alloc::vec::Vec;
use arch::Access;
use core::fmt::Write;

/// The column that names start in.
const NAME_COLUMN: usize = 73;

impl VmaInfo {
    /// The line of `/proc/PID/maps`, with its newline.
    pub fn maps_line(&self) -> Vec<u8> {
        let bit = |a: Access, c| if self.perms.contains(a) { c } else { '-' };
        let (dev, ino) =
            self.object.as_ref().map_or((0, 0), |o| (o.identity.device(), o.identity.inode()));
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {}",
            self.range.start.0,
            self.range.end.0,
            bit(Access::READ, 'r'),
            bit(Access::WRITE, 'w'),
            bit(Access::EXEC, 'x'),
            if self.flags.contains(VmaFlags::SHARED) { 's' } else { 'p' },
            self.offset,
            major(dev),
            minor(dev),
            ino
        );
        let mut line = line.into_bytes();
        let name = self.name();
        if name.is_empty() {
            line.push(b' ');
        } else {
            line.resize(line.len().max(NAME_COLUMN - 1), b' ');
            line.push(b' ');
            // A newline in a name would begin another line.
            for b in name {
                if b == b'\n' { line.extend(b"\\012") } else { line.push(b) }
            }
        }
        line.push(b'\n');
        line
    }

    /// The name that `/proc/PID/maps` shows.
    pub fn name(&self) -> Vec<u8> {
        match &self.object {
            Some(o) if self.label.is_empty() => o.identity.path(),
            _ => self.label.clone(),
        }
    }

    /// The block of `/proc/PID/smaps`.
    pub fn smaps_block(&self) -> Vec<u8> {
        let mut out = self.maps_line();
        let mut text = String::new();
        let dirty = if self.perms.contains(Access::WRITE) { self.resident } else { self.anonymous };
        let private = self.resident - self.shared;
        let private_dirty = dirty.min(private);
        let shared_dirty = (dirty - private_dirty).min(self.shared);
        let locked = if self.flags.contains(VmaFlags::LOCKED) { self.proportional } else { 0 };
        for (name, bytes) in [
            ("Size", self.range.len()),
            ("KernelPageSize", arch::PAGE_SIZE),
            ("MMUPageSize", arch::PAGE_SIZE),
            ("Rss", self.resident),
            ("Pss", self.proportional),
            ("Pss_Dirty", self.proportional.min(dirty)),
            ("Shared_Clean", self.shared - shared_dirty),
            ("Shared_Dirty", shared_dirty),
            ("Private_Clean", private - private_dirty),
            ("Private_Dirty", private_dirty),
            ("Referenced", self.referenced),
            ("Anonymous", self.anonymous),
            ("KSM", 0),
            ("LazyFree", 0),
            ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", 0),
            ("Private_Hugetlb", 0),
            ("Swap", 0),
            ("SwapPss", 0),
            ("Locked", locked),
        ] {
            let _ = writeln!(text, "{:<16}{:>8} kB", alloc::format!("{name}:"), bytes / 1024);
        }
        let _ = writeln!(text, "{:<16}{:>8}", "THPeligible:", 0);
        text.push_str("VmFlags:");
        for f in self.vm_flags() {
            text.push(' ');
            text.push_str(f);
        }
        text.push_str(" \n");
        out.extend_from_slice(text.as_bytes());
        out
    }

    /// The two-letter codes of `show_smap_vma_flags`.
    fn vm_flags(&self) -> impl Iterator<Item = &'static str> {
        let shared = self.flags.contains(VmaFlags::SHARED);
        let table = [
            ("rd", self.perms.contains(Access::READ)),
            ("wr", self.perms.contains(Access::WRITE)),
            ("ex", self.perms.contains(Access::EXEC)),
            ("sh", shared && self.max_perms.contains(Access::WRITE)),
            ("mr", self.max_perms.contains(Access::READ)),
            ("mw", self.max_perms.contains(Access::WRITE)),
            ("me", self.max_perms.contains(Access::EXEC)),
            ("ms", shared),
            ("gd", self.flags.contains(VmaFlags::GROWSDOWN)),
            ("lo", self.flags.contains(VmaFlags::LOCKED)),
            ("sr", self.flags.contains(VmaFlags::SEQ_READ)),
            ("rr", self.flags.contains(VmaFlags::RAND_READ)),
            ("dc", self.flags.contains(VmaFlags::DONTFORK)),
            ("de", self.flags.contains(VmaFlags::DONTEXPAND)),
            ("lf", self.flags.contains(VmaFlags::LOCKONFAULT)),
            ("ac", self.flags.contains(VmaFlags::ACCOUNTED)),
            ("nr", self.flags.contains(VmaFlags::NORESERVE)),
            ("wf", self.flags.contains(VmaFlags::WIPEONFORK)),
            ("dd", self.flags.contains(VmaFlags::DONTDUMP)),
            ("hg", self.flags.contains(VmaFlags::HUGEPAGE)),
            ("nh", self.flags.contains(VmaFlags::NOHUGEPAGE)),
            ("mg", self.flags.contains(VmaFlags::MERGEABLE)),
            ("dp", self.flags.contains(VmaFlags::DROPPABLE)),
            ("sl", self.flags.contains(VmaFlags::SEALED)),
        ];
        table.into_iter().filter(|t| t.1).map(|t| t.0)
    }
}

fn major(dev: u64) -> u64 {
    ((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff)
}

fn minor(dev: u64) -> u64 {
    (dev & 0xff) | ((dev >> 12) & !0xff)
}
