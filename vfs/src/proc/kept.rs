//! Settings of `/proc/sys` that little or nothing here depends on: they show what was written last, so that
//! programs which change one and look, or set it back, find what they expect.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;

/// Those that somebody has written, by name; as many as there are names.
#[derive(Default)]
pub struct KeptSettings(Mutex<BTreeMap<&'static str, String>>);

impl KeptSettings {
    /// The text of a setting, which is `at_first` as long as nobody writes.
    pub fn text(&self, name: &str, at_first: &str) -> Vec<u8> {
        let kept = self.0.lock();
        kept.get(name).map_or(at_first, String::as_str).as_bytes().to_vec()
    }

    /// The first number of a setting.
    pub fn number(&self, name: &str, at_first: i32) -> i32 {
        let kept = self.0.lock();
        let text = kept.get(name).and_then(|text| text.split_ascii_whitespace().next());
        text.and_then(|word| word.parse().ok()).unwrap_or(at_first)
    }

    /// Takes as many numbers as there are; those that are left out stay (`proc_dointvec`).
    ///
    /// # Errors
    /// `EINVAL` for what is no number of 32 bits.
    pub fn set(&self, name: &'static str, at_first: &str, text: &[u8]) -> Result<(), Errno> {
        let text = text.split(|b| *b == 0).next().unwrap_or_default();
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        let mut kept = self.0.lock();
        let old = kept.get(name).map_or(at_first, String::as_str);
        let mut written = text.split_ascii_whitespace().peekable();
        if written.peek().is_none() {
            return Err(Errno::EINVAL);
        }
        let mut new = String::new();
        for old in old.split_ascii_whitespace() {
            let number = match written.next() {
                Some(word) => word.parse().map_err(|_| Errno::EINVAL)?,
                None => old.parse::<i32>().map_err(|_| Errno::EINVAL)?,
            };
            let separator = if new.is_empty() { "" } else { "\t" };
            new += &format!("{separator}{number}");
        }
        new.push('\n');
        kept.insert(name, new);
        Ok(())
    }
}
