//! Guest programs: ordinary Linux programs that know nothing of Tessera. The end-to-end tests and
//! the benchmarks run them natively and inside, and compare.
//!
//! - `hello`: prints its arguments, an environment variable and what it was started with.
//! - `bench`: repeats one kernel operation and prints nanoseconds per repetition.
//! - `hostile`: tries to harm whatever runs it.
