//! What is known of each connection from both of its sides: how it may end, and how it has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plimsoll_io::{ConnectionError, Error, WriteError};

use super::payload::Payload;
use super::plan::{CLIENT, Plan, SERVER};
use super::watch::{COUNTS, note_progress};

/// Of each side, who reads and who writes.
pub const READS: usize = 0;
pub const WRITES: usize = 1;

/// A server, as far as its connections have to know.
#[derive(Debug, Default)]
pub struct House {
    pub name: String,
    /// Whether its connections may be lost: aborted from outside, at a deadline, by a timeout.
    pub cuts: AtomicBool,
    /// Whether they may be closed from outside, or told that the server shuts down.
    pub closes: AtomicBool,
    pub panics: AtomicUsize,
    /// Connections that their handlers have leaked.
    pub leaked: AtomicUsize,
}

impl House {
    /// Records that connections may be lost from now on.
    pub fn will_cut(&self) {
        self.cuts.store(true, Ordering::SeqCst);
    }

    /// Records that connections may be closed from now on, and what they still receive dropped.
    pub fn will_close(&self) {
        self.closes.store(true, Ordering::SeqCst);
        self.will_cut();
    }

    fn closes(&self) -> bool {
        self.closes.load(Ordering::SeqCst)
    }
}

/// A connection, from both sides.
#[derive(Debug)]
pub struct Record {
    pub plan: Plan,
    pub house: Arc<House>,
    /// By who sends.
    flows: [Flow; 2],
    /// Whether one of the sides has done what may cost bytes.
    cuts: AtomicBool,
    /// What each party does, and since which place in its bytes.
    doing: [[Mutex<(&'static str, u64)>; 2]; 2],
    /// How many of the two sides run, and how many have run.
    running: AtomicUsize,
    begun: AtomicUsize,
}

/// A side that runs, until it is dropped.
#[derive(Debug)]
pub struct Running(Arc<Record>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    /// Bytes of writes that have begun, and of those that were accepted.
    offered: AtomicU64,
    accepted: AtomicU64,
    /// Whether its writer has asked for the end, or left it to a drop or to the server.
    ends: AtomicBool,
    read: AtomicU64,
    seen: Mutex<Option<Seen>>,
}

/// How a reader has come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    End,
    /// The end, in the middle of a skip, which does not tell where.
    EndOfSkip,
    ConnectionLost(ConnectionError),
}

impl Record {
    pub fn new(plan: Plan, house: Arc<House>) -> Arc<Self> {
        let record = Arc::new(Self {
            plan,
            house,
            flows: Default::default(),
            cuts: AtomicBool::default(),
            doing: Default::default(),
            running: AtomicUsize::default(),
            begun: AtomicUsize::default(),
        });
        lock(&RECORDS).insert(plan.number, Arc::clone(&record));
        COUNTS.connections.add(1);
        record
    }

    /// The connection of a number, while it is in use.
    pub fn of(number: u64) -> Option<Arc<Self>> {
        lock(&RECORDS).get(&number).cloned()
    }

    /// Records that a side runs.
    pub fn runs(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.begun.fetch_add(1, Ordering::SeqCst);
        Running(Arc::clone(self))
    }

    /// What `sender` sends.
    pub fn payload(&self, sender: usize) -> Payload {
        Payload::new(self.plan.seed, self.plan.number, sender)
    }

    /// Records that bytes may be lost from now on, in either direction.
    pub fn will_cut(&self) {
        self.cuts.store(true, Ordering::SeqCst);
    }

    fn may_be_lost(&self) -> bool {
        self.cuts.load(Ordering::SeqCst) || self.house.cuts.load(Ordering::SeqCst)
    }

    /// Records that everything that `sender` has written is to arrive, and then the end.
    pub fn ends(&self, sender: usize) {
        self.flows[sender].ends.store(true, Ordering::SeqCst);
    }

    pub fn offers(&self, sender: usize, up_to: u64) {
        self.flows[sender].offered.store(up_to, Ordering::SeqCst);
    }

    pub fn accepts(&self, sender: usize, up_to: u64) {
        self.flows[sender].accepted.store(up_to, Ordering::SeqCst);
        note_progress();
    }

    /// Records, and checks, what was read of what `sender` sends.
    pub fn has_read(&self, sender: usize, from: u64, bytes: &[u8]) {
        if let Some(at) = self.payload(sender).first_difference(from, bytes) {
            let len = bytes.len();
            panic!("another byte than was sent at {at}, in {len} from {from}: {self}");
        }
        self.reads_to(sender, from + bytes.len() as u64);
        COUNTS.bytes.add(bytes.len());
    }

    /// Records how far reading has come.
    pub fn reads_to(&self, sender: usize, to: u64) {
        let offered = self.flows[sender].offered.load(Ordering::SeqCst);
        assert!(
            to <= offered,
            "{to} bytes read of {offered} written: {self}"
        );
        self.flows[sender].read.store(to, Ordering::SeqCst);
        note_progress();
    }

    pub fn has_seen(&self, sender: usize, seen: Seen) {
        note_progress();
        match seen {
            Seen::ConnectionLost(loss) => self.check_loss(loss),
            Seen::End | Seen::EndOfSkip => COUNTS.ends.add(1),
        }
        let before = lock(&self.flows[sender].seen).replace(seen);
        let is_first = before.is_none_or(|before| before == seen);
        assert!(is_first, "{seen:?} after {before:?}: {self}");
    }

    /// Whether `side` has not come to the end of what it reads.
    pub fn goes_on_reading(&self, side: usize) -> bool {
        lock(&self.flows[1 - side].seen).is_none()
    }

    /// Checks an error of a call that sends. Only a loss may be one, and a close by others.
    pub fn check_failed_write(&self, error: &Error) {
        note_progress();
        match error {
            Error::ConnectionLost(lost) => self.check_loss(lost.kind),
            Error::Write(WriteError::Closed | WriteError::Finished) => {
                assert!(self.house.closes(), "closed: {self}");
            }
            other => panic!("{other:?}: {self}"),
        }
    }

    fn check_loss(&self, loss: ConnectionError) {
        COUNTS.losses.add(1);
        assert!(self.may_be_lost(), "{loss:?} without a cause: {self}");
    }

    pub fn does(&self, side: usize, role: usize, what: &'static str, at: u64) {
        *lock(&self.doing[side][role]) = (what, at);
    }

    /// Checks how it has ended, once both sides are at their ends.
    ///
    /// A clean end stands for every byte. (A Unix socket shows an abort as one.) Where nothing has
    /// cut the connection, both directions have come to it.
    fn check_end(&self) {
        let may_be_lost = self.may_be_lost();
        for (sender, flow) in self.flows.iter().enumerate() {
            let read = flow.read.load(Ordering::SeqCst);
            let accepted = flow.accepted.load(Ordering::SeqCst);
            assert!(read <= accepted, "more than was sent: {self}");
            let is_closed = self.house.closes();
            let is_ended = flow.ends.load(Ordering::SeqCst) || sender == SERVER && is_closed;
            let seen = *lock(&flow.seen);
            let is_whole = is_ended && (read == accepted || seen == Some(Seen::EndOfSkip));
            match seen {
                Some(Seen::End | Seen::EndOfSkip) => {
                    let ends_early = sender == CLIENT && is_closed;
                    let is_told = self.plan.is_tcp || !may_be_lost;
                    let may_be_cut = ends_early || !is_told;
                    assert!(is_whole || may_be_cut, "an end of less: {self}");
                }
                _ => assert!(may_be_lost, "no end: {self}"),
            }
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, house, .. } = self;
        let (may_be_lost, closes) = (self.may_be_lost(), house.closes());
        write!(f, "connection {} of {}", plan.number, house.name)?;
        write!(
            f,
            ", may be lost: {may_be_lost}, closed by others: {closes}"
        )?;
        let running = self.running.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        write!(f, ", deadline: {:?}", plan.deadline)?;
        write!(f, ", sides: {running} of {begun} run")?;
        for (side, name) in ["client", "server"].into_iter().enumerate() {
            let flow = &self.flows[side];
            let [reads, writes] = self.doing[side].each_ref().map(|doing| *lock(doing));
            write!(f, "\n    {name}: {:?}", plan.sides[side])?;
            write!(f, "\n        reads: {reads:?}, writes: {writes:?}")?;
            let [offered, accepted, read] =
                [&flow.offered, &flow.accepted, &flow.read].map(|n| n.load(Ordering::SeqCst));
            let (ends, seen) = (flow.ends.load(Ordering::SeqCst), *lock(&flow.seen));
            write!(f, "\n        sends: {offered} offered, {accepted} accepted")?;
            write!(f, ", ends: {ends}; its peer: {read} read, {seen:?}")?;
        }
        Ok(())
    }
}

/// Connections that are in use, by their numbers.
static RECORDS: Mutex<BTreeMap<u64, Arc<Record>>> = Mutex::new(BTreeMap::new());

/// Those of which a side runs.
pub fn running() -> Vec<Arc<Record>> {
    let mut records: Vec<_> = lock(&RECORDS).values().cloned().collect();
    records.retain(|record| record.running.load(Ordering::SeqCst) > 0);
    records
}

/// Checks the ends of some connections, and forgets them.
pub fn check_ends(of: impl Fn(&Record) -> bool) {
    let mut records: Vec<_> = lock(&RECORDS).values().cloned().collect();
    records.retain(|record| of(record));
    for record in records {
        record.check_end();
        lock(&RECORDS).remove(&record.plan.number);
    }
}

fn lock<A>(mutex: &Mutex<A>) -> MutexGuard<'_, A> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
