//! Which system calls a context makes often.

/// A call that was made so often is worth rewriting.
const OFTEN: u32 = 64;
/// Places that are watched at a time; a power of two.
const PLACES: usize = 64;

/// Counts calls by where they are.
pub(crate) struct HotCalls([(u64, u32); PLACES]);

impl Default for HotCalls {
    fn default() -> HotCalls {
        HotCalls([(0, 0); PLACES])
    }
}

impl HotCalls {
    /// Counts a call that ends at `ip`; whether it has just become hot.
    #[inline]
    pub(crate) fn count(&mut self, ip: u64) -> bool {
        let place = (ip ^ ip >> 6 ^ ip >> 12) as usize % PLACES;
        let (at, n) = &mut self.0[place];
        if *at != ip {
            (*at, *n) = (ip, 0);
        }
        *n = n.saturating_add(1);
        *n == OFTEN
    }
}
