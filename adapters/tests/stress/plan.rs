//! What the two sides of a connection are going to do, drawn from the seed.

use std::time::Duration;

use io_test_support::Random;
use test_support::random::mix;

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

/// A connection, as it is meant to go.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub number: u64,
    pub is_tcp: bool,
    /// Of the client, and of the server.
    pub sides: [Side; 2],
    /// When the client gives up, whatever it waits for, where its peer may never come to an end.
    pub deadline: Option<Duration>,
}

/// What a connection's server is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub is_tcp: bool,
    /// Whether its handlers get pairs.
    pub is_of_pairs: bool,
    /// Whether further connections wait for those that are served.
    pub is_bounded: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Side {
    pub form: Form,
    /// How many bytes it writes.
    pub volume: u64,
    pub ending: Ending,
    /// After how many bytes of its own an ending comes that is not in order.
    pub due: u64,
    /// Whether that finds the reader in another task, or the handler leaves its connection there.
    pub is_elsewhere: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A pair, each half in a task of its own, and together again now and then.
    Apart,
    /// A pair in one task, which waits for both halves at once.
    Together,
    /// A connection with one owner, call by call.
    Single,
    /// The same, turn by turn.
    Turns,
}

/// How a side comes to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It writes everything, finishes, and reads everything.
    Finish,
    /// It writes everything, closes, and reads everything.
    Close,
    /// A handler that reads everything leaves its last output to the server.
    Leave,
    /// The same, with an error.
    LeaveWithError,

    // What follows is not in order, and may cost any of what the two sides have written.
    Abort,
    Drop,
    DropReader,
    DropWriter,
    /// It leaves by a timer of its own.
    Timer,
    /// Of handlers.
    Return,
    Error,
    Panic,
    LeakReader,
    LeakWriter,
    /// Of connections with one owner.
    CloseEarly,
    CloseLingering,
    LeakTurn,
    /// Of their handlers.
    LeakAll,
}

use Ending::*;

const IN_ORDER: [Ending; 2] = [Finish, Close];
const IN_ORDER_OF_HANDLERS: [Ending; 4] = [Finish, Close, Leave, LeaveWithError];

/// The endings that are not in order, of pairs and of connections with one owner.
const OF_PAIRS: [Ending; 5] = [Abort, Drop, DropReader, DropWriter, Timer];
const OF_CONNECTIONS: [Ending; 6] = [Abort, Drop, CloseEarly, CloseLingering, LeakTurn, Timer];
/// Those that only handlers come to.
const OF_HANDLERS: [Ending; 3] = [Return, Error, Panic];
const OF_HANDLERS_OF_PAIRS: [Ending; 2] = [LeakReader, LeakWriter];
const OF_HANDLERS_OF_CONNECTIONS: [Ending; 1] = [LeakAll];

impl Ending {
    pub fn is_in_order(self) -> bool {
        IN_ORDER_OF_HANDLERS.contains(&self)
    }

    /// Whether the peer of this may wait for ever.
    fn may_strand_peer(self, is_elsewhere: bool) -> bool {
        match self {
            DropReader | DropWriter | LeakTurn | LeakAll => true,
            Return | Error | Panic => is_elsewhere,
            _ => false,
        }
    }
}

impl Plan {
    pub fn new(seed: u64, number: u64, place: Place) -> Self {
        let mut random = Random(mix(seed ^ mix(number)));
        let is_in_order = random.below(2) == 0;
        let mut sides = [CLIENT, SERVER].map(|side| Side::new(&mut random, side, place));
        if is_in_order {
            sides[CLIENT].ending = one_of(&mut random, &IN_ORDER);
            sides[SERVER].ending = one_of(&mut random, &IN_ORDER_OF_HANDLERS);
        }
        let strands = |side: &Side| side.ending.may_strand_peer(side.is_elsewhere);
        let deadline = sides.iter().any(strands);
        let deadline = deadline.then(|| Duration::from_millis(10 + random.below(150) as u64));
        Self {
            seed,
            number,
            is_tcp: place.is_tcp,
            sides,
            deadline,
        }
    }

    /// Whether each side writes everything and reads everything.
    pub fn is_in_order(&self) -> bool {
        self.sides.iter().all(|side| side.ending.is_in_order())
    }

    /// A generator for one of those who carry the plan out.
    pub fn random(&self, side: usize, role: usize) -> Random {
        let who = (3 * side + role) as u64;
        Random(mix(self.seed ^ mix(self.number.wrapping_add(who << 56))))
    }
}

impl Side {
    fn new(random: &mut Random, side: usize, place: Place) -> Self {
        let is_server = side == SERVER;
        let form = match (is_server, place.is_of_pairs, random.below(6)) {
            (true, true, ..3) | (false, _, ..2) => Form::Apart,
            (true, true, _) | (false, _, ..4) => Form::Together,
            (true, false, 3..) => Form::Turns,
            _ => Form::Single,
        };
        let volume = match random.below(10) {
            0 => 0,
            1..=5 => random.below(8 << 10),
            6..=8 => random.below(128 << 10),
            _ => random.below(1 << 20),
        } as u64;
        let is_pair = matches!(form, Form::Apart | Form::Together);
        let (of_all, of_handlers): (&[Ending], &[Ending]) = if is_pair {
            (&OF_PAIRS, &OF_HANDLERS_OF_PAIRS)
        } else {
            (&OF_CONNECTIONS, &OF_HANDLERS_OF_CONNECTIONS)
        };
        let ending = match (random.below(3), is_server) {
            (0, true) => one_of(random, &IN_ORDER_OF_HANDLERS),
            (0, false) => one_of(random, &IN_ORDER),
            (_, true) => one_of(random, &[of_all, &OF_HANDLERS, of_handlers].concat()),
            (_, false) => one_of(random, of_all),
        };
        Self {
            form,
            volume,
            ending: match ending {
                // It would keep its place, and others might never have theirs.
                LeakAll if place.is_bounded => LeakTurn,
                ending => ending,
            },
            due: random.below(volume as usize + 1) as u64,
            is_elsewhere: random.below(2) == 0,
        }
    }
}

fn one_of(random: &mut Random, endings: &[Ending]) -> Ending {
    endings[random.below(endings.len())]
}
