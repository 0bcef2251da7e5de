//! Parameters of real-time scheduling that `/proc/sys/kernel` shows and takes; sched(7). Nothing here
//! runs by them but what sched_rr_get_interval(2) tells.

use sync::Mutex;
use syserr::Errno;
use vfs::proc::SchedSetting;

/// `RR_TIMESLICE`, in milliseconds.
const TIMESLICE: i32 = 100;

/// The settings of a kernel.
pub(crate) struct SchedSettings(Mutex<Values>);

struct Values {
    period_us: i32,
    runtime_us: i32,
    timeslice_ms: i32,
}

impl Default for SchedSettings {
    fn default() -> SchedSettings {
        let values = Values { period_us: 1_000_000, runtime_us: 950_000, timeslice_ms: TIMESLICE };
        SchedSettings(Mutex::new(values))
    }
}

impl SchedSettings {
    /// A parameter.
    pub(crate) fn get(&self, which: SchedSetting) -> i32 {
        let v = self.0.lock();
        match which {
            SchedSetting::RtPeriod => v.period_us,
            SchedSetting::RtRuntime => v.runtime_us,
            SchedSetting::RrTimeslice => v.timeslice_ms,
        }
    }

    /// Changes it (`sched_rt_handler`, `sched_rr_handler` in kernel/sched/rt.c).
    ///
    /// # Errors
    /// `EINVAL` for a period that is none, and a runtime that does not fit into it; −1 is no limit.
    pub(crate) fn set(&self, which: SchedSetting, to: i32) -> Result<(), Errno> {
        let mut v = self.0.lock();
        let (mut period, mut runtime) = (v.period_us, v.runtime_us);
        match which {
            SchedSetting::RrTimeslice => {
                v.timeslice_ms = if to <= 0 { TIMESLICE } else { to };
                return Ok(());
            }
            SchedSetting::RtPeriod => period = to,
            SchedSetting::RtRuntime => runtime = to,
        }
        if period < 1 || runtime < -1 || runtime > period {
            return Err(Errno::EINVAL);
        }
        (v.period_us, v.runtime_us) = (period, runtime);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_fits_into_the_period() {
        let s = SchedSettings::default();
        for refused in [0, -1, 949_999] {
            assert_eq!(s.set(SchedSetting::RtPeriod, refused), Err(Errno::EINVAL));
        }
        for refused in [-2, 1_000_001] {
            assert_eq!(s.set(SchedSetting::RtRuntime, refused), Err(Errno::EINVAL));
        }
        assert_eq!(s.set(SchedSetting::RtRuntime, -1), Ok(()));
        assert_eq!(s.set(SchedSetting::RtPeriod, 1), Ok(()));
        assert_eq!(s.get(SchedSetting::RtRuntime), -1);
    }

    #[test]
    fn a_timeslice_that_is_none_is_the_usual_one() {
        let s = SchedSettings::default();
        for (to, is) in [(20, 20), (0, TIMESLICE), (7, 7), (-1, TIMESLICE)] {
            assert_eq!(s.set(SchedSetting::RrTimeslice, to), Ok(()));
            assert_eq!(s.get(SchedSetting::RrTimeslice), is);
        }
    }
}
