//! Peers, and networks, that make one thing look like another.

use plimsoll::bytes::Bytes;
use plimsoll::{Separator, Step};

use super::subject::{Answer, Ask, Failure, Subject};
use super::{all_cuts, answers, outcome};
use test_support::random::Random;
use test_support::strings;

const LARGE: usize = 1000;

fn whole(bytes: &[u8]) -> Answer {
    Answer::Whole(Bytes::copy_from_slice(bytes))
}

/// However a stream is cut, it comes to what it comes to in one piece.
pub fn t16_cuts_of_the_network<S: Subject>() {
    let set = Separator::any(["\n", "\r\n", "a\r"]).unwrap();
    for len in 1..=6 {
        for input in strings(b"a\r\n", len) {
            for limit in [1, 2, 3, LARGE] {
                for ask in [Ask::Line, Ask::StrictLine, Ask::Until(&set), Ask::Exact(2)] {
                    let expected = outcome::<S>(&input, 0, limit, ask);
                    for cuts in all_cuts(len) {
                        let found = outcome::<S>(&input, cuts, limit, ask);
                        assert_eq!(found, expected, "{ask:?} of {input:?} cut at {cuts:b}");
                    }
                }
            }
        }
    }
}

/// Lines that end with `\r\n`, and neither byte alone, as one would look for them by hand.
fn strict_lines(mut input: &[u8], limit: usize) -> Vec<Answer> {
    let mut lines = Vec::new();
    loop {
        let line_break = input.iter().position(|byte| b"\r\n".contains(byte));
        let before = line_break.unwrap_or(input.len());
        match &input[before..] {
            [b'\r', b'\n', rest @ ..] if before <= limit => {
                lines.push(whole(&input[..before + 2]));
                input = rest;
                continue;
            }
            // Without another byte one cannot tell.
            [b'\r'] if before <= limit => lines.push(Answer::Failed(Failure::Incomplete)),
            // A separator may still begin right behind the limit, where the last byte is.
            [] if before <= limit + 1 => lines.push(Answer::Failed(Failure::Incomplete)),
            _ if before > limit => lines.push(Answer::Failed(Failure::Overrun)),
            _ => lines.push(Answer::Failed(Failure::BareLineBreak)),
        }
        return lines;
    }
}

pub fn t17_bare_line_breaks<S: Subject>() {
    for len in 1..=7 {
        for input in strings(b"a\r\n", len) {
            for limit in [1, 2, 4, LARGE] {
                let expected = strict_lines(&input, limit);
                for cuts in all_cuts(len) {
                    let found = outcome::<S>(&input, cuts, limit, Ask::StrictLine);
                    assert_eq!(found, expected, "{input:?} cut at {cuts:b}, limit {limit}");
                }
            }
        }
    }
}

/// What somebody takes for the end of a message: of all of them one is.
pub fn t17_variants_of_the_end_of_data<S: Subject>() {
    #[derive(Debug, PartialEq)]
    enum Message {
        Ends,
        GoesOn,
        IsRefused,
    }
    let variants: [(&[u8], Message); 12] = [
        (b"\r\n.\r\n", Message::Ends),
        (b"\n.\n", Message::IsRefused),
        (b"\n.\r\n", Message::IsRefused),
        (b"\r\n.\n", Message::IsRefused),
        (b"\r.\r", Message::IsRefused),
        (b"\r.\r\n", Message::IsRefused),
        (b"\r\n.\r", Message::IsRefused),
        (b"\r.\n", Message::IsRefused),
        (b"\n.\r", Message::IsRefused),
        (b"\r\r\n.\r\r\n", Message::IsRefused),
        (b"\r\n\0.\r\n", Message::GoesOn),
        (b"\r\n.\0\r\n", Message::GoesOn),
    ];
    for (variant, expected) in variants {
        let stream = [b"text", variant, b"MAIL FROM:<x>\r\n"].concat();
        for cut in 0..stream.len() {
            let mut subject = S::new(LARGE, LARGE);
            subject.feed(&stream[..cut]);
            let mut lines = answers(&mut subject, Ask::StrictLine);
            subject.feed(&stream[cut..]);
            lines.extend(answers(&mut subject, Ask::StrictLine));
            let message = match lines {
                _ if lines.contains(&whole(b".\r\n")) => Message::Ends,
                _ if lines.contains(&Answer::Failed(Failure::BareLineBreak)) => Message::IsRefused,
                _ => Message::GoesOn,
            };
            assert_eq!(message, expected, "{variant:?} cut at {cut}");
        }
    }
}

/// Only the exact bytes end a message, wherever they are cut, and however often they come.
pub fn t18_end_of_data_across_cuts<S: Subject>() {
    for (end, letters) in [(&b"\r\n.\r\n"[..], &b"\r\n."[..]), (b"\r\n\r\n", b"\r\na")] {
        let separator = Separator::new(end).unwrap();
        for len in 1..=8 {
            for input in strings(letters, len) {
                let mut expected = Vec::new();
                let mut rest = &input[..];
                while let Some(place) = rest.windows(end.len()).position(|bytes| bytes == end) {
                    let (frame, behind) = rest.split_at(place + end.len());
                    expected.push(whole(frame));
                    rest = behind;
                }
                for cuts in all_cuts(len) {
                    let mut found = outcome::<S>(&input, cuts, LARGE, Ask::Until(&separator));
                    found.truncate(expected.len());
                    assert_eq!(found, expected, "{input:?} cut at {cuts:b}");
                }
            }
        }
    }
}

/// Whatever is in it, what `write_line` sends is one line, or nothing.
pub fn t19_injected_lines<S: Subject>() {
    let mut random = Random(19);
    let mut lines = 0;
    for _ in 0..20_000 {
        let len = random.below(20);
        let line: Vec<u8> = (0..len)
            .map(|_| match random.below(30) {
                0 => b'\r',
                1 => b'\n',
                2 => b'\0',
                letter => b'a' + letter as u8 % 26,
            })
            .collect();
        let is_one_line = !line.iter().any(|byte| b"\r\n\0".contains(byte));
        let mut subject = S::new(LARGE, LARGE);
        assert_eq!(subject.write_line(&line), is_one_line, "{line:?}");
        let mut sent = Vec::new();
        while subject.pending() > 0 {
            sent.extend_from_slice(&subject.send());
        }
        let expected = if is_one_line {
            [&line[..], b"\r\n"].concat()
        } else {
            Vec::new()
        };
        assert_eq!(sent, expected);
        lines += usize::from(is_one_line);
        // Nothing of it where there is no room for all of it.
        let mut full = S::new(LARGE, len + 1);
        assert!(!full.write_line(&line) && full.pending() == 0);
    }
    assert!((2_000..18_000).contains(&lines), "{lines}");
}

/// Every line is itself, or one error, whatever its neighbours are.
pub fn t20_tail_of_a_long_line<S: Subject>() {
    for limit in 1..=5 {
        for len in 1..=9 {
            for input in strings(b"a\n", len) {
                let mut expected = Vec::new();
                for line in input.split_inclusive(|byte| *byte == b'\n') {
                    let content = line.strip_suffix(b"\n").unwrap_or(line);
                    expected.push(match line.len() - content.len() {
                        _ if content.len() > limit => Answer::Failed(Failure::LineTooLong),
                        0 => Answer::Partial(Bytes::copy_from_slice(line)),
                        _ => whole(line),
                    });
                }
                if let Some(Answer::Partial(_)) = expected.last() {
                    continue; // that is T21
                }
                expected.push(Answer::End);
                for cuts in all_cuts(len) {
                    let found = outcome::<S>(&input, cuts, limit, Ask::Line);
                    assert_eq!(found, expected, "{input:?} cut at {cuts:b}, limit {limit}");
                }
            }
        }
    }
}

/// A frame that is refused stays refused, also if the skip that followed is cancelled on the way.
pub fn t20_tail_of_a_skipped_frame<S: Subject>() {
    let separators = [
        Separator::new(";").unwrap(),
        Separator::CRLF,
        Separator::any([";", "\r\n"]).unwrap(),
    ];
    for (separator, end) in separators.iter().zip([";", "\r\n", "\r\n"]) {
        let refused = format!("{}$X*58\r\r{end}", "#".repeat(20));
        let next = format!("$A*26{end}");
        let stream = [refused.as_bytes(), next.as_bytes()].concat();
        for cut in 16..=refused.len() {
            for then in [
                Ask::Until(separator),
                Ask::Some(LARGE),
                Ask::Skip(separator),
            ] {
                let mut subject = S::new(15, LARGE);
                subject.feed(&stream[..cut]);
                let answer = subject.ask(Ask::Until(separator));
                let refusal = Answer::Failed(Failure::Overrun);
                if cut == refused.len() {
                    assert_eq!(answer, refusal);
                }
                let skipped = subject.ask(Ask::Skip(separator));
                subject.cancel();
                // Of a skip that goes on, the same once more is the rest.
                let is_over = skipped == whole(b"");
                assert_eq!(is_over, cut == refused.len(), "cut at {cut}");
                if !is_over {
                    if let Ask::Skip(_) = then {
                        subject.feed(&stream[cut..]);
                        assert_eq!(subject.ask(then), whole(b""));
                    } else {
                        assert_eq!(subject.ask(then), Answer::Wait, "cut at {cut}");
                        subject.feed(&stream[cut..]);
                    }
                } else {
                    subject.feed(&stream[cut..]);
                }
                let rest = if let Ask::Some(_) = then {
                    subject.ask(then)
                } else {
                    subject.ask(Ask::Until(separator))
                };
                assert_eq!(rest, whole(next.as_bytes()), "{then:?} cut at {cut}");
            }
        }
    }
}

/// What has no end is never what has one.
pub fn t21_end_in_mid_line<S: Subject>() {
    for len in 1..=7 {
        for input in strings(b"a\r\n", len) {
            for (ask, end) in [
                (Ask::Line, &b"\n"[..]),
                (Ask::Until(&Separator::CRLF), b"\r\n"),
            ] {
                for cuts in all_cuts(len) {
                    let found = outcome::<S>(&input, cuts, LARGE, ask);
                    for answer in &found {
                        if let Answer::Whole(frame) = answer {
                            assert!(frame.ends_with(end), "{frame:?} of {input:?}");
                        }
                    }
                    let told = found.iter().any(|answer| {
                        matches!(
                            answer,
                            Answer::Partial(_) | Answer::Failed(Failure::Incomplete)
                        )
                    });
                    let cut_short = !input.ends_with(end) || matches!(ask, Ask::Until(_));
                    assert_eq!(told, cut_short, "{input:?}: {found:?}");
                    let whole = found.iter().map(|answer| match answer {
                        Answer::Whole(frame) => frame.len(),
                        _ => 0,
                    });
                    let last = input.windows(end.len()).rposition(|bytes| bytes == end);
                    let complete = last.map_or(0, |last| last + end.len());
                    assert_eq!(whole.sum::<usize>(), complete, "{input:?}: {found:?}");
                }
            }
        }
    }
}

/// The first to end wins, the longest of those that end together; and nobody waits for a longer one.
pub fn t22_overlapping_separators<S: Subject>() {
    let mut subject = S::new(LARGE, LARGE);
    let either = Separator::any(["\r\n", "\r"]).unwrap();
    for (fed, frame) in [("a\r", "a\r"), ("b\rc\r\n", "b\r"), ("", "c\r")] {
        subject.feed(fed.as_bytes());
        assert_eq!(subject.ask(Ask::Until(&either)), whole(frame.as_bytes()));
    }
    for members in [
        &["\r", "\r\n"][..],
        &["\n", "\r\n"],
        &["\r\n", "\n", "a"],
        &["a\r", "\r"],
        &["aa", "a\na"],
    ] {
        let separator = Separator::any(members).unwrap();
        for len in 1..=6 {
            for input in strings(b"a\r\n", len) {
                let (mut expected, mut from) = (Vec::new(), 0);
                for to in 1..=len {
                    let frame = &input[from..to];
                    if members.iter().any(|end| frame.ends_with(end.as_bytes())) {
                        expected.push(whole(frame));
                        from = to;
                    }
                }
                for cuts in all_cuts(len) {
                    let mut found = outcome::<S>(&input, cuts, LARGE, Ask::Until(&separator));
                    assert_eq!(found.pop(), Some(Answer::Failed(Failure::Incomplete)));
                    assert_eq!(found, expected, "{members:?}: {input:?} cut at {cuts:b}");
                }
            }
        }
    }
}

/// A line that is no text costs itself, and a letter may come in pieces.
pub fn t23_text_that_is_none<S: Subject>() {
    let input = "ä\n\u{1F600}é\n".as_bytes();
    let input = [input, b"\xff\xc3\n", "ö\n".as_bytes(), b"\xc3\n", b"ok\n"].concat();
    let expected = [
        Some("ä\n"),
        Some("\u{1F600}é\n"),
        None,
        Some("ö\n"),
        None,
        Some("ok\n"),
    ];
    for size in 1..=input.len() {
        let mut subject = S::new(LARGE, LARGE);
        let mut found = Vec::new();
        for piece in input.chunks(size) {
            subject.feed(piece);
            while let Step::Ready(line) = subject.ask_text() {
                found.push(line);
            }
        }
        let found: Vec<Option<&str>> = found.iter().map(|line| line.as_deref()).collect();
        assert_eq!(found, expected, "in pieces of {size}");
    }
}

/// What came in is what was given out, and what is left.
pub fn t24_leftovers<S: Subject>() {
    let mut random = Random(24);
    for _ in 0..2000 {
        let len = random.below(60);
        let input: Vec<u8> = (0..len).map(|_| b"ab\r\n"[random.below(4)]).collect();
        let mut subject = S::new(LARGE, LARGE);
        let mut given = Vec::new();
        let mut place = 0;
        while place < len {
            let size = 1 + random.below(len - place);
            subject.feed(&input[place..place + size]);
            place += size;
            let ask = match random.below(3) {
                0 => Ask::Line,
                1 => Ask::Exact(1 + random.below(5)),
                _ => Ask::Until(&Separator::CRLF),
            };
            if let Answer::Whole(frame) = subject.ask(ask) {
                given.extend_from_slice(&frame);
            }
            assert_eq!(given.len() + subject.held(), place);
        }
        given.extend(subject.into_rest());
        assert_eq!(given, input);
    }
}
