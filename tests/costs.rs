//! The reader's work is linear in what it receives, whatever a peer or a user does.
//!
//! Counted, not timed: bytes that searches look at, and bytes that are copied. Needs the feature
//! `counters`.

use plimsoll::{ReadError, Reader, Separator, Step};

const SIZE: usize = 1 << 20;

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
    assert_grows(100, &[(200, 400, 0), (1, 225, 200)]);
    let to_2048 = [(1, 512, 0), (512, 1024, 1), (1024, 2048, 513)];
    let grows = |more: &[_]| assert_grows(1000, &[&to_2048[..], more].concat());
    grows(&[(511, 2048, 0), (1, 2250, 2048), (201, 2250, 0)]);
    grows(&[(511, 2048, 0), (1, 2250, 2048), (202, 2813, 2049)]);
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
    for (room, received, capacity) in [
        (4096, 1, 4096),
        (4103, 1, 4103),
        (4104, 1, 512),
        (8008, 1000, 8008),
        (8016, 1000, 1001),
    ] {
        let mut reader = Reader::new();
        reader.input(room).fill(b'a');
        reader.commit(received);
        reader.feed(b"b");
        assert_eq!(reader.capacity(), capacity, "{received} bytes in {room}");
        assert_eq!(reader.buffered().len(), received + 1);
    }
}
