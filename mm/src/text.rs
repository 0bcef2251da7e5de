//! Program text that the kernel changes under a running program.

use crate::MemoryManager;
use crate::config::FaultError;
use crate::state::Tx;
use crate::vma::Vma;
use alloc::vec;
use arch::{Access, Addr, PAGE_SIZE};
use syserr::Errno;

impl Vma {
    /// Whether it is a program's code: a private mapping of a file that can be executed and not
    /// written.
    pub(crate) fn is_text(&self) -> bool {
        let code = self.perms.contains(Access::EXEC) && !self.perms.contains(Access::WRITE);
        code && !self.is_anon() && !self.is_shared()
    }
}

impl MemoryManager {
    /// Whether the code of a program lies at `addr`: a private mapping of a file that can be
    /// executed and not written.
    pub fn is_program_text(&self, addr: Addr) -> bool {
        self.read().vma(addr.0).is_some_and(|e| e.value.is_text())
    }

    /// Puts `new` in the place of `old`, which has its length, in program text at `at`; says whether
    /// `old` was there. A copy of the page with the change takes the page's place at once, so that
    /// who executes it meanwhile finds one or the other, and nobody else does.
    ///
    /// # Errors
    /// `EINVAL` for what is not on one page or not as long as `old`; `EFAULT` where no program text
    /// is; `ENOMEM` without memory for the copy.
    pub fn replace_text(&self, at: Addr, old: &[u8], new: &[u8]) -> Result<bool, Errno> {
        let inside = at.0 % PAGE_SIZE;
        if old.len() != new.len() || inside + new.len() as u64 > PAGE_SIZE {
            return Err(Errno::EINVAL);
        }
        let replaced = self.lock().replace_text(at.0 - inside, inside, old, new);
        replaced.map_err(|e| match e {
            FaultError::NoMemory => Errno::ENOMEM,
            _ => Errno::EFAULT,
        })
    }
}

impl Tx<'_> {
    fn replace_text(
        &mut self,
        page: u64,
        inside: u64,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, FaultError> {
        let vma = self.st.vma(page).filter(|e| e.value.is_text()).cloned();
        let vma = vma.ok_or(FaultError::NotMapped)?;
        let end = page + PAGE_SIZE;
        self.back(page, end, false, &vma)?;
        self.st.pmas.unshare(page, end)?;
        let Some(e) = self.st.pmas.find(page).copied() else { return Err(FaultError::NoMemory) };
        let memory = &self.mm.memory;
        let mut now = vec![0; old.len()];
        memory.read(e.value.file + (page - e.start) + inside, &mut now);
        if now != old {
            return Ok(false);
        }
        self.copy(&e, page, page, end, &vma, |copy| memory.write(copy.start + inside, new))?;
        Ok(true)
    }
}
