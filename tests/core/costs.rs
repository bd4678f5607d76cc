//! The reader's work is linear in what it receives, whatever a peer or a user does.
//!
//! Counted, not timed: bytes that searches look at, and bytes that are copied. Needs the feature
//! `counters`.

use plimsoll::{ReadError, Reader, Separator, Step};
use test_support::random::Random;
use test_support::reader_model::{Outcome, Prefix, Read, Separators, ask};
use test_support::report;

const SIZE: usize = 1 << 20;

/// Most bytes that a search looks at for each byte received and each byte string searched for.
const EXAMINED: u64 = 2;

/// Most bytes that are copied for each byte received: once into the buffer, nine times since a block
/// that is full grows by an eighth at least, and once more while it is smaller than what is received.
const COPIED: u64 = 11;

/// Bytes that are copied beside that, until the smallest block is full.
const FIRST_BLOCK: u64 = 512;

/// Checks what a reader has done against the constants above.
fn assert_within_constants(reader: &Reader, received: u64, byte_strings: u64) {
    let costs = reader.costs();
    let examined = EXAMINED * byte_strings * received;
    assert!(
        costs.examined <= examined,
        "{} > {examined} examined",
        costs.examined
    );
    let copied = COPIED * received + FIRST_BLOCK;
    assert!(costs.copied <= copied, "{} > {copied} copied", costs.copied);
}

/// What `size` bytes may cost when `separators` byte strings of at most `longest` bytes are searched
/// for, and the bytes come in `feeds` pieces.
fn assert_linear(reader: &Reader, size: usize, separators: usize, longest: usize, feeds: usize) {
    let costs = reader.costs();
    let examined = (separators * (size + feeds * (longest - 1))) as u64;
    assert!(
        costs.examined <= examined,
        "{} > {examined} examined",
        costs.examined
    );
    let copied = 3 * size as u64;
    assert!(costs.copied <= copied, "{} > {copied} copied", costs.copied);
}

#[test]
fn a_line_that_comes_byte_by_byte_is_looked_at_once() {
    let mut reader = Reader::with_limit(SIZE);
    for _ in 0..SIZE {
        assert_eq!(reader.read_line().map(|step| step.is_ready()), Ok(false));
        reader.feed(b"a");
    }
    reader.feed(b"\n");
    assert!(reader.read_line().unwrap().is_ready());
    assert_linear(&reader, SIZE + 1, 1, 1, SIZE + 1);
    assert_eq!(reader.costs().examined, SIZE as u64 + 1, "each byte once");
}

#[test]
fn asking_again_after_each_byte_is_linear() {
    let separator = Separator::new("a separator of some length").unwrap();
    let mut reader = Reader::with_limit(SIZE);
    for _ in 0..SIZE {
        for _ in 0..3 {
            assert_eq!(
                reader.read_until(&separator).map(|step| step.is_ready()),
                Ok(false)
            );
        }
        reader.feed(b"a");
    }
    assert_linear(&reader, SIZE, 1, 26, SIZE);
}

#[test]
fn changing_separators_between_calls_is_linear() {
    let separators = [
        Separator::LF,
        Separator::CRLF,
        Separator::new("three").unwrap(),
        Separator::any(["\0", "\r\n\r\n", "three"]).unwrap(),
    ];
    let mut reader = Reader::with_limit(SIZE);
    for _ in 0..SIZE / 16 {
        reader.feed(&[b'a'; 16]);
        for separator in &separators {
            assert_eq!(
                reader.read_until(separator).map(|step| step.is_ready()),
                Ok(false)
            );
        }
        assert_eq!(reader.read_line().map(|step| step.is_ready()), Ok(false));
        assert_eq!(
            reader.read_exact(SIZE + 1).map(|step| step.is_ready()),
            Ok(false)
        );
    }
    // Five byte strings: the newline and `three` are asked for twice and searched for once.
    assert_linear(&reader, SIZE, 5, 5, SIZE / 16);
}

#[test]
fn building_a_separator_anew_for_each_call_is_linear() {
    let mut reader = Reader::with_limit(SIZE);
    for _ in 0..SIZE / 16 {
        reader.feed(&[b'a'; 16]);
        let separator = Separator::new("three").unwrap();
        assert_eq!(
            reader.read_until(&separator).map(|step| step.is_ready()),
            Ok(false)
        );
    }
    assert_linear(&reader, SIZE, 1, 5, SIZE / 16);
}

#[test]
fn a_separator_that_never_occurs_is_not_searched_for_in_each_frame() {
    for members in [
        &["\n", "\0"][..],
        &["\n", "never", "\0"],
        &["\r\n", "\r\n\r\n"],
    ] {
        let separator = Separator::any(members).unwrap();
        let mut reader = Reader::with_limit(SIZE);
        let line = b"a short line\r\n";
        let lines = SIZE / line.len();
        for _ in 0..lines / 64 {
            reader.feed(&line.repeat(64));
            for _ in 0..64 {
                assert!(reader.read_until(&separator).unwrap().is_ready());
            }
        }
        let longest = members.iter().map(|member| member.len()).max().unwrap();
        assert_linear(
            &reader,
            lines / 64 * 64 * line.len(),
            members.len(),
            longest,
            lines / 64,
        );
    }
}

#[test]
fn a_full_reader_that_is_emptied_a_little_at_a_time_is_linear() {
    let mut reader = Reader::with_limit(64);
    let mut received = 0;
    for _ in 0..10_000 {
        while reader.wants_read() {
            reader.feed(b"a line\nand one more\n");
            received += 20;
        }
        assert!(reader.read_line().unwrap().is_ready());
    }
    assert_linear(&reader, received, 1, 1, received / 20);
}

/// The block is as full as it may be, and there is never much room to free.
#[test]
fn a_reader_that_is_always_full_costs_a_bounded_number_of_copies_of_each_byte() {
    const LIMIT: usize = 64 * 1024;
    for full in [2 * LIMIT - 1, 2 * LIMIT] {
        for room in [0, 1, 16 * 1024] {
            let mut reader = Reader::with_limit(LIMIT);
            reader.feed(&b"\n".repeat(full));
            let copied = reader.costs().copied;
            for _ in 0..200_000 {
                assert!(reader.wants_read());
                assert!(reader.read_line().unwrap().is_ready());
                if room == 0 {
                    reader.feed(b"\n");
                } else {
                    reader.input(room)[0] = b'\n';
                    reader.commit(1);
                }
            }
            let copied = (reader.costs().copied - copied) / 200_000;
            assert!(copied <= 9, "{copied} copies of each byte");
            assert!(reader.capacity() <= 2 * LIMIT + LIMIT / 4);
        }
    }
}

#[test]
fn a_reader_that_is_fed_while_paused_costs_a_bounded_number_of_copies_of_each_byte() {
    let mut reader = Reader::with_limit(1);
    for _ in 0..SIZE {
        reader.feed(b"a");
    }
    let copied = reader.costs().copied / SIZE as u64;
    assert!(copied <= 9, "{copied} copies of each byte");
}

#[test]
fn a_large_exact_read_that_comes_in_small_pieces_is_linear() {
    let mut reader = Reader::with_limit(1000);
    for _ in 0..SIZE / 16 {
        assert!(!reader.read_exact(SIZE).unwrap().is_ready());
        reader.feed(&[b'a'; 16]);
    }
    assert!(reader.read_exact(SIZE).unwrap().is_ready());
    assert_linear(&reader, SIZE, 0, 1, 0);
}

#[test]
fn keeping_a_frame_does_not_copy_what_is_behind_it() {
    let mut reader = Reader::new();
    reader.feed(&b"a line\n".repeat(9000));
    let copied = reader.costs().copied;
    for _ in 0..20_000 {
        let Ok(Step::Ready(line)) = reader.read_line() else {
            panic!("a line is there");
        };
        assert_eq!(line.into_bytes(), "a line\n");
        reader.feed(b"a line\n");
    }
    let copied = reader.costs().copied - copied;
    assert!(copied <= 9 * 7 * 20_000, "{copied} bytes");
}

#[test]
fn a_set_of_separators_is_remembered_beside_another() {
    let members = |first: u8| (0..16).map(move |more| [first + more, b'!', b'?']);
    let sets = [
        Separator::any(members(b'A')).unwrap(),
        Separator::any(members(b'a')).unwrap(),
    ];
    let mut reader = Reader::with_limit(SIZE);
    for _ in 0..SIZE / 64 {
        reader.feed(&[b'.'; 64]);
        for set in &sets {
            assert!(!reader.read_until(set).unwrap().is_ready());
        }
    }
    assert_linear(&reader, SIZE, 32, 3, SIZE / 64);
}

#[test]
fn an_endless_line_is_looked_at_once() {
    let mut reader = Reader::with_limit(1000);
    let mut errors = 0;
    for _ in 0..SIZE / 100 {
        reader.feed(&[b'a'; 100]);
        match reader.read_line() {
            Err(ReadError::LineTooLong { .. }) => errors += 1,
            other => assert!(!other.unwrap().is_ready()),
        }
    }
    assert_eq!(errors, 1);
    assert_linear(&reader, SIZE, 1, 1, SIZE / 100);
}

#[test]
fn an_overrun_that_is_asked_about_again_costs_nothing() {
    let mut reader = Reader::with_limit(1000);
    reader.feed(&[b'a'; 2000]);
    for _ in 0..10_000 {
        assert!(reader.read_until(&Separator::CRLF).is_err());
    }
    reader.feed(b"\r\n");
    for _ in 0..10_000 {
        assert!(reader.read_until(&Separator::CRLF).is_err());
    }
    assert_linear(&reader, 2002, 1, 2, 2);
}

#[test]
fn input_in_place_is_not_copied() {
    let mut reader = Reader::new();
    for _ in 0..1000 {
        reader.input(1000)[..1000].fill(b'a');
        reader.input(1000)[999] = b'\n';
        reader.commit(1000);
        assert!(reader.read_line().unwrap().is_ready());
    }
    assert_eq!(reader.costs().copied, 0);
}

/// Feeds `input`, and returns how many bytes besides it were copied.
fn moved_by(reader: &mut Reader, input: &[u8]) -> u64 {
    let before = reader.costs().copied;
    reader.feed(input);
    reader.costs().copied - before - input.len() as u64
}

/// Feeds pieces without reading, each given as its size, what the reader holds then, and how many bytes
/// it had to move.
fn assert_grows(limit: usize, feeds: &[(usize, usize, u64)]) {
    let mut reader = Reader::with_limit(limit);
    for &(size, capacity, moved) in feeds {
        let found = moved_by(&mut reader, &vec![b'a'; size]);
        assert_eq!(
            (reader.capacity(), found),
            (capacity, moved),
            "{size} of {feeds:?}"
        );
    }
}

#[test]
fn a_block_doubles_up_to_the_ceiling_and_grows_by_a_quarter_past_it() {
    const LIMIT: usize = Reader::DEFAULT_LIMIT;
    assert_grows(LIMIT, &[(1, 512, 0), (511, 512, 0), (1, 1024, 512)]);
    assert_grows(LIMIT, &[(5000, 5000, 0), (1, 10_000, 5000)]);
    // Twice the limit, and a quarter of it or what comes, if that is more.
    assert_grows(100, &[(1, 225, 0), (224, 225, 0), (1, 282, 225)]);
    // A larger block stays until as much was read as is left.
    assert_grows(
        100,
        &[(200, 400, 0), (1, 400, 0), (199, 400, 0), (1, 501, 400)],
    );
    let to_2048 = [(1, 512, 0), (512, 1024, 1), (1024, 2048, 513)];
    let grows = |more: &[_]| assert_grows(1000, &[&to_2048[..], more].concat());
    grows(&[(463, 2048, 0), (49, 2250, 2000), (201, 2250, 0)]);
    grows(&[(463, 2048, 0), (49, 2250, 2000), (202, 2813, 2049)]);
    // Fed beyond twice the limit: what is left up to the ceiling is too little.
    grows(&[(464, 2048, 0), (48, 2561, 2001)]);
    grows(&[(512, 2512, 1537)]);
}

#[test]
fn bytes_are_moved_within_a_block_once_as_many_were_taken() {
    for (taken, fed, capacity, moved) in [
        (256, 1, 512, 256),
        (256, 256, 512, 256),
        (256, 257, 1024, 256),
        (255, 255, 1024, 257),
        (512, 512, 512, 0),
    ] {
        let mut reader = Reader::new();
        reader.feed(&[b'a'; 512]);
        assert!(reader.read(taken).unwrap().is_ready());
        let found = moved_by(&mut reader, &vec![b'b'; fed]);
        assert_eq!(
            (reader.capacity(), found),
            (capacity, moved),
            "{taken} taken, {fed} fed"
        );
        let left = [vec![b'a'; 512 - taken], vec![b'b'; fed]].concat();
        assert_eq!(reader.buffered(), left);
    }
}

#[test]
fn a_block_is_replaced_once_it_is_more_than_eight_times_too_large() {
    for (room, received, taken, capacity) in [
        (4103, 2, 1, 4103),
        (4104, 2, 1, 512),
        (4104, 2, 0, 4104),
        (8008, 2000, 1000, 8008),
        (8016, 2000, 1000, 1001),
        (8016, 2000, 999, 8016),
    ] {
        let mut reader = Reader::new();
        reader.input(room).fill(b'a');
        reader.commit(received);
        reader.consume(taken);
        let left = received - taken;
        let moved = moved_by(&mut reader, b"b");
        assert_eq!(
            reader.capacity(),
            capacity,
            "{taken} of {received} in {room}"
        );
        assert_eq!(moved, if capacity < room { left as u64 } else { 0 });
        assert_eq!(reader.buffered().len(), left + 1);
    }
}

/// What a read waits for raises the bound on memory by little each time.
#[test]
fn peeking_at_one_byte_more_is_linear() {
    const TOTAL: usize = 15 << 20;
    for step in [1, 64, 16 * 1024] {
        let total = if step == 1 { TOTAL / 16 } else { TOTAL };
        let mut reader = Reader::with_limit(1000);
        let mut received = 0;
        while received < total {
            assert!(!reader.peek(received + 1).unwrap().is_ready());
            reader.feed(&vec![b'a'; step]);
            received += step;
        }
        assert_within_constants(&reader, received as u64, 0);
    }
}

/// A receive takes less than there is room for, and each wait allows a little more room.
#[test]
fn large_room_that_is_hardly_used_is_linear() {
    for (room, used) in [(16 * 1024, 20), (500, 20), (64, 1)] {
        let mut reader = Reader::with_limit(1000);
        let mut received = 0;
        while received < 200_000 {
            assert!(!reader.peek(received + 1).unwrap().is_ready());
            let room = reader.input(room);
            let used = used.min(room.len());
            room[..used].fill(b'a');
            reader.commit(used);
            received += used;
        }
        assert_within_constants(&reader, received as u64, 0);
    }
}

/// A large read and a small one raise and lower the bound on memory.
#[test]
fn a_large_read_and_a_peek_cancelled_in_turn_are_linear() {
    const LARGE: usize = 16 << 20;
    type Pair = [fn(&mut Reader, usize); 2];
    let pairs: [Pair; 3] = [
        [
            |reader, _| assert!(!reader.read_exact(LARGE).unwrap().is_ready()),
            |reader, received| assert!(!reader.peek(received + 1).unwrap().is_ready()),
        ],
        [
            |reader, _| assert!(!reader.read_to_end(LARGE).unwrap().is_ready()),
            |reader, _| assert!(!reader.peek(LARGE / 2).unwrap().is_ready()),
        ],
        [
            |reader, _| assert!(!reader.read_exact(LARGE).unwrap().is_ready()),
            |reader, received| reader.set_limit(1 + received % 3000),
        ],
    ];
    for pair in pairs {
        let mut reader = Reader::with_limit(1000);
        let mut received = 0;
        while received < LARGE / 4 {
            for read in pair {
                read(&mut reader, received);
                reader.feed(&[b'a'; 64]);
                received += 64;
            }
        }
        assert_within_constants(&reader, received as u64, 0);
    }
}

/// Of members that are found in turn, each takes bytes that the others have begun with.
#[test]
fn periodic_members_that_overtake_each_other_are_linear() {
    let runs = |last: &'static [u8]| {
        (240..256).map(move |len| [&vec![b'a'; len - last.len()], last].concat())
    };
    let periodic = |period: &'static [u8]| {
        (240..256).map(|len| period.iter().copied().cycle().take(len).collect::<Vec<_>>())
    };
    let sets: [Vec<Vec<u8>>; 6] = [
        runs(b"").collect(),
        runs(b"b").collect(),
        periodic(b"ab").collect(),
        periodic(b"aab").collect(),
        periodic(b"aaaaaaab").collect(),
        runs(b"")
            .map(|run| [&b"b"[..], &run[1..]].concat())
            .collect(),
    ];
    type Take = fn(&mut Reader, &Separator);
    let takes: [Take; 5] = [
        |reader, set| {
            let _ = reader.read_until(set).map(|step| step.is_ready());
        },
        |reader, set| {
            let shown = reader.peek_until(set).map(|step| step.is_ready());
            if shown == Ok(true) {
                reader.consume(1);
            }
        },
        |reader, set| {
            let shown = reader.peek_until(set).map(|step| step.is_ready());
            if shown == Ok(true) {
                reader.consume(100);
            }
        },
        |reader, set| {
            let _ = reader.peek_until(set).map(|step| step.is_ready());
            let b = Separator::byte(b'b');
            let _ = reader.read_until(&b).map(|step| step.is_ready());
        },
        |reader, set| {
            let _ = reader.peek_until(set).map(|step| step.is_ready());
            let _ = reader.read(2).map(|step| step.is_ready());
        },
    ];
    let texts: [&[u8]; 4] = [b"a", b"ab", b"aab", b"aaaaaaab"];
    let mut worst = 0.0_f64;
    for set in &sets {
        let separator = Separator::any(set).unwrap();
        for take in takes {
            for text in texts {
                for size in [1, 7, 300, 5000] {
                    let mut reader = Reader::with_limit(10_000);
                    let mut text = text.iter().copied().cycle();
                    let mut received = 0;
                    while received < 20_000 {
                        let input: Vec<u8> = text.by_ref().take(size).collect();
                        reader.feed(&input);
                        received += size;
                        for _ in 0..size.min(2000) {
                            take(&mut reader, &separator);
                        }
                        // What overran its limit would not be searched.
                        let rest = reader.buffered().len().saturating_sub(9000);
                        reader.consume(rest);
                    }
                    let received = received as u64;
                    // The members, and the byte.
                    assert_within_constants(&reader, received, set.len() as u64 + 1);
                    worst = worst.max(reader.costs().examined as f64 / received as f64);
                }
            }
        }
    }
    report(&format!(
        "costs: {worst:.1} bytes examined a byte, of 17 byte strings"
    ));
}

/// What a sequence may do: reads of every kind, mostly cancelled, and settings.
#[derive(Clone, Debug)]
enum Action {
    Feed(usize),
    Receive(usize, usize),
    SetLimit(usize),
    StopDiscarding,
    Loan,
    Ask(Read),
    /// Waits for one byte more than there is.
    PeekFurther,
}

/// The actions that sequences are drawn from, and how many byte strings they search for.
fn actions() -> (Vec<Action>, u64) {
    use Action::{Ask, Feed, Loan, PeekFurther, Receive, SetLimit, StopDiscarding};
    let run = vec![b'a'; 200];
    let longer = vec![b'a'; 231];
    let overlapping = Separators::new(&[&run, &longer, b"ab", b"aab", b"\r\n\r\n"]);
    let crlf = Separators::new(&[b"\r\n"]);
    let prefix = Prefix {
        size: 2,
        adjustment: -20_000,
        ..Prefix::BYTE
    };
    let actions = vec![
        Feed(1),
        Feed(7),
        Feed(100),
        Feed(3000),
        Receive(1, 1),
        Receive(4096, 1),
        Receive(4096, 4096),
        Receive(500, 20),
        SetLimit(1),
        SetLimit(100),
        SetLimit(5000),
        StopDiscarding,
        Loan,
        PeekFurther,
        Ask(Read::Line),
        Ask(Read::Delimited(crlf.clone())),
        Ask(Read::Delimited(overlapping.clone())),
        Ask(Read::Until(crlf)),
        Ask(Read::Until(overlapping.clone())),
        Ask(Read::Until(Separators::strict_crlf())),
        Ask(Read::PeekUntil(overlapping.clone())),
        Ask(Read::Until(Separators::universal_newline())),
        Ask(Read::SkipUntil(overlapping)),
        Ask(Read::SkipExact(3)),
        Ask(Read::SkipExact(10_000)),
        Ask(Read::LengthPrefixed(prefix)),
        Ask(Read::Some(1)),
        Ask(Read::Some(1000)),
        Ask(Read::Consume(2)),
        Ask(Read::Exact(10)),
        Ask(Read::Exact(5000)),
        Ask(Read::Exact(1 << 20)),
        Ask(Read::Peek(100)),
        Ask(Read::Peek(1 << 19)),
        Ask(Read::ToEnd(1 << 20)),
    ];
    // Five of the set, CRLF, and the newline and the carriage return.
    (actions, 8)
}

/// One reader, and how much it has received.
struct Worked {
    reader: Reader,
    received: u64,
    random: Random,
}

impl Worked {
    fn new(seed: u64) -> Self {
        Self {
            reader: Reader::with_limit(100),
            received: 0,
            random: Random(seed),
        }
    }

    /// Mostly the one letter that makes separators overlap.
    fn text(&mut self, len: usize) -> Vec<u8> {
        let letters = match self.random.below(4) {
            0 => &b"aaab\r\n\r\n"[..],
            1 => b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
            _ => b"a",
        };
        (0..len)
            .map(|_| letters[self.random.below(letters.len())])
            .collect()
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Feed(len) => {
                let text = self.text(*len);
                self.reader.feed(&text);
                self.received += *len as u64;
            }
            Action::Receive(size, len) => {
                let text = self.text(*len);
                let room = self.reader.input(*size);
                let len = text.len().min(room.len());
                room[..len].copy_from_slice(&text[..len]);
                self.reader.commit(len);
                self.received += len as u64;
            }
            Action::SetLimit(limit) => self.reader.set_limit(*limit),
            Action::StopDiscarding => self.reader.stop_discarding(),
            Action::Loan => {
                if self.reader.reclaim().is_none() {
                    drop(self.reader.lend(Vec::with_capacity(2000)));
                }
            }
            Action::PeekFurther => {
                let further = self.reader.buffered().len() + 1;
                assert!(!self.reader.peek(further).unwrap().is_ready());
            }
            Action::Ask(read) => {
                // A skip that has to wait goes on, or is cancelled by what comes next.
                let _: Outcome = ask(&mut self.reader, read);
            }
        }
    }
}

/// Every three actions, over and over, and then many in any order.
#[test]
fn any_sequence_of_reads_is_linear() {
    let (actions, byte_strings) = actions();
    let count = actions.len();
    let (mut sequences, mut copied, mut examined) = (0, 0.0_f64, 0.0_f64);
    let mut finish = |worked: &Worked, what: &dyn std::fmt::Debug| {
        let received = worked.received.max(1);
        let costs = worked.reader.costs();
        let over = costs.copied > COPIED * received + FIRST_BLOCK
            || costs.examined > EXAMINED * byte_strings * received;
        assert!(!over, "{what:?}: {costs:?} for {received} bytes");
        sequences += 1;
        if received > 50_000 {
            copied = copied.max(costs.copied as f64 / received as f64);
            examined = examined.max(costs.examined as f64 / received as f64);
        }
    };
    for number in 0..count.pow(3) {
        let chosen = [1, count, count * count].map(|place| &actions[number / place % count]);
        let mut worked = Worked::new(number as u64);
        for _ in 0..60 {
            chosen.iter().for_each(|action| worked.act(action));
        }
        finish(&worked, &chosen);
    }
    for seed in 0..300 {
        let mut worked = Worked::new(seed);
        // A few of the actions, so that they come often.
        let some: Vec<&Action> = (0..6)
            .map(|_| &actions[worked.random.below(count)])
            .collect();
        for _ in 0..3000 {
            let action = some[worked.random.below(some.len())];
            worked.act(action);
            if worked.reader.buffered().len() > 1 << 20 {
                worked.reader.consume(1 << 19);
            }
        }
        finish(&worked, &(seed, some));
    }
    report(&format!(
        "costs: {sequences} sequences, at most {copied:.1} bytes copied and {examined:.1} examined a byte"
    ));
}
