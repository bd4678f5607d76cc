//! Peers that make time go.

use plimsoll::Separator;

use super::subject::{Answer, Ask, Subject};

const SIZE: usize = 1 << 20;

/// What `size` bytes may cost when `separators` byte strings are searched for, in however many pieces
/// the bytes come.
fn assert_linear<S: Subject>(subject: &S, size: usize, separators: usize) {
    let (examined, copied) = subject.costs();
    let bound = (2 * separators * size) as u64;
    assert!(examined <= bound, "{examined} > {bound} examined");
    let bound = 3 * size as u64;
    assert!(copied <= bound, "{copied} > {bound} copied");
}

/// A megabyte, byte by byte, asked for after each, given up, and asked for otherwise.
pub fn t10_rescanning<S: Subject>() {
    let separator = Separator::any(["\0", "\r\n\r\n", "a separator"]).unwrap();
    let mut subject = S::new(2 * SIZE, SIZE);
    for fed in 1..=SIZE {
        subject.feed(b"a");
        for ask in [Ask::Line, Ask::Until(&separator), Ask::StrictLine] {
            assert_eq!(subject.ask(ask), Answer::Wait);
            subject.cancel();
        }
        // Of the strict line the carriage return is one more than of the others.
        assert_linear(&subject, fed, 5);
    }
}

/// A million short lines, in pieces that end in the middle of one.
pub fn t11_moving_bytes_for_each_line<S: Subject>() {
    let mut subject = S::new(64 * 1024, SIZE);
    let piece = b"ab\ncd\ne".repeat(500);
    let mut lines = 0;
    for fed in 1..=1000 {
        subject.feed(&piece);
        while let Answer::Whole(_) = subject.ask(Ask::Line) {
            lines += 1;
        }
        assert_linear(&subject, fed * piece.len(), 1);
    }
    assert_eq!(lines, 1_000_000);
}

/// `aaa...b` in `aaa...`, with its own ends beside it.
pub fn t12_separators_that_defeat_the_search<S: Subject>() {
    let needle = [&[b'a'; 100][..], b"b"].concat();
    let members: Vec<Vec<u8>> = (0..8).map(|shorter| needle[shorter..].to_vec()).collect();
    for count in 1..=members.len() {
        let separator = Separator::any(&members[..count]).unwrap();
        let mut subject = S::new(SIZE, SIZE);
        for fed in 1..=SIZE / 1024 {
            subject.feed(&[b'a'; 1024]);
            assert_eq!(subject.ask(Ask::Until(&separator)), Answer::Wait);
            assert_linear(&subject, fed * 1024, count);
        }
        subject.feed(b"b");
        let found = subject.ask(Ask::Until(&separator));
        assert!(matches!(found, Answer::Whole(frame) if frame.len() == SIZE + 1));
        assert_linear(&subject, SIZE + 1, count);
    }
}

/// Wherever the end comes, a driver that reads while that is wanted comes to its own end.
pub fn t13_end_at_the_wrong_moment<S: Subject>() {
    let input = b"a line\r\nand\n\nmore\r\n\r";
    for end in 0..=input.len() {
        for ask in [
            Ask::Line,
            Ask::StrictLine,
            Ask::Until(&Separator::CRLF),
            Ask::Exact(4),
            Ask::Some(3),
        ] {
            let mut subject = S::new(100, SIZE);
            let (mut place, mut steps, mut ended) = (0, 0, false);
            loop {
                steps += 1;
                assert!(steps <= 10 * (end + 2), "it spins");
                match subject.ask(ask) {
                    Answer::Wait if !subject.wants_read() => panic!("it hangs"),
                    Answer::Wait if place < end => {
                        subject.feed(&input[place..=place]);
                        place += 1;
                    }
                    Answer::Wait => {
                        assert!(!ended, "the end is the end");
                        subject.feed_eof();
                        ended = true;
                    }
                    Answer::End | Answer::Failed(_) => break,
                    Answer::Whole(_) | Answer::Partial(_) => {}
                }
            }
            if !ended {
                subject.feed_eof();
            }
            let last = subject.ask(ask);
            for _ in 0..10 {
                assert!(!subject.wants_read(), "nothing more comes");
                assert_eq!(subject.ask(ask), last, "and the answer stays");
            }
        }
    }
}
