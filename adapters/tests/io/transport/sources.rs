//! Any reader and any writer of a runtime as a transport.
#![cfg(all(feature = "tokio", feature = "async-std", feature = "smol"))]

use plimsoll_io::blocking::block_on;
use plimsoll_io::{Join, StreamPair};

/// Reads two lines of a slice; writes through a buffer, which only a flush and a close empty.
macro_rules! sources {
    ($runtime:ident, $buffer:ty) => {
        #[test]
        fn $runtime() {
            use plimsoll_io::$runtime::{FromAsyncRead, FromAsyncWrite};

            let transport = Join::new(
                FromAsyncRead(&b"one\ntwo"[..]),
                FromAsyncWrite(<$buffer>::new(Vec::new())),
            );
            let mut stream = StreamPair::new(transport);
            block_on(async {
                assert_eq!(stream.reader.read_line().await.unwrap(), "one\n");
                assert_eq!(stream.reader.read_line().await.unwrap(), "two");
                assert!(stream.reader.read_line().await.unwrap().is_empty());
                let arrived = |stream: &StreamPair<_>| {
                    stream
                        .writer
                        .with_transport(|sink: &FromAsyncWrite<$buffer>| sink.0.get_ref().clone())
                        .unwrap()
                };
                stream.writer.write(b"first").unwrap();
                stream.writer.flush().await.unwrap();
                assert_eq!(arrived(&stream), b"first");
                stream.writer.write(b", last").unwrap();
                stream.writer.close().await.unwrap();
                assert_eq!(arrived(&stream), b"first, last");
            });
        }
    };
}

type TokioBuffer = tokio::io::BufWriter<Vec<u8>>;
type SmolBuffer = smol::io::BufWriter<Vec<u8>>;
type AsyncStdBuffer = async_std::io::BufWriter<Vec<u8>>;

sources!(tokio, TokioBuffer);
sources!(smol, SmolBuffer);
sources!(async_std, AsyncStdBuffer);
