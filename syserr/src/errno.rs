//! Linux error numbers as they cross the system-call boundary.

use core::num::NonZeroU16;

/// A Linux error number, `1..=4095`.
///
/// A transparent non-zero integer rather than an enum, so that a number this crate does not know
/// is still a value and never undefined behaviour. `Option<Errno>` is two bytes and
/// `Result<u64, Errno>` is returned in registers.
///
/// Source: `include/uapi/asm-generic/errno-base.h`, `errno.h`; errno(3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Errno(NonZeroU16);

/// Largest number that has a name.
const NAMED: usize = 133;

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno::new($value).unwrap();)*
        }
        /// Every named error number: (number, name, message), in numeric order.
        pub const TABLE: &[(Errno, &str, &str)] = &[$((Errno::$name, stringify!($name), $text),)*];
        /// Name and message by number; empty where Linux has none.
        static BY_NUMBER: [(&str, &str); NAMED + 1] = {
            let mut table = [("", ""); NAMED + 1];
            $(table[$value] = (stringify!($name), $text);)*
            table
        };
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    ESRCH = 3, "No such process";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "I/O error";
    ENXIO = 6, "No such device or address";
    E2BIG = 7, "Argument list too long";
    ENOEXEC = 8, "Exec format error";
    EBADF = 9, "Bad file number";
    ECHILD = 10, "No child processes";
    EAGAIN = 11, "Try again";
    ENOMEM = 12, "Out of memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    ENOTBLK = 15, "Block device required";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    EXDEV = 18, "Cross-device link";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EISDIR = 21, "Is a directory";
    EINVAL = 22, "Invalid argument";
    ENFILE = 23, "File table overflow";
    EMFILE = 24, "Too many open files";
    ENOTTY = 25, "Not a typewriter";
    ETXTBSY = 26, "Text file busy";
    EFBIG = 27, "File too large";
    ENOSPC = 28, "No space left on device";
    ESPIPE = 29, "Illegal seek";
    EROFS = 30, "Read-only file system";
    EMLINK = 31, "Too many links";
    EPIPE = 32, "Broken pipe";
    EDOM = 33, "Math argument out of domain of func";
    ERANGE = 34, "Math result not representable";
    EDEADLK = 35, "Resource deadlock would occur";
    ENAMETOOLONG = 36, "File name too long";
    ENOLCK = 37, "No record locks available";
    ENOSYS = 38, "Invalid system call number";
    ENOTEMPTY = 39, "Directory not empty";
    ELOOP = 40, "Too many symbolic links encountered";
    ENOMSG = 42, "No message of desired type";
    EIDRM = 43, "Identifier removed";
    ECHRNG = 44, "Channel number out of range";
    EL2NSYNC = 45, "Level 2 not synchronized";
    EL3HLT = 46, "Level 3 halted";
    EL3RST = 47, "Level 3 reset";
    ELNRNG = 48, "Link number out of range";
    EUNATCH = 49, "Protocol driver not attached";
    ENOCSI = 50, "No CSI structure available";
    EL2HLT = 51, "Level 2 halted";
    EBADE = 52, "Invalid exchange";
    EBADR = 53, "Invalid request descriptor";
    EXFULL = 54, "Exchange full";
    ENOANO = 55, "No anode";
    EBADRQC = 56, "Invalid request code";
    EBADSLT = 57, "Invalid slot";
    EBFONT = 59, "Bad font file format";
    ENOSTR = 60, "Device not a stream";
    ENODATA = 61, "No data available";
    ETIME = 62, "Timer expired";
    ENOSR = 63, "Out of streams resources";
    ENONET = 64, "Machine is not on the network";
    ENOPKG = 65, "Package not installed";
    EREMOTE = 66, "Object is remote";
    ENOLINK = 67, "Link has been severed";
    EADV = 68, "Advertise error";
    ESRMNT = 69, "Srmount error";
    ECOMM = 70, "Communication error on send";
    EPROTO = 71, "Protocol error";
    EMULTIHOP = 72, "Multihop attempted";
    EDOTDOT = 73, "RFS specific error";
    EBADMSG = 74, "Not a data message";
    EOVERFLOW = 75, "Value too large for defined data type";
    ENOTUNIQ = 76, "Name not unique on network";
    EBADFD = 77, "File descriptor in bad state";
    EREMCHG = 78, "Remote address changed";
    ELIBACC = 79, "Can not access a needed shared library";
    ELIBBAD = 80, "Accessing a corrupted shared library";
    ELIBSCN = 81, ".lib section in a.out corrupted";
    ELIBMAX = 82, "Attempting to link in too many shared libraries";
    ELIBEXEC = 83, "Cannot exec a shared library directly";
    EILSEQ = 84, "Illegal byte sequence";
    ERESTART = 85, "Interrupted system call should be restarted";
    ESTRPIPE = 86, "Streams pipe error";
    EUSERS = 87, "Too many users";
    ENOTSOCK = 88, "Socket operation on non-socket";
    EDESTADDRREQ = 89, "Destination address required";
    EMSGSIZE = 90, "Message too long";
    EPROTOTYPE = 91, "Protocol wrong type for socket";
    ENOPROTOOPT = 92, "Protocol not available";
    EPROTONOSUPPORT = 93, "Protocol not supported";
    ESOCKTNOSUPPORT = 94, "Socket type not supported";
    EOPNOTSUPP = 95, "Operation not supported on transport endpoint";
    EPFNOSUPPORT = 96, "Protocol family not supported";
    EAFNOSUPPORT = 97, "Address family not supported by protocol";
    EADDRINUSE = 98, "Address already in use";
    EADDRNOTAVAIL = 99, "Cannot assign requested address";
    ENETDOWN = 100, "Network is down";
    ENETUNREACH = 101, "Network is unreachable";
    ENETRESET = 102, "Network dropped connection because of reset";
    ECONNABORTED = 103, "Software caused connection abort";
    ECONNRESET = 104, "Connection reset by peer";
    ENOBUFS = 105, "No buffer space available";
    EISCONN = 106, "Transport endpoint is already connected";
    ENOTCONN = 107, "Transport endpoint is not connected";
    ESHUTDOWN = 108, "Cannot send after transport endpoint shutdown";
    ETOOMANYREFS = 109, "Too many references: cannot splice";
    ETIMEDOUT = 110, "Connection timed out";
    ECONNREFUSED = 111, "Connection refused";
    EHOSTDOWN = 112, "Host is down";
    EHOSTUNREACH = 113, "No route to host";
    EALREADY = 114, "Operation already in progress";
    EINPROGRESS = 115, "Operation now in progress";
    ESTALE = 116, "Stale file handle";
    EUCLEAN = 117, "Structure needs cleaning";
    ENOTNAM = 118, "Not a XENIX named type file";
    ENAVAIL = 119, "No XENIX semaphores available";
    EISNAM = 120, "Is a named type file";
    EREMOTEIO = 121, "Remote I/O error";
    EDQUOT = 122, "Quota exceeded";
    ENOMEDIUM = 123, "No medium found";
    EMEDIUMTYPE = 124, "Wrong medium type";
    ECANCELED = 125, "Operation Canceled";
    ENOKEY = 126, "Required key not available";
    EKEYEXPIRED = 127, "Key has expired";
    EKEYREVOKED = 128, "Key has been revoked";
    EKEYREJECTED = 129, "Key was rejected by service";
    EOWNERDEAD = 130, "Owner died";
    ENOTRECOVERABLE = 131, "State not recoverable";
    ERFKILL = 132, "Operation not possible due to RF-kill";
    EHWPOISON = 133, "Memory page has hardware error";
}

impl Errno {
    /// Another name of [`Errno::EAGAIN`].
    pub const EWOULDBLOCK: Errno = Errno::EAGAIN;
    /// Another name of [`Errno::EDEADLK`].
    pub const EDEADLOCK: Errno = Errno::EDEADLK;
    /// Another name of [`Errno::EOPNOTSUPP`].
    pub const ENOTSUP: Errno = Errno::EOPNOTSUPP;

    /// The largest number that the system-call return convention can carry.
    pub const MAX: u16 = 4095;

    /// The error numbered `value`, or `None` outside `1..=4095`.
    pub const fn new(value: u16) -> Option<Errno> {
        if value > Errno::MAX {
            return None;
        }
        match NonZeroU16::new(value) {
            Some(n) => Some(Errno(n)),
            None => None,
        }
    }

    /// The error that a foreign number stands for: that of `libc`, of `rustix`'s
    /// `Errno::raw_os_error`, or of a C function's result, positive or negated. Total: what is no
    /// error number of Linux, and what Linux never shows to user code (above 133), is
    /// [`Errno::EIO`].
    pub const fn from_raw(raw: i32) -> Errno {
        let n = raw.unsigned_abs();
        if n as usize > NAMED {
            return Errno::EIO;
        }
        match Errno::new(n as u16) {
            Some(e) => e,
            None => Errno::EIO,
        }
    }

    /// The number as `libc` and `rustix` have it, positive.
    pub const fn to_raw(self) -> i32 {
        self.0.get() as i32
    }

    /// The number, positive.
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// The number as system calls return it: negated, in a 64-bit register.
    pub const fn to_return(self) -> u64 {
        -(self.0.get() as i64) as u64
    }

    /// The symbolic name, such as `"ENOENT"`; `None` for a number Linux has not named.
    pub const fn name(self) -> Option<&'static str> {
        match self.entry() {
            Some(e) => Some(e.0),
            None => None,
        }
    }

    /// The message, such as `"No such file or directory"`.
    pub const fn message(self) -> &'static str {
        match self.entry() {
            Some(e) => e.1,
            None => "Unknown error",
        }
    }

    const fn entry(self) -> Option<&'static (&'static str, &'static str)> {
        let n = self.0.get() as usize;
        if n > NAMED || BY_NUMBER[n].0.is_empty() { None } else { Some(&BY_NUMBER[n]) }
    }
}

/// What a system call's return register says: a value, or a negated error number in
/// `-4095..=-1` (`IS_ERR_VALUE` in `include/linux/err.h`).
///
/// # Errors
/// The error number.
pub const fn decode_return(register: u64) -> Result<u64, Errno> {
    let negated = register.wrapping_neg();
    if negated > Errno::MAX as u64 {
        return Ok(register);
    }
    match Errno::new(negated as u16) {
        Some(e) => Err(e),
        None => Ok(register),
    }
}

/// What a system call leaves in its return register: the inverse of [`decode_return`].
pub const fn encode_return(result: Result<u64, Errno>) -> u64 {
    match result {
        Ok(v) => v,
        Err(e) => e.to_return(),
    }
}

// The promises of the type: no niche is lost, and a result goes in two registers.
const _: () = assert!(size_of::<Errno>() == 2 && size_of::<Option<Errno>>() == 2);
const _: () = assert!(size_of::<Result<u64, Errno>>() <= 16);
const _: () = assert!(size_of::<Result<(), Errno>>() == 2);
const _: () = assert!(TABLE.len() == NAMED - 2);

impl From<Errno> for i32 {
    fn from(e: Errno) -> i32 {
        e.to_raw()
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.number()),
        }
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Errno {}
