//! What peers do to readers of lines, each as a test: `docs/proof.md` has the table of them, with real cases.
//!
//! Each runs against the product, and against a reader of lines as it is often written, which has to fail
//! most of them: so they can fail.

mod environment;
mod flow;
mod framing;
mod memory;
mod naive;
mod subject;
mod work;

use std::panic::catch_unwind;

use naive::Naive;
use subject::{Answer, Ask, Product, Subject};

/// Makes a test of each for the product, and a list of all for the naive reader.
macro_rules! threats {
    ($($module:ident { $($threat:ident)* })*) => {
        $($(
            #[test]
            fn $threat() {
                $module::$threat::<Product>();
            }
        )*)*

        fn against<S: Subject>() -> Vec<(&'static str, fn())> {
            vec![$($((stringify!($threat), $module::$threat::<S> as fn()),)*)*]
        }
    };
}

threats! {
    memory {
        t01_endless_line
        t02_declared_length
        t02_declared_length_of_a_frame
        t03_read_ahead
        t04_empty_items
        t05_output_never_read
        t07_small_line_pins_a_block
        t08_large_buffer_for_ever
        t09_bookkeeping_for_fragments
    }
    work {
        t10_rescanning
        t11_moving_bytes_for_each_line
        t12_separators_that_defeat_the_search
        t13_end_at_the_wrong_moment
    }
    framing {
        t16_cuts_of_the_network
        t17_bare_line_breaks
        t17_variants_of_the_end_of_data
        t18_end_of_data_across_cuts
        t19_injected_lines
        t20_tail_of_a_long_line
        t20_tail_of_a_skipped_frame
        t21_end_in_mid_line
        t22_overlapping_separators
        t23_text_that_is_none
        t24_leftovers
    }
    flow {
        t38_paused_under_a_large_read
        t41_empty_parts_of_a_write
        t42_cancelled_read
        t43_loss_in_mid_line
        t45_calls_after_the_end
        t52_half_close
    }
    environment {
        t55_extreme_limits
        t56_hostile_input_panics_nowhere
        t57_secrets_in_errors
    }
}

/// What even the naive reader stands.
const NAIVE_STANDS: [&str; 4] = [
    "t09_bookkeeping_for_fragments",
    "t11_moving_bytes_for_each_line",
    "t18_end_of_data_across_cuts",
    "t38_paused_under_a_large_read",
];

#[test]
fn a_naive_reader_fails_all_but_four() {
    let threats = against::<Naive>();
    let stood: Vec<&str> = threats
        .iter()
        .filter(|(_, threat)| catch_unwind(threat).is_ok())
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(stood, NAIVE_STANDS);
    test_support::report(&format!(
        "threats: {} of the core, {} of which a naive reader fails",
        threats.len(),
        threats.len() - stood.len()
    ));
}

/// The same answers for the same bytes, each piece asked for until nothing comes of it.
fn answers<S: Subject>(subject: &mut S, ask: Ask<'_>) -> Vec<Answer> {
    let mut answers = Vec::new();
    loop {
        match subject.ask(ask) {
            Answer::Wait => return answers,
            // Dropped, and on to the next.
            Answer::Failed(subject::Failure::LineTooLong) => {
                answers.push(Answer::Failed(subject::Failure::LineTooLong));
            }
            last @ (Answer::End | Answer::Failed(_)) => {
                answers.push(last);
                return answers;
            }
            more => answers.push(more),
        }
        assert!(answers.len() < 1000, "no end of {:?}", answers.last());
    }
}

/// What a stream comes to that is cut behind each byte whose bit is set, and then ends.
fn outcome<S: Subject>(input: &[u8], cuts: u32, limit: usize, ask: Ask<'_>) -> Vec<Answer> {
    let mut subject = S::new(limit, usize::MAX);
    let mut seen = Vec::new();
    let mut from = 0;
    for to in 1..=input.len() {
        if to == input.len() || cuts & (1 << (to - 1)) != 0 {
            subject.feed(&input[from..to]);
            from = to;
            add(&mut seen, answers(&mut subject, ask));
        }
    }
    subject.feed_eof();
    add(&mut seen, answers(&mut subject, ask));
    seen
}

/// An error that takes nothing is answered again, and counts once.
fn add(seen: &mut Vec<Answer>, more: Vec<Answer>) {
    use subject::Failure::LineTooLong;
    let stuck = matches!(seen.last(), Some(Answer::Failed(failure)) if *failure != LineTooLong);
    if stuck {
        assert_eq!(more.first(), seen.last(), "asked again, the same");
    } else {
        seen.extend(more);
    }
}

/// All ways to cut an input of so many bytes.
fn all_cuts(len: usize) -> std::ops::Range<u32> {
    0..1 << len.saturating_sub(1)
}
