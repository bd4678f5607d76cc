//! The same tests on every runtime.

/// Runs a test on tokio, with two workers.
pub fn run_tokio(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// Makes a test on each runtime of functions that are generic over it.
#[macro_export]
macro_rules! on_each_runtime {
    ($tests:ident, $runtime:ty, $run:expr, [$($test:ident)*]) => {
        mod $tests {
            $(
                #[test]
                fn $test() {
                    $run(super::$test::<$runtime>());
                }
            )*
        }
    };
    ([$($test:ident)*]) => {
        $crate::on_each_runtime!(
            on_tokio, plimsoll_io::tokio::Tokio, $crate::runtimes::run_tokio, [$($test)*]
        );
        $crate::on_each_runtime!(
            on_smol, plimsoll_io::smol::Smol, ::smol::block_on, [$($test)*]
        );
        $crate::on_each_runtime!(
            on_async_std, plimsoll_io::async_std::AsyncStd, ::async_std::task::block_on, [$($test)*]
        );
        $crate::on_each_runtime!(
            on_threads, plimsoll_io::blocking::Blocking, plimsoll_io::blocking::block_on, [$($test)*]
        );
    };
}
