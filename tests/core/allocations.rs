//! What the heap holds, counted by the allocator itself.
//!
//! Each test counts what its own thread allocates, so that tests may run side by side.

use bytes::{Buf, Bytes, BytesMut};
use plimsoll::{
    Connection, ConnectionError, LengthPrefix, ReadError, Reader, Separator, Step, Writer,
};
use test_support::heap::measure;

const LIMIT: usize = Reader::DEFAULT_LIMIT;
const READ: usize = 16 * 1024;
/// What a reader may hold: twice its limit, and what is read at once.
const BOUND: isize = (2 * LIMIT + READ) as isize;
/// What a reader may hold beside it to remember how far searches have come.
const SEARCHES: isize = 1024;
/// What a reader holds while a skip has not finished, beside a few bytes.
const SKIP: isize = 56;

/// Receives `input` as a driver does that keeps to `wants_read`.
fn receive(reader: &mut Reader, input: &[u8]) {
    assert!(reader.wants_read());
    reader.input(input.len()).copy_from_slice(input);
    reader.commit(input.len());
}

#[test]
fn the_allocator_counts() {
    let (kept, heap) = measure(|| {
        drop(vec![0_u8; 1000]);
        vec![0_u8; 100]
    });
    assert_eq!((heap.held, heap.peak, heap.allocations), (100, 1000, 2));
    drop(kept);
}

#[test]
fn a_gigabyte_that_is_skipped_stays_within_the_bound() {
    let input = vec![b'a'; READ];
    let mut reader = Reader::new();
    let (overruns, heap) = measure(|| {
        let mut overruns = 0;
        for _ in 0..(1 << 30) / READ {
            receive(&mut reader, &input);
            if overruns == 0 {
                match reader.read_until(&Separator::CRLF) {
                    Err(ReadError::LimitOverrun { .. }) => overruns += 1,
                    other => assert!(!other.unwrap().is_ready()),
                }
            }
            if overruns > 0 {
                assert_eq!(reader.skip_until(&Separator::CRLF), Ok(Step::NeedInput));
            }
        }
        overruns
    });
    assert_eq!(overruns, 1);
    assert!(
        heap.peak <= BOUND + SEARCHES,
        "{} > {BOUND} + {SEARCHES}",
        heap.peak
    );
}

#[test]
fn a_user_who_does_not_read_makes_the_reader_pause_within_the_bound() {
    let input = vec![b'\n'; READ];
    let mut reader = Reader::new();
    let ((), heap) = measure(|| {
        while reader.wants_read() {
            receive(&mut reader, &input);
        }
    });
    assert!(reader.buffered().len() > 2 * LIMIT);
    assert!(heap.held <= BOUND, "{} > {BOUND}", heap.held);
    assert_eq!(heap.held, reader.capacity() as isize);
}

#[test]
fn a_large_exact_read_holds_what_was_asked_for_and_one_read() {
    const COUNT: usize = 1_000_000;
    let mut reader = Reader::new();
    let ((), heap) = measure(|| {
        let input = [b'a'; 1000];
        while !reader.read_exact(COUNT).unwrap().is_ready() {
            receive(&mut reader, &input);
        }
    });
    // A small read counts as an eighth.
    assert!(heap.held <= (COUNT + COUNT / 8) as isize, "{}", heap.held);
}

#[test]
fn an_idle_connection_holds_nothing_after_a_large_frame() {
    const FRAME: usize = 16 << 20;
    let mut connection = Connection::new();
    let mut large = vec![b'a'; FRAME];
    large.push(b'\n');
    let ((), heap) = measure(|| {
        let reader = &mut connection.reader;
        for piece in large[..FRAME].chunks(READ) {
            assert!(!reader.read_exact(FRAME).unwrap().is_ready());
            receive(reader, piece);
        }
        assert!(reader.read_exact(FRAME).unwrap().is_ready());
        receive(reader, &large[FRAME..]);
        assert!(reader.read_line().unwrap().is_ready());
        assert!(!reader.read_until(&Separator::CRLF).unwrap().is_ready());

        let writer = &mut connection.writer;
        writer.set_max_pending(2 * FRAME);
        writer.write(&large[..100]).unwrap();
        writer.write(&large[..FRAME]).unwrap();
        writer
            .write_bytes(Bytes::copy_from_slice(&large[..5000]))
            .unwrap();
        while writer.pending() > 0 {
            let sent = writer.output().chunk().len().min(READ);
            writer.output().advance(sent);
        }
    });
    assert!(heap.peak > FRAME as isize);
    assert_eq!(heap.held, 0);
}

#[test]
fn every_read_that_waits_or_ends_gives_memory_back() {
    let reads: [fn(&mut Reader) -> bool; 12] = [
        |reader| reader.read(1).is_ok_and(|step| step.is_ready()),
        |reader| reader.read_line().is_ok_and(|step| step.is_ready()),
        |reader| {
            reader
                .read_until(&Separator::CRLF)
                .is_ok_and(|step| step.is_ready())
        },
        |reader| {
            reader
                .skip_until(&Separator::CRLF)
                .is_ok_and(|step| step.is_ready())
        },
        |reader| reader.read_exact(1).is_ok_and(|step| step.is_ready()),
        |reader| reader.peek(1).is_ok_and(|step| step.is_ready()),
        |reader| reader.read_to_end(1).is_ok_and(|step| step.is_ready()),
        |reader| {
            let read = reader.read_delimited(&Separator::CRLF);
            read.is_ok_and(|step| step.is_ready())
        },
        |reader| {
            let peeked = reader.peek_until(&Separator::CRLF);
            peeked.is_ok_and(|step| step.is_ready())
        },
        |reader| {
            let read = reader.read_length_prefixed(&LengthPrefix::U8);
            read.is_ok_and(|step| step.is_ready())
        },
        |reader| reader.skip_exact(1).is_ok_and(|step| step.is_ready()),
        |reader| {
            reader
                .skip_until(&Separator::LF)
                .is_ok_and(|step| step.is_ready())
        },
    ];
    let ends: [fn(&mut Reader); 3] = [
        |_| {},
        |reader| reader.feed_eof(),
        |reader| reader.feed_lost(ConnectionError::Reset),
    ];
    for read in reads {
        for end in ends {
            let mut reader = Reader::new();
            let ((), heap) = measure(|| {
                reader.feed(b"line\r\n");
                assert!(reader.read_until(&Separator::CRLF).unwrap().is_ready());
                end(&mut reader);
                read(&mut reader);
            });
            assert!(heap.peak > 0);
            let skip = if reader.is_discarding() { SKIP } else { 0 };
            assert!((0..=skip).contains(&heap.held), "{}", heap.held);
            let ((), stopped) = measure(|| reader.stop_discarding());
            assert_eq!(heap.held + stopped.held, 0);
        }
    }
}

#[test]
fn a_discarded_line_holds_nothing() {
    let mut reader = Reader::with_limit(100);
    let (result, heap) = measure(|| {
        receive(&mut reader, &[b'a'; 150]);
        reader.read_line().map(|step| step.is_ready())
    });
    assert_eq!(result, Err(ReadError::LineTooLong { limit: 100 }));
    assert!(reader.is_discarding());
    assert_eq!(heap.held, 0);
}

#[test]
fn a_gigabyte_skipped_by_count_holds_one_read() {
    const COUNT: u64 = 1 << 30;
    let input = vec![b'a'; READ];
    let mut reader = Reader::new();
    let ((), heap) = measure(|| {
        while !reader.skip_exact(COUNT).unwrap().is_ready() {
            receive(&mut reader, &input);
        }
    });
    assert!(heap.peak <= READ as isize + SKIP, "{}", heap.peak);
    assert_eq!(reader.position(), COUNT);
    let ((), heap) = measure(|| {
        assert!(!reader.read_line().unwrap().is_ready());
    });
    assert!(heap.held <= 0 && reader.capacity() == 0);
}

#[test]
fn a_loan_serves_many_lines_without_an_allocation() {
    let mut block = Vec::with_capacity(READ);
    let address = block.as_ptr();
    let mut readers: Vec<Reader> = (0..10).map(|_| Reader::new()).collect();
    let (lines, heap) = measure(|| {
        let mut lines = 0;
        for turn in 0..1000 {
            let reader = &mut readers[turn % 10];
            reader.lend(std::mem::take(&mut block)).unwrap();
            if turn % 2 == 0 {
                reader.feed(b"a line\nand another\n");
            } else {
                receive(reader, b"a line\nand another\n");
            }
            while reader.read_line().unwrap().is_ready() {
                lines += 1;
            }
            block = reader.reclaim().unwrap();
        }
        lines
    });
    assert_eq!((lines, heap.allocations, heap.held), (2000, 0, 0));
    assert_eq!((block.as_ptr(), block.len()), (address, 0));
    assert!(readers.iter().all(|reader| reader.capacity() == 0));
}

#[test]
fn a_partial_line_holds_its_own_size() {
    let mut reader = Reader::new();
    let block = Vec::with_capacity(READ);
    let (block, heap) = measure(|| {
        reader.lend(block).unwrap();
        receive(&mut reader, b"a line\nthe beginning of one");
        assert!(reader.read_line().unwrap().is_ready());
        assert!(!reader.read_line().unwrap().is_ready());
        reader.reclaim().unwrap()
    });
    assert_eq!((heap.held, heap.allocations), (20, 1));
    assert_eq!((reader.capacity(), block.capacity()), (20, READ));
    // The reader goes on in its own memory, however slowly the rest comes.
    let refused = reader.lend(block).unwrap_err();
    let ((), heap) = measure(|| {
        for _ in 0..400 {
            reader.feed(b"a");
            assert!(!reader.read_line().unwrap().is_ready());
        }
    });
    assert!(heap.held + 20 <= 512 && heap.allocations <= 2, "{heap:?}");
    reader.feed(b"\n");
    assert!(reader.read_line().unwrap().is_ready());
    reader.lend(refused).unwrap();
}

#[test]
fn a_loan_shows_nothing_of_another_connection() {
    for size in [100, 1000, READ] {
        let mut one = Reader::new();
        one.lend(Vec::with_capacity(READ)).unwrap();
        receive(
            &mut one,
            &b"a secret of this connection\n".repeat(1000)[..size],
        );
        while one.read_line().unwrap().is_ready() {}
        let block = one.reclaim().unwrap();

        let mut other = Reader::new();
        other.lend(block).unwrap();
        let room = other.input(READ);
        assert_eq!((room.len(), room.iter().max()), (READ, Some(&0)));
        other.commit(0);
        other.feed(b"hello");
        assert!(other.input(READ - 5).iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_loan_counts_and_grows_for_a_frame_within_the_bound() {
    const FRAME: usize = 100_000;
    let mut reader = Reader::new();
    let block = Vec::with_capacity(READ);
    let (block, heap) = measure(|| {
        reader.lend(block).unwrap();
        while !reader.read_exact(FRAME).unwrap().is_ready() {
            receive(&mut reader, &[b'a'; 1000]);
            assert!(reader.capacity() as isize <= BOUND);
        }
        reader.reclaim().unwrap()
    });
    assert!(block.capacity() >= FRAME && block.capacity() as isize <= BOUND);
    assert_eq!(heap.held, (block.capacity() - READ) as isize);
    assert_eq!(reader.capacity(), 0);
}

#[test]
fn a_cancelled_large_read_keeps_memory_until_half_is_read() {
    const COUNT: usize = 1 << 20;
    let mut reader = Reader::with_limit(1000);
    while reader.buffered().len() < COUNT / 2 {
        assert!(!reader.read_exact(COUNT).unwrap().is_ready());
        receive(&mut reader, &[b'a'; 1000]);
    }
    let held = reader.capacity();
    assert!(held >= COUNT / 2);
    reader.consume(COUNT / 4 - 2000);
    reader.feed(b"a");
    assert_eq!(reader.capacity(), held, "more is left than was read");
    reader.consume(5000);
    reader.feed(b"a");
    assert!(reader.capacity() < held);
    reader.consume(reader.buffered().len());
    reader.feed(b"a");
    assert!(reader.capacity() <= 2 * 1000 + 2 * 1000 / 8);
}

#[test]
fn a_writer_works_in_a_loan_without_an_allocation() {
    let mut block = BytesMut::with_capacity(READ);
    let address = block.as_ptr();
    let mut writers = [Writer::new(), Writer::new()];
    let ((), heap) = measure(|| {
        for turn in 0..1000 {
            let writer = &mut writers[turn % 2];
            writer.lend(std::mem::take(&mut block)).unwrap();
            for _ in 0..10 {
                writer.write(b"a line\n").unwrap();
            }
            while writer.pending() > 0 {
                let sent = writer.output().chunk().len().min(30);
                writer.output().advance(sent);
            }
            block = writer.reclaim().unwrap();
        }
    });
    assert_eq!((heap.allocations, heap.held), (0, 0));
    assert_eq!((block.as_ptr(), block.capacity()), (address, READ));
    assert!(writers.iter().all(|writer| writer.capacity() == 0));
}

#[test]
fn pending_output_in_a_loan_holds_its_own_size() {
    let mut writer = Writer::new();
    let block = BytesMut::with_capacity(READ);
    let (block, heap) = measure(|| {
        writer.lend(block).unwrap();
        writer.write(b"0123456789").unwrap();
        writer.output().advance(4);
        writer.reclaim().unwrap()
    });
    assert!((6..64).contains(&heap.held), "{}", heap.held);
    assert!(block.is_empty() && block.capacity() == READ);
    assert_eq!(writer.output().chunk(), b"456789");
    assert!(writer.lend(block).is_err());
    assert!(writer.reclaim().is_none());
}

#[test]
fn a_large_block_is_left_for_a_small_one_while_traffic_goes_on() {
    let mut reader = Reader::new();
    let ((), heap) = measure(|| {
        while !reader.read_exact(1 << 20).unwrap().is_ready() {
            receive(&mut reader, &[b'a'; READ]);
        }
        // From here on there is always a piece of a line in the buffer.
        for _ in 0..10 {
            receive(&mut reader, b"line\nli");
            assert!(reader.read_line().unwrap().is_ready());
            receive(&mut reader, b"ne\nli");
            assert!(reader.read_line().unwrap().is_ready());
        }
    });
    assert!(heap.held < 4096, "{}", heap.held);
}

#[test]
fn a_writer_holds_little_more_than_what_is_pending() {
    const SIZE: usize = 10 << 20;
    let large = vec![b'a'; SIZE];
    let mut writer = Writer::new();
    let ((), heap) = measure(|| {
        writer.write(&large).unwrap();
        writer.output().advance(1);
        while writer.pending() > 1 {
            let sent = writer.output().chunk().len().min(writer.pending() - 1);
            writer.output().advance(sent);
        }
    });
    let parts = 64 * (SIZE / (64 * 1024) + 1) * 2;
    assert!(
        heap.peak <= (SIZE + 2 * 64 * 1024 + parts) as isize,
        "{}",
        heap.peak
    );
    assert!(
        heap.held <= (2 * 64 * 1024 + parts) as isize,
        "{}",
        heap.held
    );
}

#[test]
fn a_long_queue_that_gets_short_gives_its_list_back() {
    const PARTS: usize = 32_000;
    let part = Bytes::from(vec![b'a'; 512]);
    // One by one, and so many at once that no count is met exactly.
    for at_once in [1, 7, 1000] {
        let mut writer = Writer::new();
        let ((), heap) = measure(|| {
            for _ in 0..PARTS {
                writer.write_bytes(part.clone()).unwrap();
            }
            while writer.pending() > 2 * part.len() {
                let parts = at_once.min(writer.pending() / part.len() - 1);
                writer.output().advance(parts * part.len());
            }
        });
        assert!(heap.peak >= 32 * PARTS as isize, "{}", heap.peak);
        assert!(heap.held <= 2 * 256, "{}", heap.held);
        // It doubles, and is quartered.
        assert!(heap.allocations <= 40, "{} allocations", heap.allocations);
    }
}

#[test]
fn what_a_reader_says_it_holds_is_what_it_holds() {
    let mut reader = Reader::new();
    let (frame, heap) = measure(|| {
        reader.feed(&[b'a'; 70_000]);
        reader.feed(b"\nrest");
        reader.set_limit(70_000);
        let Ok(Step::Ready(frame)) = reader.read_line() else {
            panic!("a line is there");
        };
        frame.into_bytes()
    });
    let overhead = heap.held - reader.capacity() as isize;
    assert!((0..64).contains(&overhead), "{overhead}");
    drop(frame);
    assert_eq!(reader.buffered(), b"rest");
}

#[test]
fn a_driver_that_found_nothing_to_receive_gives_the_room_back() {
    let mut reader = Reader::new();
    let ((), heap) = measure(|| {
        assert_eq!(reader.input(READ).len(), READ);
        reader.commit(0);
    });
    assert_eq!((heap.held, heap.peak), (0, READ as isize));
}

#[test]
fn lent_lines_allocate_once_a_block_and_not_once_a_line() {
    let input = b"a line of text\n".repeat(1000);
    let mut reader = Reader::new();
    let (lines, heap) = measure(|| {
        receive(&mut reader, &input);
        let mut lines = 0;
        while let Ok(Step::Ready(_)) = reader.read_line() {
            lines += 1;
        }
        lines
    });
    assert_eq!((lines, heap.allocations), (1000, 1));
}

#[test]
fn a_thousand_small_writes_share_a_few_blocks() {
    let mut writer = Writer::new();
    let (slices, heap) = measure(|| {
        for _ in 0..1000 {
            writer.write(b"a small write of 32 bytes, or so").unwrap();
        }
        let mut slices = [std::io::IoSlice::new(&[]); 1024];
        writer.output().chunks_vectored(&mut slices)
    });
    assert!(slices <= 8, "{slices} slices");
    assert!(heap.held <= 64_000, "{}", heap.held);
}

/// (CPython joins what is queued.) That nothing walks over it, either, the benchmark of instructions sees.
#[test]
fn a_small_write_allocates_the_same_with_eight_thousand_parts_queued_as_with_eight() {
    let costs = |parts| {
        let part = Bytes::from(vec![b'a'; 1024]);
        let mut writer = Writer::new();
        for _ in 0..parts {
            writer.write_bytes(part.clone()).unwrap();
        }
        let ((), writes) = measure(|| {
            for _ in 0..5_000 {
                writer.write(b"small").unwrap();
            }
        });
        let (slices, sends) = measure(|| {
            let mut slices = [std::io::IoSlice::new(&[]); 8];
            let filled = writer.output().chunks_vectored(&mut slices);
            writer.output().advance(4 * part.len());
            filled
        });
        assert_eq!((slices, sends.allocations, sends.held), (8, 0, 0));
        (writes.allocations, writes.held, writes.peak)
    };
    let (allocations, held, peak) = costs(8);
    assert!(allocations <= 10, "{allocations} for 5,000 writes");
    assert_eq!(costs(8_000), (allocations, held, peak));
}

#[test]
fn a_thousand_small_and_large_writes_are_all_shown_at_once_and_large_ones_are_not_copied() {
    let large = Bytes::from(vec![b'x'; 5000]);
    let mut writer = Writer::new();
    let mut written = Vec::new();
    let ((), heap) = measure(|| {
        for number in 0..1000 {
            if number % 40 == 20 {
                writer.write_bytes(large.clone()).unwrap();
            } else {
                writer.write(b"a small write of 32 bytes, or so").unwrap();
            }
        }
    });
    assert!(heap.held < 64_000, "{}: 125,000 are large", heap.held);
    for number in 0..1000 {
        let small: &[u8] = b"a small write of 32 bytes, or so";
        written.extend_from_slice(if number % 40 == 20 { &large } else { small });
    }
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let output = writer.output();
    let filled = output.chunks_vectored(&mut slices);
    assert_eq!(filled, 25 + 26, "large ones, and runs of small ones");
    let shown: Vec<u8> = slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .collect();
    assert!(shown == written);
}

/// How many slices the writer shows, and what it holds for them.
fn slices_and_capacity(writer: &mut Writer) -> (usize, usize) {
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let count = writer.output().chunks_vectored(&mut slices);
    (count, writer.capacity())
}

#[test]
fn a_block_of_writes_is_copied_into_a_larger_one_until_it_is_half_of_the_largest() {
    const LARGEST: usize = 64 * 1024;
    for (first, slices, capacity) in [
        (1, 1, 512),
        (512, 1, 1024),
        (LARGEST / 2 - 1, 1, LARGEST - 2),
        (LARGEST / 2, 2, LARGEST / 2 + LARGEST),
        (LARGEST, 2, 2 * LARGEST),
        (3 * LARGEST + 1, 4, 4 * LARGEST),
    ] {
        let mut writer = Writer::new();
        writer.write(&vec![b'a'; first]).unwrap();
        writer.write(b"b").unwrap();
        let expected = (slices, capacity);
        assert_eq!(slices_and_capacity(&mut writer), expected, "{first} bytes");
    }
}

/// Of byte strings that a caller has dropped.
#[test]
fn remembered_searches_hold_what_is_documented() {
    let mut reader = Reader::new();
    let ((), heap) = measure(|| {
        reader.feed(b".");
        for first in 0..50 {
            let separator = Separator::new([&[first][..], &[b'a'; 254]].concat()).unwrap();
            assert!(!reader.read_until(&separator).unwrap().is_ready());
        }
    });
    let searches = heap.held - reader.capacity() as isize;
    assert!(searches > 0 && searches <= 28 * 1024, "{searches}");
    reader.consume(1);
    let ((), drained) = measure(|| assert!(!reader.read_line().unwrap().is_ready()));
    assert_eq!(heap.held + drained.held, 0);
}
