//! Numbers, names and messages against `linux-raw-sys`, which is generated from the kernel's
//! headers, and against the standard library.

use syserr::{Errno, TABLE, decode_return, encode_return};

macro_rules! headers {
    ($($name:ident)*) => {
        &[$((stringify!($name), linux_raw_sys::errno::$name),)*]
    };
}

/// What the kernel's headers say.
const HEADERS: &[(&str, u32)] = headers! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR
    EXFULL ENOANO EBADRQC EBADSLT EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK
    EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC
    ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ
    EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT
    EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET
    ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH
    EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM
    EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE
    ERFKILL EHWPOISON
};

#[test]
fn the_table_is_the_kernels() {
    let ours: Vec<(&str, u32)> =
        TABLE.iter().map(|(e, name, _)| (*name, u32::from(e.number()))).collect();
    assert_eq!(ours, HEADERS);
}

#[test]
fn aliases_are_the_kernels() {
    assert_eq!(u32::from(Errno::EWOULDBLOCK.number()), linux_raw_sys::errno::EWOULDBLOCK);
    assert_eq!(u32::from(Errno::EDEADLOCK.number()), linux_raw_sys::errno::EDEADLOCK);
    assert_eq!(Errno::ENOTSUP, Errno::EOPNOTSUPP);
}

#[test]
fn look_ups_agree_with_the_table() {
    for n in 0..=u16::MAX {
        let Some(e) = Errno::new(n) else {
            assert!(n == 0 || n > Errno::MAX);
            continue;
        };
        let row = TABLE.iter().find(|r| r.0 == e);
        assert_eq!(e.name(), row.map(|r| r.1));
        assert_eq!(e.message(), row.map_or("Unknown error", |r| r.2));
        assert_eq!(e.to_string(), e.message());
        assert!(!format!("{e:?}").is_empty());
    }
}

#[test]
fn returns_decode_at_the_edges() {
    assert_eq!(decode_return(0), Ok(0));
    assert_eq!(decode_return(-4096i64 as u64), Ok(-4096i64 as u64));
    assert_eq!(decode_return(-4095i64 as u64), Err(Errno::new(4095).unwrap()));
    assert_eq!(decode_return(u64::MAX), Err(Errno::EPERM));
}

proptest::proptest! {
    #[test]
    fn every_register_comes_back(register: u64) {
        proptest::prop_assert_eq!(encode_return(decode_return(register)), register);
    }

    #[test]
    fn every_small_negative_register_is_an_error(n in 1u16..=4095) {
        let e = Errno::new(n).unwrap();
        proptest::prop_assert_eq!(decode_return(e.to_return()), Err(e));
        proptest::prop_assert_eq!(e.to_return() as i64, -i64::from(n));
    }

    #[test]
    fn every_foreign_number_is_an_error_that_guests_know(raw: i32) {
        let e = Errno::from_raw(raw);
        proptest::prop_assert!(e.number() <= 133);
        if (1..=133).contains(&raw.unsigned_abs()) {
            proptest::prop_assert_eq!(e.to_raw(), raw.abs());
        } else {
            proptest::prop_assert_eq!(e, Errno::EIO);
        }
    }
}
