//! Runs a plan on an address space.

use crate::error::{Image, LoadError, SegmentDefect};
use crate::plan::{ImagePlan, Layout, Placement, Segment};
use crate::seam::{Executable, Mapper, Place};
use arch::{Access, Addr, AddrRange, PAGE_SIZE};

/// A mapper and the bounds that every mapping must keep.
pub(crate) struct Space<'a> {
    pub(crate) mapper: &'a mut dyn Mapper,
    pub(crate) layout: &'a Layout,
}

impl Space<'_> {
    /// Maps one image and returns its load bias.
    pub(crate) fn map_image(
        &mut self,
        plan: &ImagePlan,
        file: &dyn Executable,
    ) -> Result<u64, LoadError> {
        let bias = self.place(plan)?;
        for seg in &plan.segments {
            self.map_segment(plan.image, seg, bias, file)?;
        }
        Ok(bias)
    }

    fn place(&mut self, plan: &ImagePlan) -> Result<u64, LoadError> {
        let len = plan.reserve;
        let bias = match plan.placement {
            Placement::Absolute { exclusive } => {
                if exclusive && len != 0 {
                    self.reserve(Place::Exact(Addr(plan.anchor)), len)?;
                }
                return Ok(0);
            }
            Placement::Bias(bias) => bias,
            // Linux maps an image that begins with zero pages only at address 0.
            Placement::Anywhere { .. } if len == 0 => return Ok(plan.anchor.wrapping_neg()),
            Placement::Anywhere { align, hint } => {
                let place = hint.map_or(Place::Any, Place::Hint);
                let at = self.reserve(place, len)?;
                if align <= PAGE_SIZE {
                    return Ok(at.0.wrapping_sub(plan.anchor));
                }
                (at.0 & !(align - 1)).wrapping_sub(plan.anchor)
            }
        };
        if len != 0 {
            self.reserve(Place::Exact(Addr(plan.anchor.wrapping_add(bias))), len)?;
        }
        Ok(bias)
    }

    pub(crate) fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, LoadError> {
        let wanted = match place {
            Place::Any => Addr::NULL,
            Place::Hint(a) | Place::Exact(a) => a,
        };
        let fail = |errno| {
            let end = Addr(wanted.0.saturating_add(len));
            let range = AddrRange { start: wanted, end };
            LoadError::Map { what: "image", range, access: Access::empty(), errno }
        };
        if let Place::Exact(at) = place {
            self.check(at.0, len).map_err(|defect| match defect {
                SegmentDefect::TooLow => fail(syserr::Errno::EPERM),
                _ => fail(syserr::Errno::ENOMEM),
            })?;
        }
        let at = self.mapper.reserve(place, len).map_err(fail)?;
        // What an embedder answers is checked too: all later arithmetic builds on it.
        match self.check(at.0, len) {
            Ok(_) if at.is_page_aligned() => Ok(at),
            _ => Err(fail(syserr::Errno::ENOMEM)),
        }
    }

    fn check(&self, at: u64, len: u64) -> Result<AddrRange, SegmentDefect> {
        let end = at.checked_add(len).ok_or(SegmentDefect::OutOfRange)?;
        if end > self.layout.task_size {
            return Err(SegmentDefect::OutOfRange);
        }
        if at < self.layout.min_addr.0 {
            return Err(SegmentDefect::TooLow);
        }
        Ok(AddrRange { start: Addr(at), end: Addr(end) })
    }

    fn map_segment(
        &mut self,
        image: Image,
        seg: &Segment,
        bias: u64,
        file: &dyn Executable,
    ) -> Result<(), LoadError> {
        let index = seg.index;
        let bad = |defect| LoadError::Segment { image, index, defect };
        if let Some(part) = seg.file {
            let r = self.check(part.vaddr.wrapping_add(bias), part.len).map_err(bad)?;
            let access = seg.access;
            self.mapper
                .map_file(file, r.start, part.len, part.offset, access)
                .map_err(|errno| LoadError::Map { what: "segment", range: r, access, errno })?;
        }
        if let Some(part) = seg.zero {
            let r = self.check(part.vaddr.wrapping_add(bias), part.len).map_err(bad)?;
            self.mapper.zero(r.start, part.len).map_err(|_| LoadError::Zero(r))?;
        }
        if let Some(part) = seg.anon {
            let r = self.check(part.vaddr.wrapping_add(bias), part.len).map_err(bad)?;
            let access = part.access;
            self.mapper.map_anon(r.start, part.len, access).map_err(|errno| LoadError::Map {
                what: "bss",
                range: r,
                access,
                errno,
            })?;
        }
        Ok(())
    }
}
