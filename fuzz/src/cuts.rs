//! Four readers of the same text, each asked the same reads: the model and one that get it whole, one that
//! gets it in the pieces that the input says, and one that gets it byte by byte.

use plimsoll::testing::Chunks;
use plimsoll::{ReadError, Reader};

use crate::input::Input;
use test_support::reader_model::{Outcome, Read, ReaderModel, ask};
use test_support::reads::some_read;

/// Most answers to compare.
const ANSWERS: usize = 24;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = input.of(&[1, 2, 3, 5, 8, 16, 40, 1000]);
    let plan: Vec<Read> = (0..1 + input.below(5))
        .map(|_| some_cut_free_read(&mut input))
        .collect();
    let mut place = 0;
    let cuts: Vec<usize> = (0..input.below(12))
        .map(|_| {
            place += 1 + input.below(24);
            place
        })
        .collect();
    let text = input.text(usize::MAX);
    let bytewise: Vec<usize> = (1..text.len()).collect();

    let mut model = ReaderModel::new(limit);
    let mut readers = [&[][..], &cuts, &bytewise].map(|cuts| {
        let pieces = Chunks::new(&text, cuts);
        (Reader::with_limit(limit), pieces)
    });
    model.feed(&text);
    model.feed_eof();
    for read in plan.iter().cycle().take(ANSWERS) {
        let expected = without_consumed(model.read(read));
        for (reader, pieces) in &mut readers {
            let answer = loop {
                match ask(reader, read) {
                    Outcome::NeedInput => receive(reader, pieces),
                    answer => break without_consumed(answer),
                }
            };
            assert_eq!(answer, expected, "{read:?}");
            // What is still to be dropped of a long line may still have to arrive.
            let place = model.delivered + model.discarded;
            assert!(reader.position() == place || reader.is_discarding());
        }
        if model.buffer.is_empty() {
            break;
        }
    }
    for (mut reader, mut pieces) in readers {
        pieces.by_ref().for_each(|piece| reader.feed(piece));
        reader.feed_eof();
        assert_eq!(reader.position(), model.delivered + model.discarded);
        assert_eq!(reader.into_unread(), model.buffer, "what is left");
    }
}

fn receive(reader: &mut Reader, pieces: &mut Chunks<'_>) {
    match pieces.next() {
        Some(piece) => reader.feed(piece),
        None => reader.feed_eof(),
    }
}

/// Any read but those of what is there.
fn some_cut_free_read(input: &mut Input<'_>) -> Read {
    match some_read(|end| input.below(end)) {
        Read::Some(count) | Read::Consume(count) => Read::Exact(count),
        read => read,
    }
}

/// The one number that the network shows in is left out.
fn without_consumed(mut outcome: Outcome) -> Outcome {
    if let Outcome::Failed(ReadError::LimitOverrun { consumed, .. }) = &mut outcome {
        *consumed = 0;
    }
    outcome
}
