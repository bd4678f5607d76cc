//! Peers that make memory go.

use plimsoll::bytes::Bytes;
use plimsoll::{Reader, Separator};

use super::subject::{Answer, Ask, Failure, READ, Subject};
use test_support::heap::measure;
use test_support::random::Random;

const LIMIT: usize = Reader::DEFAULT_LIMIT;
const CAP: usize = 16 << 20;
/// What a reader may hold: twice its limit, and what is read at once.
const BOUND: isize = (2 * LIMIT + READ) as isize;

/// A gigabyte of `a`: one error, in bounded memory.
pub fn t01_endless_line<S: Subject>() {
    let input = vec![b'a'; READ];
    let mut subject = S::new(LIMIT, CAP);
    let mut errors = 0;
    let ((), heap) = measure(|| {
        for _ in 0..(1 << 30) / READ {
            assert!(subject.wants_read());
            subject.receive(&input);
            match subject.ask(Ask::Line) {
                Answer::Wait => {}
                answer => {
                    assert_eq!(answer, Answer::Failed(Failure::LineTooLong));
                    errors += 1;
                }
            }
            assert!(subject.held() <= 2 * LIMIT + READ);
        }
    });
    assert_eq!(errors, 1, "one line, one error");
    assert!(heap.peak <= BOUND, "{} > {BOUND}", heap.peak);
    assert_eq!(heap.held, 0, "what is dropped is not held");
}

pub fn t02_declared_length<S: Subject>() {
    for count in [usize::MAX, 1 << 40] {
        let mut subject = S::new(LIMIT, CAP);
        let ((), heap) = measure(|| {
            assert_eq!(
                subject.ask(Ask::Exact(count)),
                Answer::Failed(Failure::TooMuch)
            );
            // Below the cap it is believed, and only as the bytes come.
            for _ in 0..10 {
                assert_eq!(subject.ask(Ask::Exact(CAP)), Answer::Wait);
                subject.feed(&[b'a'; 1000]);
            }
        });
        assert!(heap.peak < 64 * 1024, "{} bytes for 10,000", heap.peak);
    }
}

/// Nothing is reserved by a number that comes before its frame.
pub fn t02_declared_length_of_a_frame<S: Subject>() {
    for len in [u64::MAX, u64::MAX - 8, 1 << 63, 1 << 40] {
        let mut subject = S::new(LIMIT, CAP);
        let ((), heap) = measure(|| {
            for byte in len.to_be_bytes() {
                assert_eq!(subject.ask(Ask::LengthPrefixed), Answer::Wait);
                subject.feed(&[byte]);
            }
            for _ in 0..2 {
                let answer = subject.ask(Ask::LengthPrefixed);
                assert_eq!(answer, Answer::Failed(Failure::TooMuch));
            }
        });
        assert!(heap.peak < 1024, "{} bytes for eight", heap.peak);
    }

    let mut subject = S::new(LIMIT, CAP);
    let ((), heap) = measure(|| {
        subject.feed(&(CAP as u64 - 8).to_be_bytes());
        for _ in 0..10 {
            assert_eq!(subject.ask(Ask::LengthPrefixed), Answer::Wait);
            subject.feed(&[b'a'; 1000]);
        }
    });
    assert!(heap.peak < 64 * 1024, "{} bytes for 10,000", heap.peak);
}

/// Whatever is read when, a driver that reads while that is wanted overshoots by one read at most.
pub fn t03_read_ahead<S: Subject>() {
    let mut random = Random(3);
    for _ in 0..300 {
        let limit = 1 + random.below(500);
        let most = 1 + random.below(300);
        let mut subject = S::new(limit, CAP);
        let ((), heap) = measure(|| {
            for _ in 0..500 {
                if subject.wants_read() {
                    let mut piece = vec![b'a'; 1 + random.below(most)];
                    if let Some(last) = piece.last_mut().filter(|_| random.below(4) == 0) {
                        *last = b'\n';
                    }
                    subject.feed(&piece);
                }
                assert!(subject.held() <= 2 * limit + most);
                if random.below(3) == 0 {
                    let _ = subject.ask(Ask::Line);
                }
            }
        });
        // The block's room, and a block that it grows out of, beside which a piece is made.
        let bound = 2 * limit + most.max(limit / 4) + 512;
        assert!(heap.held <= bound as isize, "{} > {bound}", heap.held);
    }
}

pub fn t04_empty_items<S: Subject>() {
    let mut subject = S::new(LIMIT, CAP);
    let empty: [&[u8]; 3] = [b""; 3];
    for _ in 0..1_000_000 {
        let ((), heap) = measure(|| {
            subject.feed(b"");
            assert!(subject.write(&[b""]));
            assert!(subject.write(&empty));
            assert_eq!(subject.ask(Ask::Line), Answer::Wait);
        });
        assert_eq!((heap.allocations, heap.peak), (0, 0));
    }
    assert_eq!(subject.pending(), 0);
}

pub fn t05_output_never_read<S: Subject>() {
    const CAP: usize = 1 << 20;
    let mut subject = S::new(LIMIT, CAP);
    let (accepted, heap) = measure(|| {
        let mut accepted = 0;
        for number in 0..100_000 {
            let data = [b'a'; 1000];
            let size = 1 + number % 1000;
            let before = subject.pending();
            let taken = subject.write(&[&data[..size / 2], &data[size / 2..size]]);
            assert_eq!(taken, before + size <= CAP, "whole or not at all");
            assert_eq!(subject.pending(), before + if taken { size } else { 0 });
            accepted += usize::from(taken);
        }
        accepted
    });
    assert!(accepted > 1000 && subject.pending() == CAP);
    let bound = (CAP + 2 * 64 * 1024 + 16 * 1024) as isize;
    assert!(heap.peak <= bound, "{} > {bound}", heap.peak);
}

/// Ten thousand lines of one byte, each from a read of its own, kept.
pub fn t07_small_line_pins_a_block<S: Subject>() {
    let mut subject = S::new(LIMIT, CAP);
    let (lines, heap) = measure(|| {
        let mut lines: Vec<Bytes> = Vec::with_capacity(10_000);
        for _ in 0..10_000 {
            subject.receive(b"\n");
            let Answer::Whole(line) = subject.ask(Ask::Line) else {
                panic!("a line is there");
            };
            lines.push(line);
        }
        lines
    });
    assert_eq!(lines.len(), 10_000);
    assert!(heap.held < 2 << 20, "{}", heap.held);
    let of_each = heap.held / 10_000;
    assert!(of_each <= 4 + 128, "{of_each} for a byte");
}

/// A megabyte at once, and then nothing.
pub fn t08_large_buffer_for_ever<S: Subject>() {
    const BURST: usize = 1 << 20;
    let mut subject = S::new(BURST, CAP);
    let ((), heap) = measure(|| {
        for _ in 0..BURST / READ {
            subject.receive(&[b'a'; READ]);
            assert_eq!(subject.ask(Ask::Until(&Separator::LF)), Answer::Wait);
        }
        subject.receive(b"\n");
        assert!(matches!(subject.ask(Ask::Line), Answer::Whole(_)));
        assert_eq!(subject.ask(Ask::Line), Answer::Wait);
    });
    assert!(heap.peak > BURST as isize);
    assert!(heap.held <= 4096, "{}", heap.held);
}

pub fn t09_bookkeeping_for_fragments<S: Subject>() {
    const SIZE: usize = 1 << 20;
    let mut subject = S::new(SIZE, CAP);
    let ((), heap) = measure(|| {
        for _ in 0..SIZE {
            subject.feed(b"a");
        }
    });
    assert_eq!(subject.held(), SIZE);
    assert!(heap.peak <= 2 * SIZE as isize, "{}", heap.peak);
}
