//! The tools that test protocols: each finds the defect that was planted for it, and only that.

mod common;

use std::fmt::{self, Write};

use common::{report, strings};
use plimsoll::testing::{
    Call, Cuts, Difference, Fault, Pieces, ScriptedPeer, assert_cuts_do_not_matter, drive,
};
use plimsoll::{Connection, ConnectionState, Loss, ReadError, Reader, Step};

const LOST: Fault = Fault::Lost(Loss::Reset);

/// Splits lines as one is tempted to: what a piece leaves unfinished is taken for a line.
fn naive_lines(pieces: Pieces<'_>) -> Vec<Vec<u8>> {
    let lines = pieces.flat_map(|piece| piece.split_inclusive(|&byte| byte == b'\n'));
    lines.map(<[u8]>::to_vec).collect()
}

/// Reads lines of at most `limit` bytes, and what becomes of the others.
fn lines(pieces: Pieces<'_>, limit: usize) -> Vec<Result<Vec<u8>, ReadError>> {
    let mut reader = Reader::with_limit(limit);
    let (mut lines, mut pieces) = (Vec::new(), pieces);
    loop {
        match reader.read_line() {
            Ok(Step::Ready(line)) if line.is_empty() => return lines,
            Ok(Step::Ready(line)) => lines.push(Ok(line.to_vec())),
            Ok(Step::NeedInput) => match pieces.next() {
                Some(piece) => reader.feed(piece),
                None => reader.feed_eof(),
            },
            Err(error) => lines.push(Err(error)),
        }
    }
}

/// The places at which pieces end.
fn ends(pieces: Pieces<'_>) -> impl Iterator<Item = usize> {
    pieces.scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    })
}

/// Answers each line with itself, and the end of the stream with a close.
fn echo(connection: &mut Connection) {
    while let Ok(Step::Ready(line)) = connection.reader.read_line() {
        if line.is_empty() {
            return connection.close();
        }
        connection.writer.write(&line).unwrap();
    }
}

/// Makes one call, and leaves what it comes to out, but for faults.
fn call(peer: &mut ScriptedPeer, call: Call) -> Result<(), Fault> {
    match call {
        Call::Read => peer.read(&mut [0; 8]).map(drop),
        Call::Write => peer.write(&[b"x"]).map(drop),
        Call::Flush => peer.flush(),
        Call::Shutdown => peer.shutdown(),
        other => unreachable!("{other:?} is new"),
    }
}

#[test]
fn a_line_splitter_that_forgets_partial_lines_is_found_out() {
    let difference = Cuts::default()
        .check(b"one\ntwo\n", naive_lines)
        .unwrap_err();
    assert_eq!(difference.cuts, [1]);
    assert_eq!(difference.expected, [b"one\n", b"two\n"]);
    assert_eq!(difference.found, [&b"o"[..], b"ne\n", b"two\n"]);

    let replayed = naive_lines(Pieces::new(&difference.input, &difference.cuts));
    assert_eq!(replayed, difference.found);
}

#[test]
fn lines_of_a_reader_pass_whatever_the_input() {
    let mut cases = 0;
    for len in 0..=6 {
        for input in strings(b"a\r\n", len) {
            for limit in [1, 2, usize::MAX] {
                cases += assert_cuts_do_not_matter(&input, |pieces| lines(pieces, limit));
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
fn every_way_to_cut_a_short_input_is_tried_once() {
    for len in 0..=10 {
        let input = vec![b'x'; len];
        let mut seen = std::collections::HashSet::new();
        let cases = Cuts::default().check(&input, |pieces| {
            let lens: Vec<_> = pieces.map(<[u8]>::len).collect();
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
fn the_longest_input_that_is_cut_in_every_way_is_a_setting() {
    let cases = |plan: Cuts, len| plan.check(&vec![b'x'; len], |_| ()).unwrap();
    assert_eq!(cases(Cuts::default(), 16), 1 << 15);
    // Whole, sixteen single cuts, all pairs of them, byte by byte, and the samples.
    assert_eq!(cases(Cuts::default(), 17), 1 + 16 + 120 + 1 + 1024);
    assert_eq!(
        cases(
            Cuts {
                exhaustive_to: 17,
                ..Cuts::default()
            },
            17
        ),
        1 << 16
    );
    let none = Cuts {
        exhaustive_to: 0,
        pairs: 0,
        samples: 0,
        seed: 0,
    };
    assert_eq!(cases(none, 100), 1 + 99 + 1);
    assert_eq!(cases(Cuts { pairs: 50, ..none }, 100), 1 + 99 + 50 + 1);
    assert_eq!(
        cases(
            Cuts {
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
        let plan = Cuts {
            pairs: 0,
            seed,
            ..Cuts::default()
        };
        plan.check(&[b'x'; 200], |pieces| {
            ways.push(pieces.map(<[u8]>::len).collect::<Vec<_>>())
        })
        .unwrap();
        ways.split_off(ways.len() - 1024)
    };
    assert_eq!(ways(1), ways(1));
    assert_ne!(ways(1), ways(2));
    let counts: Vec<_> = ways(1).iter().map(Vec::len).collect();
    assert!(counts.contains(&2), "long pieces");
    assert!(counts.contains(&200), "short ones");
    assert!(counts.iter().any(|count| (20..50).contains(count)));
}

/// As an implementation in Python chooses them.
#[test]
fn the_random_ways_of_a_seed_are_the_same_everywhere() {
    let plan = Cuts {
        pairs: 0,
        samples: 7,
        seed: 1,
        ..Cuts::default()
    };
    let mut ways = Vec::new();
    plan.check(&[b'x'; 20], |pieces| {
        ways.push(ends(pieces).collect::<Vec<_>>())
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
    let differs = |pieces: Pieces<'_>| {
        let ends: Vec<_> = ends(pieces).collect();
        ends.contains(&30) && ends.contains(&70)
    };
    let plan = Cuts {
        pairs: 10,
        ..Cuts::default()
    };
    let difference = plan.check(&[b'x'; 100], differs).unwrap_err();
    assert_eq!(difference.cuts, [30, 70]);
    assert!(difference.found && !difference.expected);

    // Of a minimum that is large nothing is lost.
    let byte_by_byte = |pieces: Pieces<'_>| pieces.count() == 100;
    let difference = plan.check(&[b'x'; 100], byte_by_byte).unwrap_err();
    assert_eq!(difference.cuts, Vec::from_iter(1..100));
}

#[test]
fn a_cut_is_left_out_also_if_only_its_absence_hides_another() {
    // 80 sits between two that are needed, so it goes alone; before that, 10 cannot go.
    let differs = |pieces: Pieces<'_>| {
        let ends: Vec<_> = ends(pieces).collect();
        let has = |place| ends.contains(&place);
        has(79) && has(81) && (!has(80) || has(10))
    };
    let plan = Cuts {
        pairs: 0,
        ..Cuts::default()
    };
    assert_eq!(
        plan.check(&[b'x'; 100], differs).unwrap_err().cuts,
        [79, 81]
    );
}

#[test]
fn many_cuts_are_left_out_in_few_runs() {
    let mut runs = 0;
    let plan = Cuts {
        pairs: 0,
        ..Cuts::default()
    };
    let differs = |pieces: Pieces<'_>| {
        runs += 1;
        ends(pieces).filter(|end| [300, 700].contains(end)).count() == 2
    };
    assert_eq!(
        plan.check(&[b'x'; 1000], differs).unwrap_err().cuts,
        [300, 700]
    );
    let shrinking = runs - (1 + 999 + 1);
    assert!(shrinking < 60, "{shrinking} runs to leave out 997 cuts");
}

#[test]
fn an_outcome_that_changes_on_its_own_shows_as_no_cut_at_all() {
    let mut runs = 0;
    let outcome = Cuts::default().check(b"abc", |_| {
        runs += 1;
        runs
    });
    assert!(outcome.unwrap_err().cuts.is_empty());
}

#[test]
fn a_difference_displays_its_pieces_and_outcomes() {
    let mut input = b"one\ntwo\n".to_vec();
    let difference = Cuts::default()
        .check(&input, |pieces| pieces.count())
        .unwrap_err();
    let expected = r#"the outcome depends on how the input is cut
  cuts:   [1]
  piece:  "o"
  piece:  "ne\ntwo\n"
  gave:   2
  whole:  1"#;
    assert_eq!(difference.to_string(), expected);

    input.resize(100, b'x');
    let difference: Difference<_> = Cuts::default().check(&input, |p| p.count()).unwrap_err();
    let middle = "\"ne\\ntwo\\nxxxxxxxxxxxxxxxxx\" and 51 bytes and \"xxxxxxxxxxxxxxxxxxxxxxxx\"";
    assert!(difference.to_string().contains(middle), "{difference}");
}

#[test]
fn a_difference_says_so_wherever_it_could_not_be_shown() {
    /// Takes so many bytes, and no more.
    struct Room(usize);
    impl Write for Room {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let input = [b"a", [b'x'; 60].as_slice(), b"z"].concat();
    let difference: Difference<_> = Cuts::default().check(&input, |p| p.count()).unwrap_err();
    let len = difference.to_string().len();
    for room in 0..len {
        assert!(write!(Room(room), "{difference}").is_err(), "{room}");
    }
    assert!(write!(Room(len), "{difference}").is_ok());
}

#[test]
#[should_panic(expected = "cuts:   [1]\n  piece:  \"a\"\n  piece:  \"b\"")]
fn the_assertion_panics_with_the_pieces() {
    assert_cuts_do_not_matter(b"ab", |pieces| pieces.count());
}

#[test]
fn cuts_out_of_order_or_out_of_the_input_are_none() {
    let pieces = Pieces::new(b"abcdef", &[0, 2, 2, 1, 4, 6, 7, usize::MAX, 5]);
    assert_eq!(Vec::from_iter(pieces), [&b"ab"[..], b"cd", b"e", b"f"]);
    assert_eq!(Pieces::new(b"", &[0, 1]).count(), 0);
}

#[test]
fn a_read_takes_one_piece_or_the_room_there_is() {
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
fn a_write_is_taken_across_slices_as_far_as_the_script_says() {
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
    assert_eq!(
        peer.write(&[b"ab"]),
        Ok(1),
        "a write that never ends helps nobody"
    );
}

#[test]
fn every_fault_meets_its_kind_of_call_once_unless_it_is_a_loss() {
    const ALL: [Call; 4] = [Call::Read, Call::Write, Call::Flush, Call::Shutdown];
    for failing in ALL {
        for fault in [Fault::WouldBlock, Fault::Interrupted, LOST] {
            let mut peer = ScriptedPeer::new()
                .fails(failing, fault)
                .fails(failing, fault);
            for other in ALL.into_iter().filter(|other| *other != failing) {
                // What comes behind the end of the stream has a test of its own.
                if other != Call::Shutdown {
                    assert_eq!(
                        call(&mut peer, other),
                        Ok(()),
                        "{other:?} before {failing:?}"
                    );
                }
            }
            assert_eq!(call(&mut peer, failing), Err(fault));
            assert_eq!(
                call(&mut peer, failing),
                Err(fault),
                "the second in the script"
            );
            for later in ALL {
                let is_lost = fault == LOST && (failing == Call::Read) == (later == Call::Read);
                let expected = if is_lost { Err(LOST) } else { Ok(()) };
                assert_eq!(
                    call(&mut peer, later),
                    expected,
                    "{later:?} after {failing:?}"
                );
            }
            let shut = fault != LOST || failing == Call::Read;
            assert_eq!(peer.has_seen_end(), shut);
        }
    }
}

#[test]
fn a_call_fails_by_its_number_and_takes_nothing_from_the_script() {
    let mut peer = ScriptedPeer::new()
        .sends(b"ab")
        .takes(1)
        .fail_call(0, Fault::Interrupted)
        .fail_call(2, Fault::WouldBlock)
        .fail_call(4, Fault::Lost(Loss::TimedOut));
    let mut room = [0; 8];
    assert_eq!(peer.read(&mut room), Err(Fault::Interrupted));
    assert_eq!(peer.read(&mut room), Ok(2));
    assert_eq!(peer.write(&[b"xyz"]), Err(Fault::WouldBlock));
    assert_eq!(peer.write(&[b"xyz"]), Ok(1));
    assert_eq!(peer.flush(), Err(Fault::Lost(Loss::TimedOut)));
    assert_eq!(peer.write(&[b"yz"]), Err(Fault::Lost(Loss::TimedOut)));
    assert_eq!(peer.read(&mut room), Ok(0), "the other direction goes on");
    use Call::{Flush, Read, Write};
    assert_eq!(peer.calls(), [Read, Read, Write, Write, Flush, Write, Read]);
}

#[test]
fn nothing_is_taken_behind_the_end_of_this_sides_stream() {
    let mut peer = ScriptedPeer::new().fails(Call::Shutdown, Fault::WouldBlock);
    assert_eq!(peer.shutdown(), Err(Fault::WouldBlock));
    assert!(!peer.has_seen_end());
    assert_eq!(peer.write(&[b"last"]), Ok(4));
    assert_eq!((peer.shutdown(), peer.shutdown()), (Ok(()), Ok(())));
    assert!(peer.has_seen_end());
    assert_eq!(peer.write(&[b"behind"]), Err(LOST));
    assert_eq!((peer.flush(), peer.received()), (Ok(()), &b"last"[..]));
}

#[test]
fn a_driven_protocol_stops_where_the_peer_blocks_and_goes_on_from_there() {
    let mut connection = Connection::new();
    let mut peer = ScriptedPeer::new()
        .sends(b"one\ntw")
        .fails(Call::Read, Fault::WouldBlock)
        .sends(b"o\n")
        .fails(Call::Shutdown, Fault::WouldBlock);
    drive(&mut connection, &mut peer, echo);
    assert_eq!(peer.received(), b"one\n");
    assert_eq!(connection.state(), ConnectionState::Open);
    assert_eq!(connection.reader.buffered(), b"tw");

    drive(&mut connection, &mut peer, echo);
    assert_eq!(peer.received(), b"one\ntwo\n");
    assert_eq!(connection.state(), ConnectionState::Closing);
    assert!(!peer.has_seen_end());

    drive(&mut connection, &mut peer, echo);
    assert_eq!(connection.state(), ConnectionState::Closed);
    assert!(peer.has_seen_end());
}

#[test]
fn a_driven_connection_receives_up_to_16_kib_at_once() {
    let mut connection = Connection::new();
    let mut peer = ScriptedPeer::new().sends(vec![b'x'; 16 * 1024 + 1]);
    drive(&mut connection, &mut peer, |_| ());
    assert_eq!(connection.reader.buffered().len(), 16 * 1024 + 1);
    assert_eq!(peer.calls(), [Call::Read; 3], "the last one for the end");
}

#[test]
fn a_write_that_blocks_does_not_hold_up_reading() {
    let mut connection = Connection::new();
    let mut peer = ScriptedPeer::new()
        .sends(b"one\n")
        .takes(1)
        .fails(Call::Write, Fault::WouldBlock)
        .fails(Call::Write, Fault::WouldBlock)
        .sends(b"two\n")
        .fails(Call::Read, Fault::WouldBlock);
    drive(&mut connection, &mut peer, echo);
    assert_eq!(peer.received(), b"o");
    assert_eq!(connection.writer.pending(), b"ne\ntwo\n".len());
    drive(&mut connection, &mut peer, echo);
    assert_eq!(peer.received(), b"one\ntwo\n");
    assert_eq!(connection.state(), ConnectionState::Closed);
}

#[test]
fn a_transport_that_takes_no_more_is_a_loss() {
    let mut connection = Connection::new();
    drive(
        &mut connection,
        &mut ScriptedPeer::new().sends(b"one\n").takes(0),
        echo,
    );
    assert_eq!(connection.state(), ConnectionState::Lost(Loss::Transport));
}

#[test]
fn an_echo_survives_every_fault_at_every_call() {
    let peer = ScriptedPeer::new()
        .sends(b"one\nt")
        .sends(b"wo\n")
        .takes_at_most(3);
    let run = |mut peer: ScriptedPeer| {
        let mut connection = Connection::new();
        // A block ends a drive; each of these scripts has one at most.
        drive(&mut connection, &mut peer, echo);
        drive(&mut connection, &mut peer, echo);
        (connection.state(), peer)
    };
    let (state, unharmed) = run(peer.clone());
    assert_eq!(state, ConnectionState::Closed);
    assert_eq!(unharmed.received(), b"one\ntwo\n");

    for number in 0..unharmed.calls().len() {
        for fault in [Fault::WouldBlock, Fault::Interrupted] {
            let (state, peer) = run(peer.clone().fail_call(number, fault));
            assert_eq!(state, ConnectionState::Closed, "{fault} at call {number}");
            assert_eq!(
                peer.received(),
                unharmed.received(),
                "{fault} at call {number}"
            );
            assert!(peer.has_seen_end());
        }
        let (state, peer) = run(peer.clone().fail_call(number, LOST));
        assert_eq!(state, ConnectionState::Lost(Loss::Reset));
        assert!(unharmed.received().starts_with(peer.received()));
        assert_eq!(
            peer.calls().len(),
            number + 1,
            "nothing is asked of what is lost"
        );
    }
}
