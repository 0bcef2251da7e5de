//! What is sent to the sandbox reaches its first process, or who is in front.

use super::console::Console;
use kernel::Kernel;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use sync::waitq::{Events, Queue, Ticket};
use systrap::hostfs::HostStream;
use systrap::{Host, HostSignals, Registration};

const SIGHUP: u32 = 1;
const SIGINT: u32 = 2;
const SIGQUIT: u32 = 3;
const SIGUSR1: u32 = 10;
const SIGUSR2: u32 = 12;
const SIGTERM: u32 = 15;
const SIGCONT: u32 = 18;
const SIGWINCH: u32 = 28;

/// What the guest hears of. The others do to the sandbox what they do to any process.
pub(super) const FORWARDED: &[u32] =
    &[SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGWINCH];

/// Passes signals on as long as it is polled.
pub(super) struct Forwarding {
    signals: HostSignals,
    kernel: Weak<Kernel>,
    console: Option<Arc<Console>>,
    /// The standard streams, of which one may be the terminal.
    streams: Vec<Arc<HostStream>>,
    queue: Arc<Queue>,
    ticket: Option<Ticket>,
    _watched: Registration,
}

impl Forwarding {
    /// Passes `signals` on to guests of `kernel`.
    pub(super) fn new(
        host: &Host,
        signals: HostSignals,
        kernel: &Arc<Kernel>,
        console: Option<Arc<Console>>,
        streams: Vec<Arc<HostStream>>,
    ) -> std::io::Result<Forwarding> {
        use std::os::fd::AsFd;
        let queue = Arc::new(Queue::new());
        let watched = host.watch(signals.as_fd(), Events::IN, queue.clone())?;
        let kernel = Arc::downgrade(kernel);
        Ok(Forwarding { signals, kernel, console, streams, queue, ticket: None, _watched: watched })
    }

    fn forward(&self, kernel: &Kernel, signo: u32, typed: bool) {
        match (signo, &self.console) {
            (SIGWINCH, Some(c)) => c.resize(),
            (SIGCONT, Some(c)) => c.resume(),
            // Whoever continued the sandbox continued its guests with it.
            (SIGCONT, None) => {}
            _ if typed || signo == SIGWINCH => {
                let front = self.streams.iter().find_map(|s| s.foreground());
                kernel.signal_group(front.unwrap_or_else(|| kernel.first()), signo);
            }
            _ => kernel.signal_process(kernel.first(), signo),
        }
    }
}

impl Future for Forwarding {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(t) = self.ticket.take() {
            self.queue.unregister(t);
        }
        self.ticket = Some(self.queue.register(Events::IN, cx.waker()));
        let Some(kernel) = self.kernel.upgrade() else { return Poll::Ready(()) };
        while let Some(s) = self.signals.next() {
            self.forward(&kernel, s.signo, s.typed);
        }
        Poll::Pending
    }
}
