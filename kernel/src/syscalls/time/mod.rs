//! Clocks, sleeping and timers.

mod clock;
mod cpu_sleep;
mod interval;
mod posix;
mod sleep;

pub use clock::{
    sys_adjtimex, sys_clock_adjtime, sys_clock_getres, sys_clock_gettime, sys_clock_settime,
    sys_gettimeofday, sys_settimeofday, sys_time, sys_times,
};
pub use interval::{sys_alarm, sys_getitimer, sys_setitimer};
pub use posix::{
    sys_timer_create, sys_timer_delete, sys_timer_getoverrun, sys_timer_gettime, sys_timer_settime,
};
pub use sleep::{sys_clock_nanosleep, sys_nanosleep};
