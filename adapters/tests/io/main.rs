//! The tests of connections, pairs and servers, by subject. What needs a process of its own is beside this
//! folder: what counts allocations, descriptors or threads, and the stress test.

mod blocking;
mod connect {
    mod clock;
    mod happy_eyeballs;
    mod race;
}
mod connection {
    mod cancellation;
    mod ends;
    mod faults;
    mod layers;
    mod protocols;
    mod turns;
}
mod conversions;
mod departures;
mod errors;
mod layout;
mod options;
mod pair {
    mod cancellation;
    mod executors;
    mod faults;
    mod halves;
    mod layers;
    mod lost;
    mod methods;
    mod moves;
    mod reads;
    mod regressions;
    mod scenarios;
    mod writes;
}
mod send;
mod server {
    mod closes;
    mod ends;
    mod failures;
    mod handlers;
    mod listening;
    mod parties;
    mod serving;
}
mod simulation;
mod threats;
mod transport {
    mod halves;
    mod joins;
    mod sockets;
    mod sources;
}
