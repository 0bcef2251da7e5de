//! `O_ASYNC`: signals when a description becomes ready; fcntl(2).

use crate::signal::{SIGIO, Sender, SigInfo, Target};
use crate::{Kernel, TaskCx};
use alloc::sync::{Arc, Weak};
use sync::waitq::{Events, Notify};
use vfs::{File, OwnerKind};

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
        let (Some(kernel), Some(file)) = (self.kernel.upgrade(), self.file.upgrade()) else {
            return;
        };
        let Some((_, code, band)) = REASONS.iter().find(|r| events.intersects(r.0)) else { return };
        let owner = file.owner();
        let target = match owner.kind {
            _ if owner.id == 0 => return,
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
            return;
        }
        let send = |signo, info| kernel.send(Sender::Kernel, target, signo, Some(info));
        if owner.signal != 0 {
            let info = SigInfo::poll(owner.signal, *code, *band, self.fd);
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
        let (kernel, file) = (Arc::downgrade(cx.kernel()), Arc::downgrade(file));
        Arc::new(Teller { kernel, file, fd }) as Arc<dyn Notify>
    }));
}
