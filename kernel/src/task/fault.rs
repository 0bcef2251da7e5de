//! Faults and exceptions of user code.

use super::{TaskCx, vsyscall};
use crate::FaultInfo;
use crate::signal::{BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV, SigInfo};
use arch::{Access, Addr};
use mm::FaultError;
use sync::atomic::Ordering::Relaxed;

impl TaskCx {
    /// Resolves a fault, or makes it the signal that it means.
    pub(crate) async fn memory_fault(&mut self, addr: Addr, access: Access, info: FaultInfo) {
        let mut result = self.mm().handle_fault(addr, access);
        if result == Err(FaultError::NoMemory) {
            result = crate::oom::retry(self.task.clone(), self.mm().clone(), addr, access).await;
        }
        self.task.faults.fetch_add(1, Relaxed);
        let Err(e) = result else { return };
        if e == FaultError::NotMapped && access.contains(Access::EXEC) && vsyscall::emulate(self) {
            return;
        }
        let (signo, code) = match e {
            FaultError::NotMapped => (SIGSEGV, SEGV_MAPERR),
            FaultError::Denied => (SIGSEGV, SEGV_ACCERR),
            FaultError::Bus => (SIGBUS, BUS_ADRERR),
            FaultError::NoMemory => return self.task.kill_group(SIGKILL),
        };
        self.fault = info;
        self.task.force_signal(SigInfo::fault(signo, code, addr));
    }

    /// Makes a processor exception a signal.
    pub(crate) fn exception(&mut self, signo: u32, code: i32, addr: Addr, info: FaultInfo) {
        self.fault = info;
        self.task.force_signal(SigInfo::fault(signo, code, addr));
    }
}
