//! Waits that must end, and calls that are given up, come too late, or come after the end.

use plimsoll::Separator;

use super::subject::{Answer, Ask, Failure, Subject};
use test_support::random::Random;
use test_support::strings;

const LARGE: usize = 1000;

/// A read that needs more than what pauses the peer is given it.
pub fn t38_paused_under_a_large_read<S: Subject>() {
    for limit in 1..=8 {
        for count in 0..=4 * limit + 1 {
            for ahead in 0..=4 * limit + 1 {
                let mut subject = S::new(limit, LARGE);
                for _ in 0..ahead {
                    if subject.wants_read() {
                        subject.feed(b"a");
                    }
                }
                let mut fed = 0;
                while subject.ask(Ask::Exact(count)) == Answer::Wait {
                    assert!(subject.wants_read(), "nobody would ever go on");
                    subject.feed(b"a");
                    fed += 1;
                    assert!(fed <= count);
                }
            }
        }
    }
}

/// Empty parts are no parts: nothing is sent for them, and nothing waits behind them.
pub fn t41_empty_parts_of_a_write<S: Subject>() {
    let mut random = Random(41);
    for _ in 0..5000 {
        let mut subject = S::new(LARGE, usize::MAX);
        let mut written = Vec::new();
        for _ in 0..random.below(5) {
            let parts: Vec<Vec<u8>> = (0..random.below(5))
                .map(|_| {
                    let len = [0, 0, 1, 700][random.below(4)];
                    vec![random.below(256) as u8; len]
                })
                .collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            assert!(subject.write(&parts));
            written.extend(parts.concat());
            assert_eq!(subject.pending(), written.len());
        }
        let mut sent = Vec::new();
        while subject.pending() > 0 {
            let piece = subject.send();
            assert!(!piece.is_empty(), "nothing to send, and something pending");
            sent.extend_from_slice(&piece);
        }
        assert_eq!(sent, written);
        assert!(subject.send().is_empty(), "nothing is left in the queue");
    }
}

/// Behind every byte any read is tried and given up: no byte is lost, or comes twice.
pub fn t42_cancelled_read<S: Subject>() {
    for input in [&b"ab\ncd\r\n"[..], b"\r\n\r\nabc", b"abcdefg"] {
        for reads in strings(b"len ", input.len()) {
            let mut subject = S::new(LARGE, LARGE);
            let mut given = Vec::new();
            for (byte, read) in input.iter().zip(reads) {
                subject.feed(&[*byte]);
                let answer = match read {
                    b'l' => subject.ask(Ask::Line),
                    b'e' => subject.ask(Ask::Exact(3)),
                    b'n' => subject.ask(Ask::Until(&Separator::CRLF)),
                    _ => Answer::Wait,
                };
                match answer {
                    Answer::Whole(frame) => given.extend_from_slice(&frame),
                    answer => assert_eq!(answer, Answer::Wait),
                }
                subject.cancel();
            }
            while let Answer::Whole(bytes) = subject.ask(Ask::Some(LARGE)) {
                given.extend_from_slice(&bytes);
            }
            assert_eq!(given, input);
        }
    }
}

/// What came before a loss is given out before it, and the loss stays.
pub fn t43_loss_in_mid_line<S: Subject>() {
    let input = b"one\ntwo\r\nthr";
    for lost_at in (0..=input.len()).rev() {
        for ask in [Ask::Line, Ask::Until(&Separator::CRLF), Ask::Exact(2)] {
            let mut subject = S::new(LARGE, LARGE);
            subject.feed(&input[..lost_at]);
            subject.lose();
            let mut given = Vec::new();
            loop {
                match subject.ask(ask) {
                    Answer::Whole(frame) => given.extend_from_slice(&frame),
                    answer => {
                        assert_eq!(answer, Answer::Failed(Failure::Lost));
                        break;
                    }
                }
            }
            if let Answer::Whole(rest) = subject.ask(Ask::Some(LARGE)) {
                given.extend_from_slice(&rest);
            }
            assert_eq!(given, input[..lost_at]);
            for _ in 0..3 {
                assert_eq!(subject.ask(ask), Answer::Failed(Failure::Lost));
                assert_eq!(subject.ask(Ask::Some(1)), Answer::Failed(Failure::Lost));
                assert!(!subject.wants_read());
            }
        }
    }
}

/// Every order of ends, losses, reads and writes: each call answers as the ones before it say.
pub fn t45_calls_after_the_end<S: Subject>() {
    for calls in strings(b"eflwrx", 6) {
        let mut subject = S::new(LARGE, LARGE);
        let (mut ended, mut finished, mut lost) = (false, false, false);
        for call in &calls {
            match call {
                b'e' => {
                    subject.feed_eof();
                    ended = true;
                }
                b'f' => {
                    subject.finish();
                    finished = true;
                }
                b'l' => {
                    subject.lose();
                    lost = true;
                }
                b'w' => {
                    let accepted = subject.write(&[b"a"]);
                    assert_eq!(accepted, !finished && !lost, "{calls:?}");
                }
                read => {
                    let (ask, at_the_end) = match read {
                        b'r' => (Ask::Line, Answer::End),
                        _ => (Ask::Exact(1), Answer::Failed(Failure::Incomplete)),
                    };
                    let expected = match (lost, ended) {
                        (true, _) => Answer::Failed(Failure::Lost),
                        (false, true) => at_the_end,
                        (false, false) => Answer::Wait,
                    };
                    assert_eq!(subject.ask(ask), expected, "{calls:?}");
                }
            }
            if lost {
                assert_eq!(subject.pending(), 0, "what was pending is gone");
            }
            assert_eq!(subject.wants_read(), !ended && !lost);
        }
    }
}

/// The end of one direction is none of the other's.
pub fn t52_half_close<S: Subject>() {
    let mut subject = S::new(LARGE, LARGE);
    subject.feed(b"a question\n");
    subject.feed_eof();
    assert!(matches!(subject.ask(Ask::Line), Answer::Whole(_)));
    assert_eq!(subject.ask(Ask::Line), Answer::End);
    assert!(subject.write(&[b"an answer\n"]), "writing goes on");
    assert_eq!(subject.send(), "an answer\n");

    let mut subject = S::new(LARGE, LARGE);
    subject.finish();
    assert!(!subject.write(&[b"more"]));
    assert!(subject.wants_read(), "reading goes on");
    subject.feed(b"an answer\n");
    assert!(matches!(subject.ask(Ask::Line), Answer::Whole(_)));
}
