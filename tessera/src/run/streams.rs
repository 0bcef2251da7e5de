//! Standard input, output and error of the first process.

use super::console::Console;
use super::signals::Forwarding;
use crate::Failure;
use kernel::Kernel;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use syserr::Errno;
use systrap::hostfs::{HostStream, Watched};
use systrap::{Host, HostSignals};
use vfs::tty::Ptys;
use vfs::{PathCx, Vfs};

/// The host's side of the standard streams.
pub(super) struct Streams {
    console: Option<Arc<Console>>,
    host: Vec<Arc<HostStream>>,
}

impl Streams {
    /// Opens descriptors 0, 1 and 2 of `cx`: the host's, if they are open. Started by somebody who
    /// sits at a terminal, the guest gets a terminal of its own in place of that.
    pub(super) fn open(
        host: &Host,
        cx: &PathCx<'_>,
        vfs: &Vfs,
        ptys: &Ptys,
    ) -> Result<Streams, Failure> {
        let watch = |fd: BorrowedFd<'_>, events, queue| -> std::io::Result<Watched> {
            Ok(Arc::new(host.watch(fd, events, queue)?))
        };
        let fail = |fd: i32| move |e: Errno| Failure::own(format!("standard stream {fd}: {e}"));
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let mut streams = Vec::new();
        for (fd, stream) in (0..).zip([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]) {
            let Ok(own) = stream.try_clone_to_owned() else { continue };
            streams.push((fd, HostStream::new(own, &watch).map_err(fail(fd))?));
        }
        let (mut console, mut terminal) = (None, None);
        if let [(0, input), (1, output), ..] = &*streams
            && input.is_foreground_terminal()
            && output.is_foreground_terminal()
        {
            let (made, side) = Console::open(vfs, cx, ptys, input, output)?;
            (console, terminal) = (Some(Arc::new(made)), Some(side));
        }
        for (fd, stream) in &streams {
            let file = match &terminal {
                Some(t) if stream.is_foreground_terminal() => t.clone(),
                _ => stream.clone().into_file().map_err(fail(*fd))?,
            };
            cx.files.replace(*fd, file, u64::MAX, false).map_err(fail(*fd))?;
        }
        Ok(Streams { console, host: streams.into_iter().map(|(_, s)| s).collect() })
    }

    /// From now on guests of `kernel` are told of `signals`, and their terminal is moved to the
    /// host's.
    pub(super) fn start(
        &self,
        host: &Host,
        kernel: &Arc<Kernel>,
        signals: HostSignals,
    ) -> Result<(), Failure> {
        let spawn = &kernel.embedder().spawn;
        for pump in self.console.iter().flat_map(|c| c.pumps()) {
            spawn.spawn(pump);
        }
        let streams = self.host.clone();
        let forwarding = Forwarding::new(host, signals, kernel, self.console.clone(), streams);
        let forwarding = forwarding.map_err(|e| Failure::own(format!("signals: {e}")))?;
        spawn.spawn(Box::pin(forwarding));
        Ok(())
    }

    /// The guest has ended.
    pub(super) fn finish(&self) {
        if let Some(c) = &self.console {
            c.finish();
        }
    }
}
