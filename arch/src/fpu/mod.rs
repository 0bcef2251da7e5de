//! FPU state: a table of components that the embedder supplies, and images in that form.

mod layout;
mod state;
mod xsave;

pub use layout::{Component, FpuKind, FpuLayout, LayoutError, xfeature};
pub use state::FpuState;
pub use xsave::{FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2};

pub(crate) use layout::{EXTENDED, FPSIMD, LEGACY, sve_payload};
pub(crate) use state::{put, read};
pub(crate) use xsave::SW_BYTES;
