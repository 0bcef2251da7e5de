//! Making and changing file systems step by step: fsopen(2), fspick(2), fsconfig(2), fsmount(2).

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use sync::Mutex;
use syserr::Errno;

use arch::IoDst;

use super::mount::make;
use super::mount_tree::MovePlace;
use crate::{
    File, FileOps, FileSystemType, MountFlags, OpenFlags, OptionError, PathCx, Stat, SuperBlock,
    Vfs, anon,
};

/// The most messages that wait to be read (`struct fc_log`).
const MESSAGES_MAX: usize = 8;
/// The most bytes of options; Linux keeps what it makes of them, which is less.
const OPTIONS_MAX: usize = 4096;

/// What comes next (`enum fs_context_phase`).
enum Phase {
    /// Options, then `FSCONFIG_CMD_CREATE`.
    Create,
    /// fsmount(2).
    Mount(Arc<SuperBlock>),
    /// Options, then `FSCONFIG_CMD_RECONFIGURE`.
    Reconfigure(Arc<SuperBlock>),
    /// Nothing: a step has failed.
    Failed(Option<Arc<SuperBlock>>),
}

struct State {
    phase: Phase,
    source: Option<Vec<u8>>,
    options: Vec<(String, Option<String>)>,
    read_only: Option<bool>,
    messages: VecDeque<String>,
}

/// The file of fsopen(2) and fspick(2).
pub struct MountContext {
    kind: Option<Arc<dyn FileSystemType>>,
    name: &'static str,
    state: Mutex<State>,
}

/// Flags that every file system has, and whether they make it read-only (`vfs_parse_sb_flag`).
const COMMON: &[(&str, Option<bool>)] = &[
    ("dirsync", None),
    ("lazytime", None),
    ("mand", None),
    ("ro", Some(true)),
    ("sync", None),
    ("async", None),
    ("nolazytime", None),
    ("nomand", None),
    ("rw", Some(false)),
];

impl MountContext {
    fn open(kind: Option<Arc<dyn FileSystemType>>, name: &'static str, phase: Phase) -> Arc<File> {
        let state = State {
            phase,
            source: None,
            options: Vec::new(),
            read_only: None,
            messages: VecDeque::new(),
        };
        let ops = Arc::new(MountContext { kind, name, state: Mutex::new(state) });
        File::anonymous(ops, OpenFlags::RDWR, "[fscontext]")
    }

    /// Sets an option: a flag without a value, a string, or with `odd` another kind of value, which no
    /// file system here has a use for.
    ///
    /// # Errors
    /// `EBUSY` when it is not the time for options; `EINVAL` for one that is not known or has a bad
    /// value; `ENOMEM` when there are too many.
    pub fn set(&self, key: &[u8], value: Option<&[u8]>, odd: bool) -> Result<(), Errno> {
        let mut s = self.state.lock();
        if !matches!(s.phase, Phase::Create | Phase::Reconfigure(_)) {
            return Err(Errno::EBUSY);
        }
        let key = core::str::from_utf8(key).map_err(|_| Errno::EINVAL)?;
        if let Some((_, read_only)) = COMMON.iter().find(|(name, _)| *name == key) {
            s.read_only = read_only.or(s.read_only);
            return Ok(());
        }
        let text = value.map(core::str::from_utf8).transpose().map_err(|_| Errno::EINVAL)?;
        let checked = match &self.kind {
            // A comma would begin another option.
            _ if odd || text.is_some_and(|t| t.contains(',')) => Err(OptionError::BadValue),
            Some(kind) => kind.check(key, text),
            None => Err(OptionError::Unknown),
        };
        let checked = match (checked, value) {
            (_, _) if key != "source" => checked,
            (_, Some(v)) if !odd && s.source.is_none() => {
                s.source = Some(v.to_vec());
                return Ok(());
            }
            (_, Some(_)) if !odd => {
                s.say(String::from("e Multiple sources"));
                return Err(Errno::EINVAL);
            }
            _ => {
                s.say(String::from("e Non-string source"));
                return Err(Errno::EINVAL);
            }
        };
        if let Err(e) = checked {
            let what = match e {
                OptionError::Unknown => "Unknown parameter",
                OptionError::BadValue => "Bad value for",
            };
            s.say(format!("e {}: {what} '{key}'", self.name));
            return Err(Errno::EINVAL);
        }
        s.options.retain(|(k, _)| k != key);
        let used: usize =
            s.options.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, String::len)).sum();
        if used + key.len() + text.map_or(0, str::len) > OPTIONS_MAX {
            return Err(Errno::ENOMEM);
        }
        s.options.push((key.into(), text.map(String::from)));
        Ok(())
    }

    /// `FSCONFIG_CMD_CREATE`, and `FSCONFIG_CMD_CREATE_EXCL` with `exclusive`.
    ///
    /// # Errors
    /// `EBUSY` when it is not the time for that, or there is one and it is to be a new one; those of
    /// the file system.
    pub fn create(&self, cx: &PathCx<'_>, exclusive: bool) -> Result<(), Errno> {
        let mut s = self.state.lock();
        let (Phase::Create, Some(kind)) = (&s.phase, &self.kind) else { return Err(Errno::EBUSY) };
        let made = if exclusive && kind.is_shared() {
            Err(Errno::EBUSY)
        } else {
            make(cx, &**kind, s.source.as_deref().unwrap_or(b"none"), &s.text())
        };
        match made {
            Ok(sb) => {
                if !kind.is_shared() {
                    sb.state.set_read_only(s.read_only == Some(true))?;
                }
                s.phase = Phase::Mount(sb);
                Ok(())
            }
            Err(e) => {
                s.phase = Phase::Failed(None);
                Err(e)
            }
        }
    }

    /// `FSCONFIG_CMD_RECONFIGURE`.
    ///
    /// # Errors
    /// `EBUSY` when it is not the time for that, or somebody writes; those of the file system.
    pub fn reconfigure(&self, vfs: &Vfs, cx: &PathCx<'_>) -> Result<(), Errno> {
        let mut s = self.state.lock();
        let Phase::Reconfigure(sb) = &s.phase else { return Err(Errno::EBUSY) };
        let sb = sb.clone();
        let done = vfs.reconfigure(cx.creds, &sb, &s.text(), s.read_only);
        match done {
            Ok(()) => s.begin_again(sb),
            Err(_) => s.phase = Phase::Failed(Some(sb)),
        }
        done
    }
}

impl State {
    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.options {
            out.extend_from_slice(key.as_bytes());
            if let Some(v) = value {
                out.push(b'=');
                out.extend_from_slice(v.as_bytes());
            }
            out.push(b',');
        }
        out
    }

    fn say(&mut self, message: String) {
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    /// Options may come again, for the file system that there is now (`vfs_clean_context`).
    fn begin_again(&mut self, sb: Arc<SuperBlock>) {
        self.source = None;
        self.options.clear();
        self.read_only = None;
        self.phase = Phase::Reconfigure(sb);
    }
}

impl FileOps for MountContext {
    /// One message a call: what was wrong (`fscontext_read`).
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        let mut s = self.state.lock();
        let next = s.messages.front().ok_or(Errno::ENODATA)?;
        if dst.remaining() <= next.len() as u64 {
            return Err(Errno::EMSGSIZE);
        }
        let mut message = s.messages.pop_front().unwrap_or_default();
        drop(s);
        message.push('\n');
        dst.put(message.as_bytes())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Vfs {
    /// fsopen(2).
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`; `ENODEV` for a type that is not known.
    pub fn fsopen(&self, cx: &PathCx<'_>, name: &[u8]) -> Result<Arc<File>, Errno> {
        cx.may_mount()?;
        let kind = self.file_system_type(name)?;
        let name = kind.name();
        Ok(MountContext::open(Some(kind), name, Phase::Create))
    }

    /// fspick(2).
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`; `EINVAL` where nothing is mounted.
    pub fn fspick(&self, cx: &PathCx<'_>, at: MovePlace<'_>) -> Result<Arc<File>, Errno> {
        cx.may_mount()?;
        let path = self.resolve(cx, at.dirfd, at.path, at.lookup)?;
        if !Arc::ptr_eq(path.dentry(), path.mount().root()) {
            return Err(Errno::EINVAL);
        }
        let sb = path.mount().super_block().clone();
        let kind = self.file_system_type(sb.kind.as_bytes()).ok();
        Ok(MountContext::open(kind, sb.kind, Phase::Reconfigure(sb)))
    }

    /// fsmount(2): a mount of what `context` has made, in no place yet.
    ///
    /// # Errors
    /// `EINVAL` when nothing was made; `EBUSY` when it is mounted; `ENOSPC`; `EPERM` for what shows
    /// more than the caller may see.
    pub fn fsmount(
        self: &Arc<Self>,
        cx: &PathCx<'_>,
        context: &MountContext,
        flags: MountFlags,
    ) -> Result<Arc<File>, Errno> {
        let mut s = context.state.lock();
        let sb = match &s.phase {
            Phase::Mount(sb) => sb.clone(),
            Phase::Create | Phase::Failed(None) => return Err(Errno::EINVAL),
            Phase::Reconfigure(_) | Phase::Failed(Some(_)) => return Err(Errno::EBUSY),
        };
        let kept = self.mounts.kept_by(&*cx.mount_namespace()?, &sb, flags)?;
        let m = self.mounts.new_mount(self.root_of(&sb), sb.clone(), flags);
        m.keep_flags(kept);
        self.mounts.add_detached(&m)?;
        s.begin_again(sb);
        drop(s);
        Ok(self.open_detached(m))
    }
}
