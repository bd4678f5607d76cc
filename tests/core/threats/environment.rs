//! Settings and inputs at the edge of what there is.

use plimsoll::Separator;
use plimsoll::bytes::Bytes;

use super::subject::{Answer, Ask, Failure, Subject};
use test_support::random::Random;

/// The smallest limit and the largest, and counts that nothing can hold.
pub fn t55_extreme_limits<S: Subject>() {
    let whole = |bytes: &'static [u8]| Answer::Whole(Bytes::from_static(bytes));
    for (limit, second) in [
        (1, Answer::Failed(Failure::LineTooLong)),
        (usize::MAX / 2 + 1, whole(b"bb\n")),
        (usize::MAX - 1, whole(b"bb\n")),
        (usize::MAX, whole(b"bb\n")),
    ] {
        let mut subject = S::new(limit, limit);
        subject.feed(b"a\nbb\nc\r\n");
        assert!(limit == 1 || subject.wants_read(), "no limit is so near");
        assert_eq!(subject.ask(Ask::Line), whole(b"a\n"));
        assert_eq!(subject.ask(Ask::Line), second);
        assert_eq!(subject.ask(Ask::StrictLine), whole(b"c\r\n"));
        for ask in [Ask::Line, Ask::StrictLine, Ask::Until(&Separator::CRLF)] {
            assert_eq!(subject.ask(ask), Answer::Wait);
        }
        let too_much = Answer::Failed(Failure::TooMuch);
        assert_eq!(subject.ask(Ask::Exact(usize::MAX)), too_much);
        assert!(subject.wants_read());
        assert!(subject.write(&[b"a"]));
        assert_eq!(subject.write(&[b"b"]), limit > 1);
        subject.feed(b"d");
        assert_eq!(subject.ask(Ask::Some(usize::MAX)), whole(b"d"));
    }
}

/// Any bytes, in any pieces, asked for in any way.
pub fn t56_hostile_input_panics_nowhere<S: Subject>() {
    let mut random = Random(56);
    let set = Separator::any([&b"\xff\0"[..], b"\r", b"\xff\0\xff", b"\n\n"]).unwrap();
    for _ in 0..2000 {
        let mut subject = S::new(1 + random.below(8), random.below(20));
        for _ in 0..50 {
            let bytes: Vec<u8> = (0..random.below(8))
                .map(|_| b"a\r\n\0\xff\xc3"[random.below(6)])
                .collect();
            match random.below(8) {
                0 => drop(subject.write(&[&bytes, b"", &bytes])),
                1 => drop(subject.write_line(&bytes)),
                2 => drop(subject.send()),
                3 => drop(subject.ask(Ask::Exact(random.below(20)))),
                4 => drop(subject.ask(Ask::Until(&set))),
                5 => drop(subject.ask(Ask::StrictLine)),
                6 => drop(subject.ask(Ask::Line)),
                _ => {}
            }
            subject.cancel();
            if subject.held() < 8 {
                subject.feed(&bytes);
            }
        }
    }
    // Text of any bytes. No line here is longer than the limit.
    let mut subject = S::new(1000, 1000);
    for _ in 0..10_000 {
        let mut line: Vec<u8> = (0..9).map(|_| random.below(256) as u8).collect();
        line.push(b'\n');
        subject.feed(&line);
        while subject.ask_text().is_ready() {}
    }
}

/// What a peer sends is in no error, and in no `Debug`.
pub fn t57_secrets_in_errors<S: Subject>() {
    const SECRET: &str = "hunter2";
    let canary = |text: String| assert!(!text.contains(SECRET), "{text}");
    let end = Separator::new("\0\0\0").unwrap();
    for (limit, input) in [
        (3, "hunter2\n"),
        (3, "hunter2"),
        (100, "hunter2"),
        (100, "hunter2\rhunter2\r\n"),
        (100, "hunter2\nhunter2"),
    ] {
        for ask in [
            Ask::Line,
            Ask::StrictLine,
            Ask::Until(&end),
            Ask::Exact(99),
            Ask::Exact(usize::MAX),
        ] {
            let mut subject = S::new(limit, 3);
            subject.feed(input.as_bytes());
            canary(format!("{subject:?} {subject:#?}"));
            assert!(!subject.write(&[SECRET.as_bytes()]));
            assert!(!subject.write_line(b"hunter2\n"));
            canary(format!("{subject:?}"));
            subject.feed_eof();
            for _ in 0..3 {
                if let Answer::Failed(_) = subject.ask(ask) {
                    subject.cancel();
                }
                canary(format!("{subject:?} {subject:#?}"));
            }
            // Asked for anew, so that the errors that take nothing and those that do are seen.
            let mut subject = S::new(limit, 3);
            subject.feed(input.as_bytes());
            subject.lose();
            let ask = match ask {
                Ask::Line if limit > 3 => Ask::Exact(usize::MAX),
                Ask::StrictLine if limit > 3 && !input.contains('\r') => Ask::Exact(99),
                ask => ask,
            };
            canary(subject.complaint(ask));
        }
    }
    let unwritten = "hunter2\n".as_bytes();
    let mut writer = plimsoll::Writer::new();
    let error = writer
        .write_line(unwritten, plimsoll::LineEnding::Lf)
        .unwrap_err();
    canary(format!("{error} {error:?}"));
}
