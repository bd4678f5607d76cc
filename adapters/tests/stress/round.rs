//! A round: four servers, hundreds of clients at once, and a third place that ends connections
//! meanwhile. When all have ended, nothing is left of them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plimsoll::Step;
use plimsoll_io::{
    Connection, Error, Runtime, Server, ServerOptions, StreamReader, StreamWriter, Transport,
};

use super::client::{At, GREETING, be_client, me, narrow_socket, some_options};
use super::pair::{self, Ended, elsewhere};
use super::plan::{Place, Plan, SERVER};
use super::record::{self, House, Record};
use super::single;
use super::watch::{COUNTS, Task, comes_down, descriptors, goes_on_with, tasks, threads};
use io_test_support::Random;
use test_support::random::mix;

/// The deadline of a shutdown where every handler ends by itself.
const AMPLE: Duration = Duration::from_secs(20);

/// What a run is to do.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seed: u64,
    /// How many clients there are at once.
    pub clients: u64,
    /// Whether a task is a thread.
    pub is_on_threads: bool,
}

/// What the process has when nothing is connected.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    descriptors: usize,
    threads: usize,
}

impl Before {
    /// Before anything was counted.
    pub const UNKNOWN: Self = Self {
        descriptors: usize::MAX / 2,
        threads: usize::MAX / 2,
    };

    pub fn now() -> Self {
        Self {
            descriptors: descriptors(),
            threads: threads(),
        }
    }

    /// Waits until nothing else is left, of leaked halves neither.
    async fn is_back<R: Runtime>(self, run: Run) {
        comes_down::<R>("tasks", 0, tasks).await;
        comes_down::<R>("descriptors", self.descriptors, descriptors).await;
        if run.is_on_threads {
            comes_down::<R>("threads", self.threads, threads).await;
        }
    }
}

/// A server, and where it listens.
struct Open<R: Runtime> {
    server: Arc<Server<R>>,
    house: Arc<House>,
    place: Place,
    at: At,
    /// Whether others than its clients end its connections.
    is_disturbed: bool,
}

/// Runs a round to its end.
pub async fn round<R: Runtime>(run: Run, number: u64, before: Before) {
    let mut random = Random(mix(run.seed ^ mix(number)));
    let mut open = Vec::new();
    for place in 0..4 {
        open.push(start::<R>(run, number, place, &mut random).await);
    }
    let mut clients = Vec::new();
    for client in 0..run.clients {
        let open = &open[random.below(open.len())];
        let plan = Plan::new(run.seed, number * run.clients + client, open.place);
        let record = Record::new(plan, Arc::clone(&open.house));
        let client = be_client::<R>(run, record, open.at.clone());
        clients.push(elsewhere::<R, _>(client));
    }
    let disturbed = open.iter().filter(|open| open.is_disturbed);
    let others: Vec<_> = disturbed
        .map(|open| {
            let (server, house) = (Arc::clone(&open.server), Arc::clone(&open.house));
            let random = Random(mix(random.below(usize::MAX) as u64));
            elsewhere::<R, _>(disturb(server, house, random))
        })
        .collect();
    goes_on_with(format!("round {number}, its clients"));
    for ended in clients.into_iter().chain(others) {
        ended.recv().await.expect("a task that ends");
    }
    for open in open {
        end(open).await;
    }
    comes_down::<R>("sides", 0, || record::running().len()).await;
    goes_on_with(format!("the end of round {number}"));
    record::check_ends(|_| true);
    before.is_back::<R>(run).await;
}

async fn start<R: Runtime>(run: Run, round: u64, which: usize, random: &mut Random) -> Open<R> {
    let place = Place {
        is_tcp: which < 2,
        is_of_pairs: which % 2 == 0,
        is_bounded: random.below(4) == 0,
    };
    let house = Arc::new(House {
        name: format!("server {which} of round {round}, {place:?}"),
        ..House::default()
    });
    let mut options = ServerOptions::new()
        .backlog(1000)
        .streams(some_options(random));
    if place.is_bounded {
        options = options.max_connections(10 + random.below(30));
    }
    if random.below(6) == 0 {
        house.will_cut();
        options = options.idle_timeout(Duration::from_millis(20 + random.below(100) as u64));
    }
    let file = format!("plimsoll-stress-{}-{round}-{which}", std::process::id());
    let path = std::env::temp_dir().join(file);
    let options = &options;
    let local = ["127.0.0.1"];
    let is_narrow = place.is_tcp && random.below(2) == 0;
    let narrow = is_narrow.then(|| narrow_listener::<R>());
    let server = match (place.is_tcp, place.is_of_pairs) {
        (true, true) if is_narrow => {
            let handler = on_pairs::<R, _>(run, &house);
            Ok(Server::serve(
                narrow.into_iter().collect(),
                handler,
                options,
            ))
        }
        (true, false) if is_narrow => {
            let handler = on_connections::<R, _>(run, &house);
            let listeners = narrow.into_iter().collect();
            Ok(Server::serve_connections(listeners, handler, options))
        }
        (true, true) => Server::start(on_pairs::<R, _>(run, &house), &local, 0, options).await,
        (true, false) => {
            let handler = on_connections::<R, _>(run, &house);
            Server::start_connections(handler, &local, 0, options).await
        }
        (false, true) => Server::start_unix(on_pairs::<R, _>(run, &house), &path, options).await,
        (false, false) => {
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            listener.set_nonblocking(true).unwrap();
            let listener = R::unix_listener(listener).unwrap();
            let handler = on_connections::<R, _>(run, &house);
            Ok(Server::serve_connections(vec![listener], handler, options))
        }
    };
    let server: Server<R> = server.unwrap();
    let at = match server.local_addrs() {
        [address, ..] if is_narrow => At::Narrow(*address),
        [address, ..] => At::Tcp(*address),
        [] => At::Unix(path),
    };
    Open {
        server: Arc::new(server),
        house,
        place,
        at,
        is_disturbed: random.below(3) == 0,
    }
}

/// Listens with a socket whose send buffer is small, as those of what it accepts.
fn narrow_listener<R: Runtime>() -> R::TcpListener {
    let socket = narrow_socket();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&address.into()).unwrap();
    socket.listen(1000).unwrap();
    socket.set_nonblocking(true).unwrap();
    R::tcp_listener(socket.into()).unwrap()
}

type Handled = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

fn on_pairs<R: Runtime, T: Transport>(
    run: Run,
    house: &Arc<House>,
) -> impl Fn(StreamReader<T>, StreamWriter<T>) -> Handled + Send + Sync + 'static {
    let house = Arc::clone(house);
    move |mut reader, writer| {
        let (task, house) = (Task::begin(), Arc::clone(&house));
        Box::pin(async move {
            let _task = task;
            let greeting = reader
                .read_exact(GREETING)
                .await
                .map(|frame| frame.to_vec());
            let Some(record) = known(&house, greeting) else {
                return Ok(());
            };
            outcome(pair::run::<R, T>(me(run, &record, SERVER), reader, writer).await)
        })
    }
}

fn on_connections<R: Runtime, T: Transport>(
    run: Run,
    house: &Arc<House>,
) -> impl Fn(Connection<T>) -> Handled + Send + Sync + 'static {
    let house = Arc::clone(house);
    move |mut connection| {
        let (task, house) = (Task::begin(), Arc::clone(&house));
        Box::pin(async move {
            let _task = task;
            let greeting = connection.read_with(|reader| {
                let frame: Step<_> = reader.read_exact(GREETING)?;
                Ok::<_, Error>(frame.map(|frame| frame.to_vec()))
            });
            let Some(record) = known(&house, greeting.await) else {
                return Ok(());
            };
            outcome(single::run::<R, T>(me(run, &record, SERVER), connection).await)
        })
    }
}

/// Whose connection it is; its client may have left before it has said so.
fn known(house: &Arc<House>, greeting: Result<Vec<u8>, Error>) -> Option<Arc<Record>> {
    let greeting = String::from_utf8(greeting.ok()?).expect("a greeting");
    let number = u64::from_str_radix(greeting.trim_end(), 16).expect("a number");
    let record = Record::of(number).expect("a connection that is in use");
    assert!(Arc::ptr_eq(&record.house, house), "another's: {record}");
    Some(record)
}

fn outcome(ended: Ended) -> Result<(), String> {
    match ended {
        Ended::InOrder => Ok(()),
        Ended::WithError => Err("as it was planned".to_owned()),
    }
}

/// Ends connections, or the whole server, from a task that has none of them.
async fn disturb<R: Runtime>(server: Arc<Server<R>>, house: Arc<House>, mut random: Random) {
    for _ in 0..=random.below(3) {
        R::sleep(Duration::from_millis(random.below(100) as u64)).await;
        COUNTS.commands.add(1);
        match random.below(5) {
            0..=1 => {
                house.will_cut();
                server.abort_clients();
            }
            2 => {
                house.will_close();
                server.close_clients();
            }
            3 => {
                house.will_close();
                server.close();
            }
            _ => {
                house.will_close();
                let limit = random.below(60) as u64;
                server.shutdown(Duration::from_millis(limit)).await;
            }
        }
    }
}

/// Ends a server whose clients are gone.
async fn end<R: Runtime>(open: Open<R>) {
    let Open { server, house, .. } = open;
    server.close();
    goes_on_with(format!("the end of {}, {server:?}", house.name));
    let leaked = || house.leaked.load(Ordering::SeqCst);
    if !open.is_disturbed {
        // Its handlers end by themselves, but for connections that they have leaked.
        let is_here = |record: &Record| Arc::ptr_eq(&record.house, &house);
        let is_over = || {
            server.connections() <= leaked()
                && !record::running().iter().any(|record| is_here(record))
        };
        while !is_over() {
            R::sleep(Duration::from_millis(2)).await;
        }
        // Before anything else might cut them.
        record::check_ends(is_here);
    }
    let limit = if open.is_disturbed || leaked() > 0 {
        Duration::from_millis(50)
    } else {
        AMPLE
    };
    house.will_close();
    let shutdown = server.shutdown(limit).await;
    let most = if open.is_disturbed {
        usize::MAX
    } else {
        leaked()
    };
    assert!(shutdown.aborted <= most, "{shutdown:?} of {}", house.name);
    comes_down::<R>("connections", 0, || server.connections()).await;
    server.wait_closed().await;
    let panicked = server.statistics().panicked as usize;
    assert_eq!(
        panicked,
        house.panics.load(Ordering::SeqCst),
        "{}",
        house.name
    );
    if let (At::Unix(path), true) = (open.at, !open.place.is_of_pairs) {
        std::fs::remove_file(path).unwrap();
    }
}
