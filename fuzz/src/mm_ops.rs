//! Bytes as operations on address spaces.

/// Runs the operations that `bytes` spell on related address spaces, some with memory that runs
/// out. Everything looks like the page-by-page model, and nothing is left at the end.
pub fn mm_ops(bytes: &[u8]) {
    mm::testkit::model::check_operations(bytes);
}
