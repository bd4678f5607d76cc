//! Calls that are given up under a layer, and two peers that both write more than the wire holds.

use io_test_support::pair;
use plimsoll_io::{DuplexStream, StreamOptions, StreamPair, WaterMarks, duplex};

use super::*;
use io_test_support::executor::{Tasks, polled, yielded};
use io_test_support::toy_layer::Toy;
use io_test_support::{Case, Random};

#[test]
fn a_handshake_that_is_given_up_goes_on_with_the_next_call() {
    for (capacity, by_read) in CAPACITIES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let _case = Case(format!("capacity {capacity}, {by_read:?}"));
        in_each_order(|tasks| {
            let (mut client, mut server) = pair(capacity);
            tasks.spawn("it gives up", async move {
                client.put_layer(Toy::client()).await.unwrap();
                let given_up = if by_read {
                    polled(client.reader.read_line(), 1).await.is_none()
                } else {
                    polled(client.open(), 1).await.is_none()
                };
                assert!(given_up);
                client.writer.write(b"hello\n").unwrap();
                assert_eq!(client.reader.read_line().await.unwrap(), "hello\n");
            });
            tasks.spawn("its peer", async move {
                for _ in 0..5 {
                    yielded().await;
                }
                let given_up = polled(server.put_layer(Toy::server()), 1).await;
                given_up.expect("nothing to be sent").unwrap();
                let line = server.reader.read_line().await.unwrap().to_vec();
                server.writer.write(&line).unwrap();
                server.writer.flush().await.unwrap();
            });
        });
    }
}

/// It is put in place by a later call, with what came meanwhile.
#[test]
fn a_layer_whose_call_was_given_up_is_not_in_place() {
    for capacity in [1, 2, 3] {
        in_each_order(|tasks| {
            let (mut client, server) = pair(capacity);
            tasks.spawn("it gives up", async move {
                client.writer.write(b"STARTTLS\n").unwrap();
                for polls in 1..4 {
                    let put = pressed(client.put_layer(Toy::client()), polls).await;
                    assert!(put.is_none(), "the wire has no room");
                }
                assert_eq!(client.reader.read_line().await.unwrap(), "go\n");
                client.put_layer(Toy::client()).await.unwrap();
                ask(client).await;
            });
            tasks.spawn("its peer", async move {
                for _ in 0..100 {
                    yielded().await;
                }
                echo(upgraded_server(server, Toy::server()).await).await;
            });
        });
    }
}

/// How many bytes each side sends where that is more than any wire holds but the widest.
const MUCH: usize = 20_000;

fn many_bytes(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..MUCH).map(|_| random.below(256) as u8).collect()
}

/// Sends much in one task while another one reads as much.
fn exchange<'a>(tasks: &mut Tasks<'a>, stream: StreamPair<DuplexStream>, seeds: [u64; 2]) {
    let (mut reader, mut writer) = stream.split();
    tasks.spawn("it writes", async move {
        writer.write(&many_bytes(seeds[0])).unwrap();
        writer.drain().await.unwrap();
        writer.finish().await.unwrap();
    });
    tasks.spawn("it reads", async move {
        let all = reader.read_to_end(MUCH).await.unwrap();
        assert!(all == many_bytes(seeds[1]).as_slice());
    });
}

#[test]
fn two_peers_that_write_more_than_the_wire_holds_and_read_beside_it_come_to_their_ends() {
    for (capacity, pauses) in CAPACITIES.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let _case = Case(format!("capacity {capacity}, {pauses:?}"));
        in_each_order(|tasks| {
            // A read that waits for room in the output goes on with it.
            let options = if pauses {
                StreamOptions::new()
                    .pause_reading_when_full(true)
                    .water_marks(WaterMarks::new(MUCH - 1, 100).unwrap())
            } else {
                StreamOptions::new()
            };
            let (here, there) = duplex(capacity);
            let pair = (
                StreamPair::with_options(here, &options),
                StreamPair::new(there),
            );
            let (client, server) = block_on(layered_with(pair, toys(true)));
            exchange(tasks, client, [1, 2]);
            exchange(tasks, server, [2, 1]);
        });
    }
}

/// How many seeds, of a run each for every capacity.
const SEEDS: u64 = 100;

/// What is written by one side, in parts, and read by the other.
const SIZE: usize = 1500;

/// One side in one task, which gives up what it does after a few polls, and does something else.
async fn gives_up(mut stream: StreamPair<DuplexStream>, mut random: Random, name: &str) {
    let toy = match name {
        "the client" => Toy::client(),
        _ => Toy::server(),
    };
    stream.put_layer(toy).await.unwrap();
    let all = many_bytes(9);
    let (mut written, mut read) = (0, 0);
    let mut has_finished = false;
    while read < SIZE || !has_finished {
        let polls = 1 + random.below(4);
        match random.below(6) {
            0 if written < SIZE => {
                let most = SIZE.min(written + 1 + random.below(400));
                stream.writer.write(&all[written..most]).unwrap();
                written = most;
            }
            0 => has_finished |= pressed(stream.writer.finish(), polls).await.is_some(),
            1 => drop(
                pressed(stream.writer.drain(), polls)
                    .await
                    .transpose()
                    .unwrap(),
            ),
            2 => drop(
                pressed(stream.writer.flush(), polls)
                    .await
                    .transpose()
                    .unwrap(),
            ),
            3 => drop(pressed(stream.open(), polls).await.transpose().unwrap()),
            _ if read < SIZE => {
                let most = (1 + random.below(300)).min(SIZE - read);
                if let Some(bytes) = pressed(stream.reader.read_exact(most), polls).await {
                    assert!(bytes.unwrap() == all[read..read + most], "at {read}");
                    read += most;
                }
            }
            _ => {}
        }
        yielded().await;
    }
    assert_eq!(stream.reader.read_line().await.unwrap(), "");
}

/// The same in two tasks, one for each half.
fn give_up_apart<'a>(tasks: &mut Tasks<'a>, stream: StreamPair<DuplexStream>, seed: u64) {
    let (mut reader, mut writer) = stream.split();
    let mut random = Random(seed);
    tasks.spawn("it writes", async move {
        let all = many_bytes(9);
        for part in all[..SIZE].chunks(1 + random.below(700)) {
            writer.write(part).unwrap();
            while random.below(3) > 0 {
                let drained = polled(writer.drain(), 1 + random.below(3)).await;
                drained.transpose().unwrap();
                yielded().await;
            }
        }
        // This one is given up, too, and goes on.
        let _ = polled(writer.finish(), 1).await;
        writer.finish().await.unwrap();
    });
    let mut random = Random(seed + 1);
    tasks.spawn("it reads", async move {
        let (all, mut read) = (many_bytes(9), 0);
        while read < SIZE {
            let most = (1 + random.below(300)).min(SIZE - read);
            // Woken only, or also by itself.
            let polls = [1, 2, 3, usize::MAX][random.below(4)];
            match polled(reader.read_exact(most), polls).await {
                Some(bytes) => {
                    assert!(bytes.unwrap() == all[read..read + most], "at {read}");
                    read += most;
                }
                None => yielded().await,
            }
        }
        assert_eq!(reader.read_line().await.unwrap(), "");
    });
}

/// Runs what gives calls up over every wire.
fn for_each_seed(
    spawn: impl Fn(&mut Tasks<'_>, (StreamPair<DuplexStream>, StreamPair<DuplexStream>), u64),
) {
    for seed in 0..SEEDS {
        for capacity in CAPACITIES {
            let _limit = Limit::start();
            let _case = Case(format!("seed {seed}, capacity {capacity}"));
            let mut tasks = Tasks::new();
            spawn(&mut tasks, pair(capacity), seed);
            let order = match seed % 2 {
                0 => Order::Strict,
                _ => Order::Random,
            };
            tasks.run(order, seed);
        }
    }
}

#[test]
fn reads_and_drains_that_are_given_up_in_one_task_lose_nothing() {
    for_each_seed(|tasks, (client, server), seed| {
        for (name, stream) in [("the client", client), ("the server", server)] {
            let random = Random(seed * 100 + name.len() as u64 + u64::from(name == "the client"));
            tasks.spawn(name, gives_up(stream, random, name));
        }
    });
}

#[test]
fn reads_and_drains_that_are_given_up_in_two_tasks_lose_nothing() {
    for_each_seed(|tasks, pair, seed| {
        let (client, server) = block_on(layered_with(pair, toys(seed % 3 == 0)));
        give_up_apart(tasks, client, seed * 100);
        give_up_apart(tasks, server, seed * 100 + 50);
    });
}
