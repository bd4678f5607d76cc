//! What the two sides of a connection are going to do, drawn from the seed.

use std::time::Duration;

use super::common::Random;
use super::common::random::mix;

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

const IN_ORDER: [Ending; 4] = [Finish, Close, Leave, LeaveWithError];
const OF_PAIRS: [Ending; 10] = [
    Abort, Drop, DropReader, DropWriter, Timer, Return, Error, Panic, LeakReader, LeakWriter,
];
const OF_CONNECTIONS: [Ending; 10] = [
    Abort,
    Drop,
    CloseEarly,
    CloseLingering,
    LeakTurn,
    Timer,
    Return,
    Error,
    Panic,
    LeakAll,
];
/// How many of each only handlers come to, at the end of the list.
const OF_HANDLERS_ONLY: [usize; 3] = [2, 5, 4];

impl Ending {
    pub fn is_in_order(self) -> bool {
        IN_ORDER.contains(&self)
    }

    /// Whether the peer of this may wait for ever.
    fn may_strand_peer(self, is_elsewhere: bool) -> bool {
        match self {
            DropReader | DropWriter | LeakReader | LeakWriter | LeakTurn | LeakAll => true,
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
            sides[CLIENT].ending = IN_ORDER[random.below(2)];
            sides[SERVER].ending = IN_ORDER[random.below(4)];
        }
        let strands = |side: &Side| side.ending.may_strand_peer(side.is_elsewhere);
        let deadline = sides.iter().any(strands);
        let deadline = deadline.then(|| Duration::from_millis(20 + random.below(300) as u64));
        Self {
            seed,
            number,
            is_tcp: place.is_tcp,
            sides,
            deadline,
        }
    }

    /// A generator for one of those who carry the plan out.
    pub fn random(&self, side: usize, role: usize) -> Random {
        let who = (2 * side + role) as u64;
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
        let (endings, of_handlers) = match is_pair {
            true => (&OF_PAIRS, OF_HANDLERS_ONLY[1]),
            false => (&OF_CONNECTIONS, OF_HANDLERS_ONLY[2]),
        };
        let ending = match (is_server, random.below(3)) {
            (true, 0) => IN_ORDER[random.below(4)],
            (false, 0) => IN_ORDER[random.below(IN_ORDER.len() - OF_HANDLERS_ONLY[0])],
            (true, _) => endings[random.below(endings.len())],
            (false, _) => endings[random.below(endings.len() - of_handlers)],
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
