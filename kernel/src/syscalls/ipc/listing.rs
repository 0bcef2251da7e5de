//! The tables in `/proc/sysvipc`.

use super::Ipc;
use super::shm::Segment;
use super::table::{Object, Perm, Table};
use crate::PidNamespace;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use arch::PAGE_SIZE;
use vfs::UserNs;

/// Objects with their identifiers and permissions, by slot.
fn rows<T: Object>(table: &Table<T>) -> impl Iterator<Item = (Arc<T>, i32, Perm)> {
    let slots = 0..=table.highest() as i32;
    slots.filter_map(|slot| table.at(slot).ok()).map(|(o, id)| {
        let perm = *o.perm().lock();
        (o, id, perm)
    })
}

fn owners(p: &Perm, ns: &UserNs) -> String {
    let ([uid, cuid], [gid, cgid]) =
        ([p.uid, p.cuid].map(|u| ns.show_uid(u)), [p.gid, p.cgid].map(|g| ns.show_gid(g)));
    format!("{uid:5} {gid:5} {cuid:5} {cgid:5}")
}

impl Ipc {
    /// `/proc/sysvipc/msg` for somebody in `ns` and `pids` (`sysvipc_msg_proc_show` in `ipc/msg.c`).
    pub(crate) fn list_msg(&self, ns: &UserNs, pids: &PidNamespace) -> String {
        let mut out = String::from(
            "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n",
        );
        for (q, id, p) in rows(&self.msg) {
            let s = q.state.lock();
            out += &format!(
                "{:10} {id:10}  {:4o}  {:10} {:10} {:5} {:5} {} {:10} {:10} {:10}\n",
                p.key,
                p.mode,
                s.bytes,
                s.messages.len(),
                pids.number_of(s.lspid),
                pids.number_of(s.lrpid),
                owners(&p, ns),
                s.stime,
                s.rtime,
                s.ctime,
            );
        }
        out
    }

    /// `/proc/sysvipc/sem` (`sysvipc_sem_proc_show` in `ipc/sem.c`).
    pub(crate) fn list_sem(&self, ns: &UserNs) -> String {
        let mut out = String::from(
            "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
        );
        for (set, id, p) in rows(&self.sem) {
            let s = set.state.lock();
            out += &format!(
                "{:10} {id:10}  {:4o} {:10} {} {:10} {:10}\n",
                p.key,
                p.mode,
                s.sems.len(),
                owners(&p, ns),
                s.otime,
                s.ctime,
            );
        }
        out
    }

    /// `/proc/sysvipc/shm` (`sysvipc_shm_proc_show` in `ipc/shm.c`).
    pub(crate) fn list_shm(&self, ns: &UserNs, pids: &PidNamespace) -> String {
        let mut out = String::from(
            "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n",
        );
        for (s, id, p) in rows::<Segment>(&self.shm) {
            let h = *s.history.lock();
            out += &format!(
                "{:10} {id:10}  {:4o} {:21} {:5} {:5}  {:5} {} {:10} {:10} {:10} {:21} {:21}\n",
                p.key,
                p.mode,
                s.size,
                pids.number_of(h.cpid),
                pids.number_of(h.lpid),
                s.attached(),
                owners(&p, ns),
                h.atime,
                h.dtime,
                h.ctime,
                s.resident_pages() * PAGE_SIZE,
                0,
            );
        }
        out
    }
}
