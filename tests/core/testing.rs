//! The tools that test protocols: each finds the defect that was planted for it, and only that.

use std::convert::Infallible;
use std::fmt::{self, Write};
use std::time::Duration;

use plimsoll::testing::{
    Call, Chunking, Chunks, Driver, Mismatch, ScriptedPeer, assert_chunking_does_not_matter, drive,
};
use plimsoll::{
    Connection, ConnectionError, ConnectionState, Event, Next, Protocol, ReadError, Reader, Step,
    TransportError, WaterMarks, WriteError, WriterState,
};
use test_support::{report, strings};

const ALL: [Call; 4] = [Call::Read, Call::Write, Call::Flush, Call::Shutdown];
const LOST: TransportError = TransportError::Lost(ConnectionError::Reset);
const BROKEN: TransportError = TransportError::Lost(ConnectionError::BrokenPipe);
const NOT_CONNECTED: TransportError = TransportError::Lost(ConnectionError::NotConnected);

/// Splits lines as one is tempted to: what a chunk leaves unfinished is taken for a line.
fn naive_lines(chunks: Chunks<'_>) -> Vec<Vec<u8>> {
    let lines = chunks.flat_map(|chunk| chunk.split_inclusive(|&byte| byte == b'\n'));
    lines.map(<[u8]>::to_vec).collect()
}

/// Reads lines of at most `limit` bytes, and what becomes of the others.
fn lines(chunks: Chunks<'_>, limit: usize) -> Vec<Result<Vec<u8>, ReadError>> {
    let mut reader = Reader::with_limit(limit);
    let (mut lines, mut chunks) = (Vec::new(), chunks);
    loop {
        match reader.read_line() {
            Ok(Step::Ready(line)) if line.is_empty() => return lines,
            Ok(Step::Ready(line)) => lines.push(Ok(line.to_vec())),
            Ok(Step::NeedInput) => match chunks.next() {
                Some(chunk) => reader.feed(chunk),
                None => reader.feed_eof(),
            },
            Err(error) => lines.push(Err(error)),
        }
    }
}

/// The places at which chunks end.
fn ends(chunks: Chunks<'_>) -> impl Iterator<Item = usize> {
    chunks.scan(0, |end, chunk| {
        *end += chunk.len();
        Some(*end)
    })
}

/// Replies to each line with itself, and to the end of the stream with a close.
fn echo(connection: &mut Connection, _: Event) -> Result<Next, ReadError> {
    while let Step::Ready(line) = connection.reader.read_line()? {
        if line.is_empty() {
            return Ok(Next::Close);
        }
        // A reply that cannot be sent is lost to the peer alone.
        let _ = connection.writer.write(&line);
    }
    Ok(Next::Turn)
}

/// Waits for whatever comes, to its end.
fn listen(connection: &mut Connection, _: Event) -> Result<Next, Infallible> {
    let is_open = connection.wants_read() || !connection.reader.buffered().is_empty();
    Ok(if is_open { Next::Turn } else { Next::Close })
}

/// Makes one call, and leaves what it comes to out, but for faults.
fn call(peer: &mut ScriptedPeer, call: Call) -> Result<(), TransportError> {
    match call {
        Call::Read => peer.read(&mut [0; 8]).map(drop),
        Call::Write => peer.write(&[b"x"]).map(drop),
        Call::Flush => peer.flush(),
        Call::Shutdown => peer.shutdown(),
        other => unreachable!("{other:?} is new"),
    }
}

#[test]
fn a_splitter_without_partial_lines_is_found_out() {
    let mismatch = Chunking::default()
        .check(b"one\ntwo\n", naive_lines)
        .unwrap_err();
    assert_eq!(mismatch.cuts, [1]);
    assert_eq!(mismatch.expected, [b"one\n", b"two\n"]);
    assert_eq!(mismatch.found, [&b"o"[..], b"ne\n", b"two\n"]);

    let replayed = naive_lines(Chunks::new(&mismatch.input, &mismatch.cuts));
    assert_eq!(replayed, mismatch.found);
}

#[test]
fn lines_of_a_reader_pass_whatever_the_input() {
    let mut cases = 0;
    for len in 0..=6 {
        for input in strings(b"a\r\n", len) {
            for limit in [1, 2, usize::MAX] {
                cases += assert_chunking_does_not_matter(&input, |chunks| lines(chunks, limit));
            }
        }
    }
    report(&format!("testing: {cases} cases"));
    assert_eq!(
        cases,
        3 * (1 + 3 + 9 * 2 + 27 * 4 + 81 * 8 + 243 * 16 + 729 * 32)
    );
}

#[test]
fn short_inputs_are_cut_in_every_way_once() {
    for len in 0..=10 {
        let input = vec![b'x'; len];
        let mut seen = std::collections::HashSet::new();
        let cases = Chunking::default().check(&input, |chunks| {
            let lens: Vec<_> = chunks.map(<[u8]>::len).collect();
            assert!(!lens.contains(&0));
            assert_eq!(lens.iter().sum::<usize>(), len);
            assert!(seen.insert(lens), "no way comes twice");
        });
        let ways = 1 << len.saturating_sub(1);
        assert_eq!(cases, Ok(ways as u64));
        assert_eq!(seen.len(), ways);
    }
}

#[test]
fn the_longest_exhaustive_input_is_a_setting() {
    let cases = |plan: Chunking, len| plan.check(&vec![b'x'; len], |_| ()).unwrap();
    assert_eq!(cases(Chunking::default(), 16), 1 << 15);
    // Whole, sixteen single cuts, all pairs of them, byte by byte, and the samples.
    assert_eq!(cases(Chunking::default(), 17), 1 + 16 + 120 + 1 + 1024);
    assert_eq!(
        cases(
            Chunking {
                exhaustive_to: 17,
                ..Chunking::default()
            },
            17
        ),
        1 << 16
    );
    let none = Chunking {
        exhaustive_to: 0,
        pairs: 0,
        samples: 0,
        seed: 0,
    };
    assert_eq!(cases(none, 100), 1 + 99 + 1);
    assert_eq!(cases(Chunking { pairs: 50, ..none }, 100), 1 + 99 + 50 + 1);
    assert_eq!(
        cases(
            Chunking {
                samples: 30,
                ..none
            },
            100
        ),
        1 + 99 + 1 + 30
    );
    assert_eq!(
        (cases(none, 0), cases(none, 1)),
        (1, 1),
        "there is nowhere to cut"
    );
}

#[test]
fn random_ways_come_from_the_seed() {
    let ways = |seed| {
        let mut ways = Vec::new();
        let plan = Chunking {
            pairs: 0,
            seed,
            ..Chunking::default()
        };
        plan.check(&[b'x'; 200], |chunks| {
            ways.push(chunks.map(<[u8]>::len).collect::<Vec<_>>())
        })
        .unwrap();
        ways.split_off(ways.len() - 1024)
    };
    assert_eq!(ways(1), ways(1));
    assert_ne!(ways(1), ways(2));
    let counts: Vec<_> = ways(1).iter().map(Vec::len).collect();
    assert!(counts.contains(&2), "long chunks");
    assert!(counts.contains(&200), "short ones");
    assert!(counts.iter().any(|count| (20..50).contains(count)));
}

/// As an implementation in Python chooses them.
#[test]
fn a_seed_gives_the_same_ways_everywhere() {
    let plan = Chunking {
        pairs: 0,
        samples: 7,
        seed: 1,
        ..Chunking::default()
    };
    let mut ways = Vec::new();
    plan.check(&[b'x'; 20], |chunks| {
        ways.push(ends(chunks).collect::<Vec<_>>())
    })
    .unwrap();
    let expected: [&[usize]; 7] = [
        &[20],
        &[16, 18, 20],
        &[14, 15, 20],
        &[1, 6, 9, 11, 16, 17, 19, 20],
        &[2, 7, 8, 10, 14, 19, 20],
        &[2, 7, 14, 17, 20],
        &[6, 7, 11, 13, 20],
    ];
    assert_eq!(ways[ways.len() - 7..], expected);
}

#[test]
fn cuts_that_do_not_matter_are_left_out() {
    // Differs only if it is cut at both places, which no single cut and no near pair is.
    let differs = |chunks: Chunks<'_>| {
        let ends: Vec<_> = ends(chunks).collect();
        ends.contains(&30) && ends.contains(&70)
    };
    let plan = Chunking {
        pairs: 10,
        ..Chunking::default()
    };
    let mismatch = plan.check(&[b'x'; 100], differs).unwrap_err();
    assert_eq!(mismatch.cuts, [30, 70]);
    assert!(mismatch.found && !mismatch.expected);

    // Of a minimum that is large nothing is lost.
    let byte_by_byte = |chunks: Chunks<'_>| chunks.count() == 100;
    let mismatch = plan.check(&[b'x'; 100], byte_by_byte).unwrap_err();
    assert_eq!(mismatch.cuts, Vec::from_iter(1..100));
}

#[test]
fn a_cut_that_hides_another_goes_too() {
    // 80 sits between two that are needed, so it goes alone; before that, 10 cannot go.
    let differs = |chunks: Chunks<'_>| {
        let ends: Vec<_> = ends(chunks).collect();
        let has = |place| ends.contains(&place);
        has(79) && has(81) && (!has(80) || has(10))
    };
    let plan = Chunking {
        pairs: 0,
        ..Chunking::default()
    };
    assert_eq!(
        plan.check(&[b'x'; 100], differs).unwrap_err().cuts,
        [79, 81]
    );
}

#[test]
fn many_cuts_are_left_out_in_few_runs() {
    let mut runs = 0;
    let plan = Chunking {
        pairs: 0,
        ..Chunking::default()
    };
    let differs = |chunks: Chunks<'_>| {
        runs += 1;
        ends(chunks).filter(|end| [300, 700].contains(end)).count() == 2
    };
    assert_eq!(
        plan.check(&[b'x'; 1000], differs).unwrap_err().cuts,
        [300, 700]
    );
    let shrinking = runs - (1 + 999 + 1);
    assert!(shrinking < 60, "{shrinking} runs to leave out 997 cuts");
}

#[test]
fn an_outcome_that_changes_itself_shows_no_cut() {
    let mut runs = 0;
    let outcome = Chunking::default().check(b"abc", |_| {
        runs += 1;
        runs
    });
    assert!(outcome.unwrap_err().cuts.is_empty());
}

#[test]
fn a_mismatch_displays_its_chunks_and_outcomes() {
    let mut input = b"one\ntwo\n".to_vec();
    let mismatch = Chunking::default()
        .check(&input, |chunks| chunks.count())
        .unwrap_err();
    let expected = r#"the outcome depends on how the input is cut
  cuts:   [1]
  chunk:  "o"
  chunk:  "ne\ntwo\n"
  gave:   2
  whole:  1"#;
    assert_eq!(mismatch.to_string(), expected);

    input.resize(100, b'x');
    let mismatch: Mismatch<_> = Chunking::default()
        .check(&input, |p| p.count())
        .unwrap_err();
    let middle = "\"ne\\ntwo\\nxxxxxxxxxxxxxxxxx\" and 51 bytes and \"xxxxxxxxxxxxxxxxxxxxxxxx\"";
    assert!(mismatch.to_string().contains(middle), "{mismatch}");
}

#[test]
fn a_mismatch_reports_where_writing_it_fails() {
    /// Takes so many bytes, and no more.
    struct Room(usize);
    impl Write for Room {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let input = [b"a", [b'x'; 60].as_slice(), b"z"].concat();
    let mismatch: Mismatch<_> = Chunking::default()
        .check(&input, |p| p.count())
        .unwrap_err();
    let len = mismatch.to_string().len();
    for room in 0..len {
        assert!(write!(Room(room), "{mismatch}").is_err(), "{room}");
    }
    assert!(write!(Room(len), "{mismatch}").is_ok());
}

#[test]
#[should_panic(expected = "cuts:   [1]\n  chunk:  \"a\"\n  chunk:  \"b\"")]
fn the_assertion_panics_with_the_chunks() {
    assert_chunking_does_not_matter(b"ab", |chunks| chunks.count());
}

#[test]
fn cuts_out_of_order_or_range_are_ignored() {
    let chunks = Chunks::new(b"abcdef", &[0, 2, 2, 1, 4, 6, 7, usize::MAX, 5]);
    assert_eq!(Vec::from_iter(chunks), [&b"ab"[..], b"cd", b"e", b"f"]);
    assert_eq!(Chunks::new(b"", &[0, 1]).count(), 0);
}

#[test]
fn a_read_takes_one_chunk_or_its_room() {
    let mut peer = ScriptedPeer::new()
        .sends(b"abcde")
        .sends(b"")
        .sends_each([b"f", b"g"]);
    let mut room = [0; 3];
    assert_eq!(peer.read(&mut []), Ok(0), "no room");
    let mut read = || peer.read(&mut room).map(|len| room[..len].to_vec());
    for expected in [&b"abc"[..], b"de", b"f", b"g", b"", b""] {
        assert_eq!(read(), Ok(expected.to_vec()));
    }
}

#[test]
fn a_write_is_taken_as_the_script_says() {
    let mut peer = ScriptedPeer::new()
        .takes(3)
        .takes(0)
        .takes(100)
        .takes_at_most(2);
    assert_eq!(peer.write(&[b"ab", b"", b"cd"]), Ok(3));
    assert_eq!(peer.write(&[b"d"]), Ok(0));
    assert_eq!(peer.write(&[b"d", b"ef"]), Ok(3));
    assert_eq!(peer.write(&[b"ghi"]), Ok(2), "the script is over");
    assert_eq!(peer.write(&[]), Ok(0));
    assert_eq!(peer.received(), b"abcdefgh");

    let mut peer = ScriptedPeer::new();
    assert_eq!(peer.write(&[b"ab", b"cde"]), Ok(5));
    let mut peer = ScriptedPeer::new().takes_at_most(0);
    assert_eq!(peer.write(&[b"ab"]), Ok(1), "no write is endless");
}

#[test]
fn a_fault_meets_its_kind_of_call_once() {
    for failing in ALL {
        for fault in [TransportError::WouldBlock, TransportError::Interrupted] {
            for is_pipes in [false, true] {
                let peer = ScriptedPeer::new()
                    .fails(failing, fault)
                    .fails(failing, fault);
                let mut peer = if is_pipes { peer.over_pipes() } else { peer };
                for other in ALL.into_iter().filter(|other| *other != failing) {
                    // What comes after the end of the stream has a test of its own.
                    if other != Call::Shutdown {
                        assert_eq!(call(&mut peer, other), Ok(()), "{other:?}");
                    }
                }
                assert_eq!(call(&mut peer, failing), Err(fault));
                assert_eq!(call(&mut peer, failing), Err(fault), "the second one");
                for later in ALL {
                    assert_eq!(call(&mut peer, later), Ok(()), "{later:?}");
                }
                assert_eq!(peer.has_seen_end(), !is_pipes);
            }
        }
    }
}

#[test]
fn a_socket_reports_its_loss_once() {
    for failing in ALL {
        for error in [ConnectionError::Reset, ConnectionError::TimedOut] {
            let mut peer = ScriptedPeer::new()
                .sends(b"last ")
                .fails(failing, error.into())
                .sends(b"words")
                .fails(Call::Read, TransportError::WouldBlock)
                .falls_silent()
                .fails(Call::Read, LOST);
            if failing == Call::Read {
                assert_eq!(call(&mut peer, Call::Read), Ok(()));
            }
            assert_eq!(call(&mut peer, failing), Err(error.into()));
            for _ in 0..2 {
                assert_eq!(call(&mut peer, Call::Write), Err(BROKEN));
                assert_eq!(call(&mut peer, Call::Flush), Ok(()));
                assert_eq!(call(&mut peer, Call::Shutdown), Err(NOT_CONNECTED));
            }
            // What had arrived is still there, and nothing is waited for.
            let expected = match failing {
                Call::Read => &[&b"words"[..], b"", b""][..],
                _ => &[&b"last "[..], b"words", b"", b""],
            };
            for bytes in expected {
                let mut room = [0; 8];
                let len = peer.read(&mut room).unwrap();
                assert_eq!(room[..len], **bytes, "after {failing:?}");
            }
            assert!(peer.received().is_empty() && !peer.has_seen_end());
        }
    }
}

#[test]
fn a_broken_pipe_leaves_reading_to_the_script() {
    for (failing, error) in [
        (Call::Write, BROKEN),
        (Call::Flush, BROKEN),
        (Call::Shutdown, NOT_CONNECTED),
    ] {
        let mut peer = ScriptedPeer::new()
            .fails(failing, error)
            .sends(b"answer")
            .falls_silent()
            .fails(Call::Read, LOST);
        assert_eq!(call(&mut peer, failing), Err(error));
        assert_eq!(call(&mut peer, Call::Write), Err(BROKEN));
        assert_eq!(call(&mut peer, Call::Shutdown), Err(NOT_CONNECTED));
        assert_eq!(call(&mut peer, Call::Read), Ok(()));
        assert_eq!(call(&mut peer, Call::Read), Err(TransportError::WouldBlock));
        let silent = call(&mut peer, Call::Read);
        assert_eq!(silent, Err(TransportError::WouldBlock), "no time passes");

        let mut peer = ScriptedPeer::new()
            .fails(failing, error)
            .sends(b"answer")
            .fails(Call::Read, LOST);
        assert_eq!(call(&mut peer, failing), Err(error));
        assert_eq!(call(&mut peer, Call::Read), Ok(()));
        assert_eq!(
            call(&mut peer, Call::Read),
            Err(LOST),
            "a report of its own"
        );
        assert_eq!(call(&mut peer, Call::Read), Ok(()), "reported once");
    }
}

#[test]
fn pipes_fail_each_on_its_own() {
    for failing in ALL {
        let mut peer = ScriptedPeer::new()
            .over_pipes()
            .sends(b"child")
            .fails(failing, LOST);
        if failing == Call::Read {
            assert_eq!(call(&mut peer, Call::Read), Ok(()));
        }
        assert_eq!(call(&mut peer, failing), Err(LOST));
        for _ in 0..2 {
            for later in ALL {
                let is_lost = match later {
                    Call::Read => failing == Call::Read,
                    Call::Write | Call::Flush => failing != Call::Read,
                    _ => false,
                };
                let expected = if is_lost { Err(LOST) } else { Ok(()) };
                assert_eq!(
                    call(&mut peer, later),
                    expected,
                    "{later:?} after {failing:?}"
                );
            }
        }
        assert!(!peer.has_seen_end(), "a shutdown of a pipe does nothing");
        peer.drop_write_side();
        assert!(peer.has_seen_end());
    }
}

#[test]
fn a_dropped_pipe_takes_no_more() {
    let mut peer = ScriptedPeer::new().over_pipes();
    assert_eq!(peer.shutdown(), Ok(()));
    assert_eq!(peer.write(&[b"more"]), Ok(4));
    peer.drop_write_side();
    assert_eq!(peer.write(&[b"more"]), Err(BROKEN));
    assert_eq!(peer.received(), b"more");

    let mut socket = ScriptedPeer::new();
    socket.drop_write_side();
    assert!(!socket.has_seen_end(), "half of a socket cannot be dropped");
}

#[test]
fn a_numbered_failure_takes_nothing_from_the_script() {
    let mut peer = ScriptedPeer::new()
        .sends(b"ab")
        .takes(1)
        .fail_call(0, TransportError::Interrupted)
        .fail_call(2, TransportError::WouldBlock)
        .fail_call(4, TransportError::Lost(ConnectionError::TimedOut));
    let mut room = [0; 8];
    assert_eq!(peer.read(&mut room), Err(TransportError::Interrupted));
    assert_eq!(peer.read(&mut room), Ok(2));
    assert_eq!(peer.write(&[b"xyz"]), Err(TransportError::WouldBlock));
    assert_eq!(peer.write(&[b"xyz"]), Ok(1));
    assert_eq!(peer.flush(), Err(ConnectionError::TimedOut.into()));
    assert_eq!(peer.write(&[b"yz"]), Err(BROKEN));
    assert_eq!(peer.read(&mut room), Ok(0));
    use Call::{Flush, Read, Write};
    assert_eq!(peer.calls(), [Read, Read, Write, Write, Flush, Write, Read]);
}

#[test]
fn nothing_is_taken_after_this_sides_end() {
    let mut peer = ScriptedPeer::new().fails(Call::Shutdown, TransportError::WouldBlock);
    assert_eq!(peer.shutdown(), Err(TransportError::WouldBlock));
    assert!(!peer.has_seen_end());
    assert_eq!(peer.write(&[b"last"]), Ok(4));
    assert_eq!((peer.shutdown(), peer.shutdown()), (Ok(()), Ok(())));
    assert!(peer.has_seen_end());
    assert_eq!(peer.write(&[b"more"]), Err(BROKEN));
    assert_eq!((peer.flush(), peer.received()), (Ok(()), &b"last"[..]));
}

/// Drives `protocol` over a new connection.
fn run<P: Protocol>(
    driver: Driver,
    mut peer: ScriptedPeer,
    mut protocol: P,
) -> (Result<ConnectionState, P::Error>, ScriptedPeer, Connection) {
    let mut connection = Connection::new();
    let driven = driver.run(&mut connection, &mut peer, &mut protocol);
    (driven.map(|driven| driven.state), peer, connection)
}

#[test]
fn a_driven_echo_outlasts_every_block() {
    let peer = ScriptedPeer::new()
        .sends(b"one\ntw")
        .fails(Call::Read, TransportError::WouldBlock)
        .sends(b"o\n")
        .takes(1)
        .fails(Call::Write, TransportError::WouldBlock)
        .fails(Call::Write, TransportError::Interrupted)
        .fails(Call::Flush, TransportError::WouldBlock)
        .fails(Call::Shutdown, TransportError::WouldBlock)
        .fails(Call::Shutdown, TransportError::WouldBlock);
    let (state, peer, connection) = run(Driver::default(), peer, echo);
    assert_eq!(state, Ok(ConnectionState::Closed));
    assert_eq!(peer.received(), b"one\ntwo\n");
    assert!(peer.has_seen_end() && connection.reader.at_eof());
}

#[test]
fn a_blocked_write_does_not_hold_up_reading() {
    let peer = ScriptedPeer::new()
        .sends(b"one\n")
        .fails(Call::Write, TransportError::WouldBlock)
        .sends(b"two\n");
    let (_, peer, _) = run(Driver::default(), peer, echo);
    assert_eq!(peer.received(), b"one\ntwo\n");
    use Call::{Read, Write};
    assert_eq!(peer.calls()[..4], [Read, Write, Read, Write]);
}

#[test]
fn each_write_is_flushed_before_the_next_receive() {
    let peer = ScriptedPeer::new().sends(b"one\n").takes_at_most(2);
    let (_, peer, _) = run(Driver::default(), peer, echo);
    use Call::{Flush, Read, Shutdown, Write};
    assert_eq!(peer.calls(), [Read, Write, Write, Flush, Read, Shutdown]);
}

#[test]
fn a_driver_receives_as_much_as_set() {
    let (size, input) = (Driver::default().read_size, vec![b'x'; 16 * 1024 + 1]);
    assert_eq!(size, 16 * 1024);
    for (read_size, reads) in [(size, 3), (size / 2, 4), (1, input.len() + 1)] {
        let driver = Driver {
            read_size,
            ..Driver::default()
        };
        let peer = ScriptedPeer::new().sends(&input);
        let (_, peer, connection) = run(driver, peer, listen);
        assert_eq!(connection.reader.buffered(), input);
        let read = peer.calls().iter().filter(|call| **call == Call::Read);
        assert_eq!(read.count(), reads, "the last one for the end");
    }
}

#[test]
fn a_paused_reader_ends_the_run() {
    let mut connection = Connection::new();
    connection.reader.set_limit(4);
    let mut peer = ScriptedPeer::new().sends(b"0123456789").sends(b"more");
    let driven = drive(&mut connection, &mut peer, &mut listen).unwrap();
    assert_eq!(driven.state, ConnectionState::Open);
    assert_eq!(connection.reader.buffered(), b"0123456789");
}

#[test]
fn a_transport_that_takes_no_more_is_lost() {
    let peer = ScriptedPeer::new().sends(b"one\n").takes(0);
    let (result, _, connection) = run(Driver::default(), peer, echo);
    let error = ConnectionError::Transport;
    assert_eq!(result, Err(ReadError::ConnectionLost(error)));
    assert_eq!(connection.state(), ConnectionState::Lost(error));
}

#[test]
fn a_failed_write_hides_no_last_words() {
    for (error, end) in [
        (ConnectionError::Reset, Err(ConnectionError::Reset)),
        (ConnectionError::BrokenPipe, Ok(())),
    ] {
        let peer = ScriptedPeer::new()
            .sends(b"DATA\n")
            .fails(Call::Write, error.into())
            .sends(b"421 too ")
            .sends(b"busy\n");
        let mut lines = Vec::new();
        let protocol = |connection: &mut Connection, event: Event| -> Result<Next, ReadError> {
            if event == Event::Started {
                connection.writer.write(b"HELO\n").unwrap();
            }
            while let Step::Ready(line) = connection.reader.read_line()? {
                if line.is_empty() {
                    return Ok(Next::Close);
                }
                lines.push(line.to_vec());
            }
            Ok(Next::Turn)
        };
        let (result, ..) = run(Driver::default(), peer, protocol);
        let end = end.map_err(ReadError::ConnectionLost);
        assert_eq!(result.map(|_| ()), end);
        assert_eq!(lines, [&b"DATA\n"[..], b"421 too busy\n"]);
    }
}

#[test]
fn an_echo_survives_every_fault_at_every_call() {
    let peer = ScriptedPeer::new()
        .sends(b"one\nt")
        .sends(b"wo\n")
        .takes_at_most(3);
    let (state, unharmed, _) = run(Driver::default(), peer.clone(), echo);
    assert_eq!(state, Ok(ConnectionState::Closed));
    assert_eq!(unharmed.received(), b"one\ntwo\n");

    for number in 0..unharmed.calls().len() {
        for fault in [TransportError::WouldBlock, TransportError::Interrupted] {
            let faulty = peer.clone().fail_call(number, fault);
            let (state, peer, _) = run(Driver::default(), faulty, echo);
            assert_eq!(state, Ok(ConnectionState::Closed), "{fault} at {number}");
            assert_eq!(peer.received(), unharmed.received(), "{fault} at {number}");
            assert!(peer.has_seen_end());
        }
        for error in [ConnectionError::Reset, ConnectionError::TimedOut] {
            let faulty = peer.clone().fail_call(number, error.into());
            let (result, peer, connection) = run(Driver::default(), faulty, echo);
            assert_eq!(connection.state(), ConnectionState::Lost(error));
            assert!(unharmed.received().starts_with(peer.received()));
            assert!(!peer.has_seen_end());
            // The last call is made after the peer's end, when nothing is left to read.
            let is_last = number + 1 == unharmed.calls().len();
            let expected = if is_last {
                Ok(ConnectionState::Lost(error))
            } else {
                Err(ReadError::ConnectionLost(error))
            };
            assert_eq!(result, expected, "{error} at {number}");
        }
    }
}

/// Sends and receives as one is tempted to: a failed write is let pass, and zero is the end.
fn careless(peer: &mut ScriptedPeer) -> ConnectionState {
    let mut connection = Connection::new();
    connection.writer.write(b"hello").unwrap();
    connection.writer.finish();
    let _ = peer.write(&[b"hello"]);
    let mut room = [0; 16];
    while let Ok(received) = peer.read(&mut room) {
        connection.reader.feed(&room[..received]);
        if received == 0 {
            connection.reader.feed_eof();
            break;
        }
    }
    connection.state()
}

#[test]
fn a_driver_that_takes_zero_is_found_out() {
    let peer = ScriptedPeer::new().sends(b"half").fails(Call::Write, LOST);
    assert_eq!(
        careless(&mut peer.clone()),
        ConnectionState::HalfClosedRemote
    );
    let protocol = |connection: &mut Connection, event: Event| {
        if event == Event::Started {
            connection.writer.write(b"hello").unwrap();
        }
        listen(connection, event)
    };
    let (state, _, connection) = run(Driver::default(), peer, protocol);
    assert_eq!(state, Ok(ConnectionState::Lost(ConnectionError::Reset)));
    assert_eq!(connection.reader.buffered(), b"half");
}

#[test]
fn a_protocol_over_pipes_ends_what_it_writes() {
    let peer = ScriptedPeer::new().sends(b"b\na\n").over_pipes();
    let (state, peer, _) = run(Driver::default(), peer, echo);
    assert_eq!(state, Ok(ConnectionState::Closed));
    assert_eq!(peer.received(), b"b\na\n");
    assert!(peer.has_seen_end(), "the write side was dropped");

    // A child that closes its input early, then ends its output in order.
    let peer = ScriptedPeer::new()
        .sends(b"b\n")
        .fails(Call::Write, BROKEN)
        .sends(b"rest")
        .over_pipes();
    let (_, peer, connection) = run(Driver::default(), peer, echo);
    assert!(connection.reader.at_eof());
    let broken = WriterState::Lost(ConnectionError::BrokenPipe);
    assert_eq!(connection.writer.state(), broken);
    assert_eq!(peer.received(), b"");
}

#[test]
fn events_come_as_the_script_says() {
    let peer = ScriptedPeer::new()
        .falls_silent()
        .sends(b"a")
        .falls_silent()
        .sends(b"b");
    for (next, silence) in [
        (Next::TurnWithin(Duration::from_secs(1)), Event::TimedOut),
        (Next::Turn, Event::Moved),
    ] {
        let mut events = Vec::new();
        let protocol = |connection: &mut Connection, event: Event| {
            events.push(event);
            Ok(match listen(connection, event)? {
                _ if connection.reader.buffered() == b"ab" => Next::Close,
                Next::Turn => next,
                other => other,
            })
        };
        // The silences, and "a", are waits of their own.
        let driver = Driver {
            shuts_down_at: Some(3),
            ..Driver::default()
        };
        let (state, ..) = run::<_>(driver, peer.clone(), protocol);
        let _: Result<ConnectionState, Infallible> = state;
        let (moved, shuts_down) = (Event::Moved, Event::ShuttingDown);
        let expected = [Event::Started, silence, moved, silence, shuts_down, moved];
        assert_eq!(events, expected);
    }
}

#[test]
fn silence_blocks_no_output() {
    let peer = ScriptedPeer::new()
        .sends(b"one\n")
        .fails(Call::Write, TransportError::WouldBlock)
        .falls_silent()
        .sends(b"two\n");
    let (state, peer, _) = run(Driver::default(), peer, echo);
    assert_eq!(state, Ok(ConnectionState::Closed));
    assert_eq!(peer.received(), b"one\ntwo\n");
}

/// Says goodbye when the server shuts down; a careless one then forgets a request that is half there.
fn server(is_careless: bool) -> impl Protocol<Error = ReadError> {
    move |connection: &mut Connection, event: Event| {
        if event == Event::ShuttingDown {
            connection.writer.write(b"421 bye\n").unwrap();
            if is_careless {
                return Ok(Next::Close);
            }
        }
        echo(connection, event)
    }
}

#[test]
fn a_careless_shutdown_is_found_at_some_wait() {
    let peer = ScriptedPeer::new().sends_each([&b"one\n"[..], b"tw", b"o\n"]);
    let driven = drive(
        &mut Connection::new(),
        &mut peer.clone(),
        &mut server(false),
    );
    let waits = driven.unwrap().waits;
    assert_eq!(waits, 4, "three chunks and the end");

    let replies = |wait, is_careless| {
        let driver = Driver {
            shuts_down_at: Some(wait),
            ..Driver::default()
        };
        let (state, peer, _) = run(driver, peer.clone(), server(is_careless));
        assert_eq!(state, Ok(ConnectionState::Closed));
        let text = String::from_utf8(peer.received().to_vec()).unwrap();
        assert_eq!(text.matches("421 bye\n").count(), 1);
        text.replace("421 bye\n", "")
    };
    for wait in 0..waits {
        assert_eq!(replies(wait, false), "one\ntwo\n");
        let is_lost = wait < 3;
        assert_eq!(replies(wait, true) != "one\ntwo\n", is_lost, "wait {wait}");
    }
}

/// Reads a head and its body; a careless one forgets the head when a wait is given up.
fn framed(is_careless: bool, wait: Option<usize>) -> (Vec<Vec<u8>>, usize) {
    let (mut head, mut bodies) = (None, Vec::new());
    let protocol = |connection: &mut Connection, event: Event| -> Result<Next, ReadError> {
        if is_careless && event == Event::TimedOut {
            head = None;
        }
        loop {
            if head.is_none() {
                let Step::Ready(line) = connection.reader.read_line()? else {
                    break;
                };
                if line.is_empty() {
                    return Ok(Next::Close);
                }
                head = Some(line.len() - 1);
            }
            let Step::Ready(body) = connection.reader.read_exact(head.unwrap_or(0))? else {
                break;
            };
            bodies.push(body.to_vec());
            head = None;
        }
        Ok(Next::TurnWithin(Duration::from_secs(1)))
    };
    let driver = Driver {
        gives_up_at: wait,
        ..Driver::default()
    };
    let mut peer = ScriptedPeer::new().sends_each([&b"##"[..], b"#\nab", b"c##\n", b"de"]);
    let mut protocol = protocol;
    let driven = driver.run(&mut Connection::new(), &mut peer, &mut protocol);
    let waits = driven.map_or(0, |driven| driven.waits);
    (bodies, waits)
}

#[test]
fn a_forgotten_head_is_found_at_some_wait() {
    let (expected, waits) = framed(false, None);
    assert_eq!(expected, [&b"abc"[..], b"de"]);
    assert_eq!(waits, 5);
    assert!((0..waits).all(|wait| framed(false, Some(wait)) == (expected.clone(), waits + 1)));
    assert_eq!(
        framed(true, None).0,
        expected,
        "without a wait given up it passes"
    );
    let is_found = |wait| framed(true, Some(wait)).0 != expected;
    assert_eq!(
        Vec::from_iter((0..waits).filter(|wait| is_found(*wait))),
        [2, 3]
    );
}

#[test]
#[should_panic(expected = "consumed something and then needs input")]
fn two_reads_for_one_frame_panic() {
    let mut reader = Reader::new();
    reader.feed(b"3\nab");
    let _ = reader.read_with(|reader| -> Result<_, ReadError> {
        if !reader.read_line()?.is_ready() {
            return Ok(Step::NeedInput);
        }
        Ok(reader.read_exact(3)?.map(|body| body.to_vec()))
    });
}

#[test]
fn a_frame_of_two_parts_read_whole_passes() {
    let run = |chunks: Chunks<'_>| {
        let mut peer = ScriptedPeer::new().sends_each(chunks);
        let mut bodies = Vec::new();
        let mut protocol = |connection: &mut Connection, _: Event| -> Result<Next, ReadError> {
            loop {
                let step = connection
                    .reader
                    .read_with(|reader| -> Result<_, ReadError> {
                        let Step::Ready(head) = reader.peek_until(&plimsoll::Separator::LF)? else {
                            return Ok(Step::NeedInput);
                        };
                        let whole = head.len() + head.content().len();
                        Ok(reader.read_exact(whole)?.map(|frame| frame.to_vec()))
                    });
                match step {
                    Ok(Step::Ready(frame)) => bodies.push(frame),
                    Ok(Step::NeedInput) => return Ok(Next::Turn),
                    Err(error) if error.is_clean_end() => return Ok(Next::Close),
                    Err(error) => return Err(error),
                }
            }
        };
        let driven = drive(&mut Connection::new(), &mut peer, &mut protocol);
        (driven.map(|driven| driven.state), bodies)
    };
    assert_chunking_does_not_matter(b"###\nabc##\nde", run);
    let (state, bodies) = run(Chunks::new(b"##\nab", &[]));
    assert_eq!(state, Ok(ConnectionState::Closed));
    assert_eq!(bodies, [b"##\nab"]);
}

/// Asks for TLS after a line.
fn starttls(connection: &mut Connection, event: Event) -> Result<Next, ReadError> {
    if event == Event::Secured {
        let _ = connection.writer.write(b"secret\n");
        return Ok(Next::Close);
    }
    Ok(match connection.reader.read_line()? {
        Step::NeedInput => Next::Turn,
        Step::Ready(line) if line.is_empty() => Next::Close,
        Step::Ready(_) => {
            let _ = connection.writer.write(b"220 go\n");
            Next::StartTls
        }
    })
}

#[test]
fn tls_starts_once_the_output_is_flushed() {
    let peer = ScriptedPeer::new()
        .sends(b"STARTTLS\n")
        .takes(1)
        .fails(Call::Write, TransportError::WouldBlock)
        .fails(Call::Flush, TransportError::WouldBlock);
    let (state, peer, _) = run(Driver::default(), peer, starttls);
    assert_eq!(state, Ok(ConnectionState::Closed));
    assert_eq!(peer.received(), b"220 go\nsecret\n");
}

#[test]
fn bytes_injected_before_tls_are_a_loss() {
    let error = ConnectionError::Transport;
    let peer = ScriptedPeer::new().sends(b"STARTTLS\nINJECTED\n");
    let (_, peer, connection) = run(Driver::default(), peer, starttls);
    assert_eq!(connection.state(), ConnectionState::Lost(error));
    assert!(!peer.received().ends_with(b"secret\n"));
}

#[test]
fn a_protocols_error_ends_the_run() {
    let peer = ScriptedPeer::new().sends(b"one\n").sends(b"two\n");
    let protocol = |connection: &mut Connection, _: Event| match connection.reader.read_line() {
        Ok(Step::Ready(line)) => Err(line.to_vec()),
        _ => Ok(Next::Turn),
    };
    let (result, peer, _) = run(Driver::default(), peer, protocol);
    assert_eq!(result, Err(b"one\n".to_vec()));
    assert_eq!(peer.calls(), [Call::Read]);
}

#[test]
fn a_protocol_that_waits_for_room_is_called_when_there_is_some() {
    let mut connection = Connection::new();
    let marks = plimsoll::WaterMarks::new(0, 0).unwrap();
    connection.writer.set_water_marks(marks);
    let mut written = 0;
    let mut protocol = |connection: &mut Connection, _: Event| -> Result<Next, WriteError> {
        connection.writer.write(b"more")?;
        written += 1;
        Ok(if written < 10 {
            Next::Turn
        } else {
            Next::Close
        })
    };
    let mut peer = ScriptedPeer::new();
    drive(&mut connection, &mut peer, &mut protocol).unwrap();
    assert_eq!(peer.received(), b"more".repeat(10));
}

/// A server goes on by its clock after the peer has ended its stream.
#[test]
fn time_passes_where_nothing_else_can_happen() {
    let mut events = Vec::new();
    let mut protocol = |connection: &mut Connection, event: Event| -> Result<Next, ReadError> {
        events.push(event);
        if event == Event::TimedOut {
            return Ok(Next::Close);
        }
        while let Step::Ready(line) = connection.reader.read_line()? {
            if line.is_empty() {
                break;
            }
        }
        Ok(Next::TurnWithin(std::time::Duration::from_secs(1)))
    };
    let mut peer = ScriptedPeer::new().sends(b"x\n");
    drive(&mut Connection::new(), &mut peer, &mut protocol).unwrap();
    let moved = Event::Moved;
    assert_eq!(events, [Event::Started, moved, moved, Event::TimedOut]);
    assert!(peer.has_seen_end());
}

#[test]
fn a_run_in_which_only_time_can_pass_comes_to_its_end() {
    let mut events = Vec::new();
    let mut protocol = |_: &mut Connection, event: Event| -> Result<Next, ReadError> {
        events.push(event);
        Ok(Next::TurnWithin(std::time::Duration::from_secs(1)))
    };
    let mut peer = ScriptedPeer::new();
    drive(&mut Connection::new(), &mut peer, &mut protocol).unwrap();
    assert_eq!(events, [Event::Started, Event::Moved, Event::TimedOut]);
}

/// Replies to one line each time that it is called, though more may be there.
fn one_reply(connection: &mut Connection, _: Event) -> Result<Next, ReadError> {
    if let Step::Ready(line) = connection.reader.read_line()? {
        if line.is_empty() {
            return Ok(Next::Close);
        }
        let _ = connection.writer.write(&line);
    }
    Ok(Next::Turn)
}

/// In a server it would wait with a line unread, so the driver must show that.
#[test]
fn output_that_has_left_is_no_event() {
    let mut peer = ScriptedPeer::new().sends(b"one\ntwo\nthree\n");
    let mut connection = Connection::new();
    let driven = Driver::default()
        .run(&mut connection, &mut peer, &mut one_reply)
        .unwrap();
    assert_eq!(peer.received(), b"one\ntwo\n", "the input, and its end");
    assert_ne!(driven.state, ConnectionState::Closed);
    assert_eq!(connection.reader.buffered(), b"three\n");
}

#[test]
fn room_in_output_that_was_full_is_an_event() {
    let mut peer = ScriptedPeer::new().sends(b"one\ntwo\nthree\n");
    let mut connection = Connection::new();
    connection
        .writer
        .set_water_marks(WaterMarks::new(1, 0).unwrap());
    let driven = Driver::default()
        .run(&mut connection, &mut peer, &mut one_reply)
        .unwrap();
    assert_eq!(peer.received(), b"one\ntwo\nthree\n");
    assert_eq!(driven.state, ConnectionState::Closed);
}
