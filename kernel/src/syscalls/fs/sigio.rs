//! `O_ASYNC`: signals when a description becomes ready; fcntl(2).

use crate::signal::{SIGIO, SIGURG, Sender, SigInfo, Target};
use crate::{Kernel, TaskCx};
use alloc::sync::{Arc, Weak};
use sync::waitq::{Events, Notify};
use vfs::{File, FileOwner, OwnerKind};

/// `si_code`s of `SIGIO` with the `si_band` that goes with each (`band_table` in `fs/fcntl.c`),
/// most urgent first, and the events that stand for it.
const REASONS: [(Events, i32, i64); 5] = [
    (Events::ERR, 4, 0x8),
    (Events::HUP, 6, 0x18),
    (Events::PRI, 5, 0x82),
    (Events::IN, 1, 0x41),
    (Events::OUT, 2, 0x304),
];

/// Sends a description's signals.
struct Teller {
    kernel: Weak<Kernel>,
    file: Weak<File>,
    fd: i32,
}

impl Notify for Teller {
    fn notify(&self, events: Events) {
        if let Some((_, code, band)) = REASONS.iter().find(|r| events.intersects(r.0)) {
            self.tell(*code, *band);
        }
    }
}

impl Teller {
    fn new(cx: &TaskCx, file: &Arc<File>, fd: i32) -> Teller {
        Teller { kernel: Arc::downgrade(cx.kernel()), file: Arc::downgrade(file), fd }
    }

    /// Whom to tell, if anybody.
    fn target(&self) -> Option<(Arc<Kernel>, Arc<File>, Target)> {
        let (kernel, file) = (self.kernel.upgrade()?, self.file.upgrade()?);
        let owner = file.owner();
        let target = match owner.kind {
            _ if owner.id == 0 => return None,
            OwnerKind::Thread => Target::Thread(None, owner.id),
            OwnerKind::Process => Target::Process(owner.id),
            OwnerKind::Group => Target::Group(owner.id),
        };
        // Who set the owner may not reach beyond what kill(2) would let them (`sigio_perm`).
        let may = |id: i32| {
            kernel.task(id).is_some_and(|t| {
                let (c, (uid, euid)) = (t.creds(), owner.by);
                euid == 0 || [uid, euid].iter().any(|&u| u == c.suid || u == c.uid)
            })
        };
        if !matches!(target, Target::Group(_)) && !may(owner.id) {
            return None;
        }
        Some((kernel, file, target))
    }

    fn tell(&self, code: i32, band: i64) {
        let Some((kernel, file, target)) = self.target() else { return };
        let owner = file.owner();
        let send = |signo, info| kernel.send(Sender::Kernel, target, signo, Some(info));
        if owner.signal != 0 {
            let info = SigInfo::poll(owner.signal, code, band, self.fd);
            if send(owner.signal, info).is_ok() {
                return;
            }
        }
        // Without a signal of its own, or with a full queue. An owner that is gone hears nothing.
        let _ = send(SIGIO, SigInfo::kernel(SIGIO));
    }
}

/// Turns `O_ASYNC` on or off for a description that can tell.
pub(crate) fn set_async(cx: &TaskCx, file: &Arc<File>, fd: i32, on: bool) {
    file.set_async(on.then(|| {
        let teller: Arc<dyn Notify> = Arc::new(Teller::new(cx, file, fd));
        teller
    }));
}

/// Tells of what is no readiness, whether or not `O_ASYNC` is set: that somebody breaks a lease, or
/// that something happened in a directory.
pub(super) struct MessageTeller(Teller);

impl MessageTeller {
    pub(super) fn new(cx: &TaskCx, file: &Arc<File>, fd: i32) -> MessageTeller {
        MessageTeller(Teller::new(cx, file, fd))
    }
}

impl Notify for MessageTeller {
    fn notify(&self, _: Events) {
        // `POLL_MSG` and its band.
        self.0.tell(3, 0x441);
    }
}

/// Tells the owner of a socket of urgent data (`sk_send_sigurg`).
struct UrgentTeller(Teller);

impl Notify for UrgentTeller {
    fn notify(&self, _: Events) {
        if let Some((kernel, _, target)) = self.0.target() {
            // An owner that is gone hears nothing.
            let _ = kernel.send(Sender::Kernel, target, SIGURG, Some(SigInfo::kernel(SIGURG)));
        }
    }
}

/// A socket has an owner now, who hears of urgent data.
pub(super) fn owned(cx: &TaskCx, file: &Arc<File>) {
    if file.kind() == vfs::mode::IFSOCK {
        file.hear_urgent(Arc::new(UrgentTeller(Teller::new(cx, file, 0))));
    }
}

/// Makes the caller's process the one that gets signals, if there is none (`lease_setup`).
pub(super) fn own(cx: &TaskCx, file: &File) {
    let (old, creds) = (file.owner(), cx.task.creds());
    if old.id == 0 {
        let by = (creds.uid, creds.euid);
        file.set_owner(FileOwner { kind: OwnerKind::Process, id: cx.task.tgid(), by, ..old });
    }
}
