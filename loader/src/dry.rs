//! An embedder that touches nothing: files in memory, an address space that is a list.

use crate::seam::{Executable, Mapper, Place, ReadAt};
use crate::vdso::Vdso;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::any::Any;
use syserr::Errno;

/// A file whose bytes are in memory.
#[derive(Clone, Debug)]
pub struct Blob(pub Arc<[u8]>);

impl Blob {
    /// A file of these bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Blob {
        Blob(bytes.into())
    }
}

impl ReadAt for Blob {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Executable for Blob {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One operation on a [`Mapper`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// [`Mapper::map_file`].
    File {
        /// Where.
        range: AddrRange,
        /// Byte offset in the file.
        offset: u64,
        /// Permissions.
        access: Access,
    },
    /// [`Mapper::map_anon`].
    Anon {
        /// Where.
        range: AddrRange,
        /// Permissions.
        access: Access,
    },
    /// [`Mapper::map_stack`].
    Stack {
        /// Where.
        range: AddrRange,
        /// Permissions.
        access: Access,
    },
    /// [`Mapper::map_vdso`]: parameters and image.
    Vdso {
        /// Where.
        range: AddrRange,
    },
    /// [`Mapper::zero`].
    Zero {
        /// Where.
        range: AddrRange,
    },
    /// [`Mapper::write`].
    Write {
        /// Where.
        at: Addr,
        /// What.
        bytes: Vec<u8>,
    },
    /// [`Mapper::set_brk`].
    Brk {
        /// Start of the heap.
        start: Addr,
    },
}

impl Op {
    /// The range that the operation maps, if it maps.
    pub fn maps(&self) -> Option<AddrRange> {
        match *self {
            Op::File { range, .. }
            | Op::Anon { range, .. }
            | Op::Stack { range, .. }
            | Op::Vdso { range } => Some(range),
            Op::Zero { .. } | Op::Write { .. } | Op::Brk { .. } => None,
        }
    }
}

/// A [`Mapper`] that writes down what it is told, for tests and for showing how a program would be
/// loaded. Free ranges are taken from the top of `room` downwards.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// What was done, in order.
    pub ops: Vec<Op>,
    room: AddrRange,
}

impl DryRun {
    /// An empty address space that gives out addresses of `room` when it is free to choose.
    pub fn new(room: AddrRange) -> DryRun {
        DryRun { ops: Vec::new(), room }
    }

    fn is_free(&self, range: AddrRange) -> bool {
        !self.ops.iter().filter_map(Op::maps).any(|r| r.overlaps(range))
    }

    fn push(&mut self, at: Addr, len: u64, op: impl FnOnce(AddrRange) -> Op) -> Result<(), Errno> {
        let range = at.to_range(len).ok_or(Errno::ENOMEM)?;
        self.ops.push(op(range));
        Ok(())
    }
}

impl Mapper for DryRun {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        if let Place::Exact(at) | Place::Hint(at) = place {
            let range = at.to_range(len).ok_or(Errno::ENOMEM)?;
            match (self.is_free(range), place) {
                (true, _) => return Ok(at),
                (false, Place::Exact(_)) => return Err(Errno::EEXIST),
                (false, _) => {}
            }
        }
        let mut end = self.room.end;
        loop {
            let start = end.0.checked_sub(len).map(Addr).ok_or(Errno::ENOMEM)?;
            if start < self.room.start {
                return Err(Errno::ENOMEM);
            }
            let range = AddrRange { start, end };
            // Each round goes below one more mapping, so that the search ends.
            match self.ops.iter().filter_map(Op::maps).find(|r| r.overlaps(range)) {
                None => return Ok(start),
                Some(r) => end = r.start,
            }
        }
    }

    fn map_file(
        &mut self,
        _file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        self.push(at, len, |range| Op::File { range, offset, access })
    }

    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno> {
        self.push(at, len, |range| Op::Anon { range, access })
    }

    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        self.ops.push(Op::Stack { range, access });
        Ok(())
    }

    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        self.push(at, len, |range| Op::Zero { range })
    }

    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        self.ops.push(Op::Write { at, bytes: bytes.to_vec() });
        Ok(())
    }

    fn set_brk(&mut self, start: Addr) {
        self.ops.push(Op::Brk { start });
    }

    fn map_vdso(&mut self, at: Addr, vdso: &Vdso) -> Result<(), Errno> {
        self.push(at, vdso.image_len().saturating_add(PAGE_SIZE), |range| Op::Vdso { range })
    }
}
