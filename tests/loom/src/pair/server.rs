//! The server's task, as `server/served.rs` and `server/connection.rs` have it, without timers.

use std::mem;
use std::task::{Context, Poll};

use super::{ABORT, Pair, PairGuard};
use crate::slot::{Command, Core, Look, Party};
use crate::tasks::block_on;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Serving,
    Closing,
    /// Everything is sent, and the peer's end is waited for.
    Lingering,
    Over,
}

/// The server's part of a connection.
struct Served<'a> {
    pair: &'a Pair,
    stage: Stage,
    is_registered: bool,
    lingers: bool,
    /// Whether it lets other tasks run before it sends.
    yields: bool,
}

impl Pair {
    fn served(&self) -> Served<'_> {
        Served {
            pair: self,
            stage: Stage::Serving,
            is_registered: false,
            lingers: false,
            yields: false,
        }
    }

    /// The server's task, whose handler has given the halves to other tasks, and is pending. It leaves when all is
    /// sent after that both have left, or when the connection is gone.
    pub(super) fn serve(&self) {
        self.serve_others(self.served());
    }

    /// The same, by one that lets other tasks run before it sends.
    pub(super) fn serve_late(&self) {
        let mut served = self.served();
        served.yields = true;
        self.serve_others(served);
    }

    fn serve_others(&self, mut served: Served<'_>) {
        block_on(|cx| if served.poll_handler(cx, || Poll::Pending::<()>) { served.poll(cx) } else { Poll::Pending });
        self.leave(Party::Server);
    }

    /// The server's task, with a handler that is polled in it.
    pub(super) fn serve_handler(&self, mut handler: impl FnMut(&mut Context<'_>) -> Poll<()>) {
        let mut served = self.served();
        let mut has_ended = false;
        block_on(|cx| {
            if !has_ended
                && !served.poll_handler(cx, || {
                    handler(&mut Context::from_waker(cx.waker())).map(|()| has_ended = true)
                })
            {
                return Poll::Pending;
            }
            let end = served.poll(cx);
            if has_ended { end } else { Poll::Pending }
        });
        self.leave(Party::Server);
    }

    /// The server's task, whose handler has ended, and which waits for the peer's end.
    pub(super) fn end_and_linger(&self) {
        let mut served = self.served();
        served.lingers = true;
        self.command(Command::End);
        block_on(|cx| served.poll(cx));
        self.leave(Party::Server);
    }
}

impl Served<'_> {
    /// Polls the handler. Returns whether the server looks after it.
    fn poll_handler(&mut self, cx: &Context<'_>, poll: impl FnOnce() -> Poll<()>) -> bool {
        let slot = &self.pair.slot;
        slot.begin_server_poll();
        match poll() {
            Poll::Pending => slot.end_server_poll(cx) || !self.is_registered,
            Poll::Ready(()) => {
                slot.command(Command::End);
                true
            }
        }
    }

    /// Does what there is to do. Ready once the connection is over.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.is_registered = true;
        while let Some(stage) = self.look(cx) {
            if stage == Stage::Over && self.stage != Stage::Over {
                self.pair.command(ABORT);
            }
            self.stage = stage;
            if stage == Stage::Over {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Returns the stage that begins, if one does.
    fn look(&mut self, cx: &Context<'_>) -> Option<Stage> {
        let (mut guard, has_left) = match self.pair.slot.look(cx) {
            _ if self.stage == Stage::Over => return Some(Stage::Over),
            Look::Nothing => return None,
            Look::Unoffered(guard) => (guard, false),
            Look::Left(guard) => (guard, true),
            Look::Gone | Look::TakenOver | Look::Cancelled => return Some(Stage::Over),
        };
        let moves = guard.peek().moves();
        let sent = match self.stage {
            Stage::Serving if has_left => {
                guard.core().close();
                guard.notify();
                return Some(Stage::Closing);
            }
            Stage::Serving if mem::take(&mut self.yields) => {
                cx.waker().wake_by_ref();
                return None;
            }
            Stage::Serving => self.pair.send(&mut guard),
            Stage::Closing => self.send_and_discard(&mut guard),
            Stage::Lingering => {
                return match self.discard(&mut guard) {
                    Poll::Ready(_) => Some(Stage::Over),
                    Poll::Pending => None,
                };
            }
            Stage::Over => return Some(Stage::Over),
        };
        if moves != guard.peek().moves() {
            guard.notify();
        }
        let is_over = self.stage == Stage::Closing && sent.is_ready();
        match guard.peek().has_ended() && self.lingers {
            true if is_over => Some(Stage::Lingering),
            _ => is_over.then_some(Stage::Over),
        }
    }

    /// Sends everything, and discards input meanwhile: the peer may have to be read before it reads.
    fn send_and_discard(&self, guard: &mut PairGuard<'_>) -> Poll<()> {
        while self.pair.send(guard).is_pending() {
            match self.discard(guard) {
                Poll::Ready(Err(lost)) => guard.core().lose_output(lost),
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Ready at the end of the input.
    fn discard(&self, guard: &mut PairGuard<'_>) -> Poll<Result<(), plimsoll::ConnectionError>> {
        let (_, Some(transport)) = guard.both() else {
            return Poll::Ready(Ok(()));
        };
        loop {
            match transport.receive(&self.pair.waker) {
                Some(Poll::Ready(Ok(1..))) => {}
                Some(Poll::Ready(end)) => return Poll::Ready(end.map(drop)),
                Some(Poll::Pending) | None => return Poll::Pending,
            }
        }
    }
}
