//! What a scripted guest does.

use crate::Trap;
use crate::seam::FaultInfo;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, PAGE_SIZE};
use mm::{AddressSpace, MemoryFile};
use sync::Mutex;

/// What an instruction sees: registers, memory through the page tables, and a log for the test.
pub struct Guest<'a> {
    /// Registers.
    pub regs: &'a mut arch::Context,
    pub(super) space: &'a Arc<dyn AddressSpace>,
    pub(super) memory: &'a Arc<dyn MemoryFile>,
    pub(super) log: &'a Mutex<Vec<i64>>,
}

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To the next one.
    Go,
    /// To the one at an address.
    Jump(u64),
    /// Into the kernel; the next instruction follows when it comes back.
    Trap(Trap),
}

/// One instruction. A fault in it makes it run again.
pub type Step = Box<dyn Fn(&mut Guest<'_>) -> Result<Next, Trap> + Send + Sync>;

impl Guest<'_> {
    /// The result of the last system call.
    pub fn result(&self) -> i64 {
        self.regs.return_value() as i64
    }

    /// Makes a system call.
    pub fn syscall(&mut self, nr: u64, args: [u64; 6]) -> Next {
        match self.regs {
            arch::Context::X86_64(c) => {
                let [a, b, c3, d, e, f] = args;
                (c.regs.rdi, c.regs.rsi, c.regs.rdx) = (a, b, c3);
                (c.regs.r10, c.regs.r8, c.regs.r9) = (d, e, f);
                (c.regs.rax, c.regs.orig_rax) = (nr, nr);
            }
            arch::Context::Aarch64(c) => {
                for (to, from) in c.regs.x.iter_mut().zip(args) {
                    *to = from;
                }
                c.regs.x[8] = nr;
            }
        }
        Next::Trap(Trap::Syscall)
    }

    /// Tells the test something.
    pub fn log(&self, value: i64) {
        self.log.lock().push(value);
    }

    fn at(&self, addr: u64, access: Access) -> Result<u64, Trap> {
        let fault = Trap::Fault { addr: Addr(addr), access, info: FaultInfo::default() };
        let space: Option<&mm::testkit::RecordingSpace> = self.space.as_any().downcast_ref();
        let page = Addr(addr).round_down();
        let (offset, has) = space.and_then(|s| s.mapped(page)).ok_or(fault)?;
        if has.effective().contains(access) { Ok(offset + addr % PAGE_SIZE) } else { Err(fault) }
    }

    /// Reads a word as an instruction would; it must not cross a page.
    ///
    /// # Errors
    /// The fault.
    pub fn load(&self, addr: u64) -> Result<u64, Trap> {
        let offset = self.at(addr, Access::READ)?;
        let mut bytes = [0; 8];
        self.memory.read(offset, &mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    /// Writes bytes as an instruction would; they must not cross a page.
    ///
    /// # Errors
    /// The fault.
    pub fn store(&self, addr: u64, bytes: &[u8]) -> Result<(), Trap> {
        let offset = self.at(addr, Access::WRITE)?;
        self.memory.write(offset, bytes);
        Ok(())
    }
}

/// A guest's code, built step by step.
#[derive(Default)]
pub struct Script {
    steps: Vec<Step>,
}

impl Script {
    /// No instruction.
    pub fn new() -> Script {
        Script::default()
    }

    /// Where the next instruction will be.
    pub fn here(&self) -> u64 {
        super::TEXT + 2 * self.steps.len() as u64
    }

    /// Adds an instruction, and says where it is.
    pub fn step(
        &mut self,
        f: impl Fn(&mut Guest<'_>) -> Result<Next, Trap> + Send + Sync + 'static,
    ) -> u64 {
        let at = self.here();
        self.steps.push(Box::new(f));
        at
    }

    /// Adds a system call with fixed arguments.
    pub fn call(&mut self, nr: u64, args: &[u64]) -> u64 {
        let args = args.to_vec();
        self.call_with(nr, move |_, out| out.clone_from_slice_prefix(&args))
    }

    /// Adds a system call whose arguments are made when it happens.
    pub fn call_with(
        &mut self,
        nr: u64,
        f: impl Fn(&Guest<'_>, &mut Arguments) + Send + Sync + 'static,
    ) -> u64 {
        self.step(move |g| {
            let mut args = Arguments([0; 6]);
            f(g, &mut args);
            Ok(g.syscall(nr, args.0))
        })
    }

    /// Adds an instruction that logs the last result.
    pub fn log_result(&mut self) -> u64 {
        self.step(|g| {
            g.log(g.result());
            Ok(Next::Go)
        })
    }

    /// Adds an instruction that logs a number.
    pub fn log(&mut self, value: i64) -> u64 {
        self.step(move |g| {
            g.log(value);
            Ok(Next::Go)
        })
    }

    /// Adds a jump that is taken when the last result is 0. The target is set through the cell
    /// that is returned, since it is not known yet, mostly.
    pub fn jump_if_zero(&mut self) -> Arc<Mutex<u64>> {
        let target = Arc::new(Mutex::new(0));
        let t = target.clone();
        self.step(move |g| Ok(if g.result() == 0 { Next::Jump(*t.lock()) } else { Next::Go }));
        target
    }

    /// Adds bytes that are stored at an address when the instruction runs.
    pub fn store(&mut self, addr: u64, bytes: &[u8]) -> u64 {
        let bytes = bytes.to_vec();
        self.step(move |g| g.store(addr, &bytes).map(|()| Next::Go))
    }

    /// Adds the logging of a word in memory.
    pub fn log_word(&mut self, addr: u64) -> u64 {
        self.step(move |g| {
            g.log(g.load(addr)? as i64);
            Ok(Next::Go)
        })
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

/// Arguments of a scripted system call.
pub struct Arguments(pub [u64; 6]);

impl Arguments {
    fn clone_from_slice_prefix(&mut self, from: &[u64]) {
        for (to, v) in self.0.iter_mut().zip(from) {
            *to = *v;
        }
    }
}
