//! A kernel's system-call boundary in miniature: a handler's result becomes a register, and the
//! user side reads it back.

use syserr::{Errno, Error, Restart, RestartAction, decode_return, encode_return};

/// A message for people beside the number for programs.
const TOO_MANY: Error = Error::new("every descriptor of the table is in use", Errno::EMFILE);

/// Opens one of four descriptors.
fn open(used: &mut u8) -> Result<u64, Error> {
    if *used == 4 {
        return Err(TOO_MANY);
    }
    *used += 1;
    Ok(u64::from(*used) + 2)
}

fn main() {
    let mut used = 0;
    for _ in 0..5 {
        let result = open(&mut used);
        if let Err(e) = &result {
            println!("kernel log: {e}");
        }
        let register = encode_return(result.map_err(Errno::from));
        match decode_return(register) {
            Ok(fd) => println!("rax = {register:#x}: descriptor {fd}"),
            Err(e) => println!("rax = {register:#x}: {e:?} ({e})"),
        }
    }
    // An interrupted read(2): no number reaches the program unless a handler runs.
    for sa_restart in [false, true] {
        match Restart::Sys.with_handler(sa_restart) {
            RestartAction::Interrupted => println!("SA_RESTART {sa_restart}: returns EINTR"),
            other => println!("SA_RESTART {sa_restart}: {other:?}"),
        }
    }
}
