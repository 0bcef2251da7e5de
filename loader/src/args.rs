//! Argument lists and their limits.
//!
//! Source: execve(2), `bprm_stack_limits` and `copy_strings` in `fs/exec.c`.

use crate::error::LoadError;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use arch::{InitialStack, PAGE_SIZE};

/// How many bytes of a file Linux looks at to find out what it is: `BINPRM_BUF_SIZE`.
pub const BINPRM_BUF_SIZE: usize = 256;
/// The longest single argument or variable, NUL included, in bytes: `MAX_ARG_STRLEN`.
pub const MAX_ARG_STRLEN: usize = 32 * PAGE_SIZE as usize;

/// The room that is left for strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgLimits {
    limit: u64,
    left: u64,
}

impl ArgLimits {
    /// The room for the strings of `argc` arguments and `envc` variables under a stack limit of
    /// `stack_limit` bytes. Pointers count, and an empty argument list counts as one.
    ///
    /// # Errors
    /// [`LoadError::ArgumentsTooLarge`] when the pointers alone do not fit.
    pub fn new(stack_limit: u64, argc: usize, envc: usize) -> Result<ArgLimits, LoadError> {
        let limit = InitialStack::argument_limit(stack_limit);
        let pointers = (argc.max(1) as u64).saturating_add(envc as u64).saturating_mul(8);
        match limit.checked_sub(pointers) {
            None | Some(0) => Err(LoadError::ArgumentsTooLarge { limit }),
            Some(left) => Ok(ArgLimits { limit, left }),
        }
    }

    /// Takes the room of a string of `len` bytes and its NUL. Linux never gives room back, not
    /// even for an argument that a script's replaces, except for `argv[0]`.
    ///
    /// # Errors
    /// [`LoadError::ArgumentTooLong`] with `index`, [`LoadError::ArgumentsTooLarge`].
    pub fn take(&mut self, len: usize, index: usize) -> Result<(), LoadError> {
        if len >= MAX_ARG_STRLEN {
            return Err(LoadError::ArgumentTooLong(index));
        }
        self.left = self
            .left
            .checked_sub(len as u64 + 1)
            .ok_or(LoadError::ArgumentsTooLarge { limit: self.limit })?;
        Ok(())
    }

    /// Gives back the room of a string of `len` bytes and its NUL.
    pub fn give_back(&mut self, len: usize) {
        self.left = self.left.saturating_add(len as u64 + 1);
    }
}

/// The arguments as they change from script to interpreter.
pub(crate) struct Args<'a> {
    pub(crate) list: Vec<Cow<'a, [u8]>>,
    limits: ArgLimits,
}

impl<'a> Args<'a> {
    pub(crate) fn new(
        filename: &[u8],
        argv: &[&'a [u8]],
        envp: &[&[u8]],
        stack_limit: u64,
    ) -> Result<Args<'a>, LoadError> {
        let mut limits = ArgLimits::new(stack_limit, argv.len(), envp.len())?;
        limits.take(filename.len(), 0)?;
        // From the last to the first, as Linux copies, so that the same one is found too long.
        for (i, s) in envp.iter().enumerate().rev() {
            limits.take(s.len(), i)?;
        }
        for (i, s) in argv.iter().enumerate().rev() {
            limits.take(s.len(), i)?;
        }
        let mut list: Vec<Cow<'a, [u8]>> = argv.iter().map(|a| Cow::Borrowed(*a)).collect();
        // A program finds its name in argv[0], or at least no environment there.
        if list.is_empty() {
            limits.take(0, 0)?;
            list.push(Cow::Borrowed(&[]));
        }
        Ok(Args { list, limits })
    }

    /// Replaces `argv[0]`, the script, by interpreter, argument, and the script's path.
    pub(crate) fn rewrite(
        &mut self,
        interpreter: &[u8],
        argument: Option<&[u8]>,
        script: &[u8],
    ) -> Result<(), LoadError> {
        if let Some(first) = self.list.first() {
            self.limits.give_back(first.len());
        }
        self.limits.take(script.len(), 0)?;
        if let Some(a) = argument {
            self.limits.take(a.len(), 0)?;
        }
        self.limits.take(interpreter.len(), 0)?;
        let head = [Some(interpreter), argument, Some(script)];
        let head = head.into_iter().flatten().map(|s| Cow::Owned(s.to_vec()));
        let until = self.list.len().min(1);
        self.list.splice(..until, head);
        Ok(())
    }
}
