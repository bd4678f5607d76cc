//! The writer as one would write it first: a vector of pending bytes.
//!
//! It shares no code with the crate, only the types of its answers.

use bytes::Buf;
use plimsoll::{ConnectionError, SendAction, WaterMarks, WriteError, Writer, WriterState};

#[derive(Clone, Debug)]
pub struct WriterModel {
    pub pending: Vec<u8>,
    pub high: usize,
    pub low: usize,
    pub cap: usize,
    pub full: bool,
    pub finish_called: bool,
    pub close_called: bool,
    pub end_sent: bool,
    pub unflushed: bool,
    pub loss: Option<ConnectionError>,
    pub accepted: usize,
    pub sent: usize,
    pub dropped: usize,
}

impl WriterModel {
    pub fn new(high: usize, low: usize, cap: usize) -> Self {
        Self {
            pending: Vec::new(),
            high,
            low,
            cap,
            full: false,
            finish_called: false,
            close_called: false,
            end_sent: false,
            unflushed: false,
            loss: None,
            accepted: 0,
            sent: 0,
            dropped: 0,
        }
    }

    pub fn write(&mut self, data: &[u8]) -> Result<(), WriteError> {
        if let Some(loss) = self.loss {
            return Err(WriteError::ConnectionLost(loss));
        }
        if self.close_called {
            return Err(WriteError::Closed);
        }
        if self.finish_called {
            return Err(WriteError::Finished);
        }
        if !data.is_empty() && self.pending.len() + data.len() > self.cap {
            return Err(WriteError::Full {
                len: data.len(),
                pending: self.pending.len(),
                max: self.cap,
            });
        }
        self.pending.extend(data);
        self.accepted += data.len();
        self.set_marks(self.high, self.low);
        Ok(())
    }

    pub fn set_marks(&mut self, high: usize, low: usize) {
        (self.high, self.low) = (high, low);
        if self.pending.len() > high {
            self.full = true;
        }
    }

    pub fn sent(&mut self, count: usize) {
        self.pending.drain(..count);
        self.sent += count;
        self.unflushed |= count > 0;
        if self.pending.len() <= self.low {
            self.full = false;
        }
    }

    pub fn shutdown_done(&mut self) {
        if self.wants_shutdown() {
            self.end_sent = true;
            self.unflushed = false;
        }
    }

    pub fn flush_done(&mut self) {
        if self.pending.is_empty() {
            self.unflushed = false;
        }
    }

    pub fn next_send(&self) -> Option<SendAction> {
        match () {
            () if !self.pending.is_empty() => Some(SendAction::Write),
            () if self.unflushed => Some(SendAction::Flush),
            () if self.wants_shutdown() => Some(SendAction::Shutdown),
            () => None,
        }
    }

    pub fn finish(&mut self) {
        if !self.close_called && self.loss.is_none() {
            self.finish_called = true;
        }
    }

    pub fn close(&mut self) {
        if self.loss.is_none() {
            self.close_called = true;
        }
    }

    pub fn lose(&mut self, loss: ConnectionError) {
        // That it is not connected says nothing of the cause.
        let has_no_cause = matches!(self.loss, None | Some(ConnectionError::NotConnected));
        if has_no_cause && self.state() != WriterState::Closed {
            self.loss = Some(loss);
            self.unflushed = false;
            self.dropped += self.pending.len();
            self.pending.clear();
            self.full = false;
        }
    }

    pub fn wants_shutdown(&self) -> bool {
        let asked = self.finish_called || self.close_called;
        asked && !self.end_sent && self.pending.is_empty() && self.loss.is_none()
    }

    pub fn state(&self) -> WriterState {
        match (self.loss, self.close_called, self.finish_called) {
            (Some(loss), ..) => WriterState::Lost(loss),
            (None, true, _) if self.end_sent => WriterState::Closed,
            (None, true, _) => WriterState::Closing,
            (None, false, true) if self.end_sent => WriterState::Finished,
            (None, false, true) => WriterState::Finishing,
            (None, false, false) => WriterState::Open,
        }
    }
}

/// A writer with the settings of the model.
pub fn writer_like(model: &WriterModel) -> Writer {
    let mut writer = Writer::new();
    writer.set_water_marks(WaterMarks::new(model.high, model.low).expect("marks in order"));
    writer.set_max_pending(model.cap);
    writer
}

/// All pending bytes, as a transport sees them that takes several slices at once.
pub fn output_bytes(writer: &mut Writer) -> Vec<u8> {
    let output = writer.output();
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let filled = output.chunks_vectored(&mut slices);
    let mut bytes = Vec::with_capacity(output.remaining());
    for slice in &slices[..filled] {
        bytes.extend_from_slice(slice);
    }
    assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
    assert!(bytes.starts_with(output.chunk()));
    assert_eq!(output.chunk().is_empty(), bytes.is_empty());
    bytes
}

/// Checks everything that can be seen of the writer against the model.
pub fn assert_same_state(writer: &mut Writer, model: &WriterModel) {
    assert_eq!(writer.pending(), model.pending.len());
    assert_eq!(output_bytes(writer), model.pending);
    assert_eq!(writer.next_send(), model.next_send());
    assert_eq!(
        writer.is_flushed(),
        model.pending.is_empty() && !model.unflushed
    );
    assert_eq!(writer.is_full(), model.full);
    assert_eq!(writer.state(), model.state());
    assert_eq!(
        writer.is_writable(),
        !model.full && model.state() == WriterState::Open
    );
    assert_eq!(writer.connection_error(), model.loss);
    assert_eq!(
        model.accepted,
        model.sent + model.dropped + writer.pending(),
        "accepted = sent + dropped + pending"
    );
}
