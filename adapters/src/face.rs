//! asyncio's functions, written once, for the runtimes whose functions are awaited.

/// Defines the functions and the types of asyncio's face for a runtime.
macro_rules! face {
    ($runtime:ident) => {
        /// The half of a TCP connection to read from. (asyncio's `StreamReader`.)
        pub type StreamReader = crate::StreamReader<<$runtime as Runtime>::Tcp>;
        /// The half of a TCP connection to write to. (asyncio's `StreamWriter`.)
        pub type StreamWriter = crate::StreamWriter<<$runtime as Runtime>::Tcp>;
        /// A server on this runtime. (asyncio's `Server`.)
        pub type Server = crate::Server<$runtime>;
        /// The half of a Unix connection to read from. (asyncio's `StreamReader`.)
        #[cfg(unix)]
        pub type UnixReader = crate::StreamReader<<$runtime as Runtime>::Unix>;
        /// The half of a Unix connection to write to. (asyncio's `StreamWriter`.)
        #[cfg(unix)]
        pub type UnixWriter = crate::StreamWriter<<$runtime as Runtime>::Unix>;

        /// Opens a connection to the first address of `host` that accepts one, with the default
        /// [`ConnectOptions`](crate::ConnectOptions). See
        /// [`open_connection`](crate::open_connection), also for panics.
        ///
        /// (As asyncio's, with Happy Eyeballs.)
        ///
        /// # Errors
        ///
        /// [`ConnectError`](crate::ConnectError), which names every address that was tried. No
        /// socket is left.
        ///
        /// # Cancel safety
        ///
        /// Safe: what was opened so far is closed.
        pub async fn open_connection(
            host: &str,
            port: u16,
        ) -> Result<(StreamReader, StreamWriter), crate::ConnectError> {
            open_connection_with(host, port, &crate::ConnectOptions::new()).await
        }

        /// Opens a connection to the first address of `host` that accepts one, as `options` say.
        /// See [`open_connection`](crate::open_connection), also for panics. (asyncio's has them as
        /// arguments.)
        ///
        /// # Errors
        ///
        /// [`ConnectError`](crate::ConnectError), which names every address that was tried. No
        /// socket is left.
        ///
        /// # Cancel safety
        ///
        /// Safe: what was opened so far is closed.
        pub async fn open_connection_with(
            host: &str,
            port: u16,
            options: &crate::ConnectOptions,
        ) -> Result<(StreamReader, StreamWriter), crate::ConnectError> {
            crate::open_connection::<$runtime>(host, port, options).await
        }

        /// Starts a server on every address of `host`, with the default
        /// [`ServerOptions`](crate::ServerOptions). An empty host stands for all interfaces, a
        /// `port` of zero for one that the system chooses. See
        /// [`Server::start`](crate::Server::start), also for panics.
        ///
        /// (As asyncio's, but that the end of a handler closes its connection.)
        ///
        /// # Errors
        ///
        /// Where the host does not resolve, or an address cannot be listened on; the error names
        /// it. Where no task can be started to accept. Nothing is listened on then.
        ///
        /// # Cancel safety
        ///
        /// Safe: no server is left.
        pub async fn start_server<H, F>(
            handler: H,
            host: &str,
            port: u16,
        ) -> std::io::Result<Server>
        where
            H: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
            F: Future<Output: crate::Outcome> + Send + 'static,
        {
            start_server_with(handler, &[host], port, &crate::ServerOptions::new()).await
        }

        /// Starts a server on every address of several hosts, as `options` say. See
        /// [`Server::start`](crate::Server::start), also for panics. (asyncio's has them as
        /// arguments.)
        ///
        /// # Errors
        ///
        /// As for [`start_server`].
        ///
        /// # Cancel safety
        ///
        /// Safe: no server is left.
        pub async fn start_server_with<H, F>(
            handler: H,
            hosts: &[&str],
            port: u16,
            options: &crate::ServerOptions,
        ) -> std::io::Result<Server>
        where
            H: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
            F: Future<Output: crate::Outcome> + Send + 'static,
        {
            Server::start(handler, hosts, port, options).await
        }

        /// Opens a connection to a Unix socket, with the default [`Options`](crate::Options). (As
        /// asyncio's.)
        ///
        /// # Errors
        ///
        /// Those of the system, with the path; the system's own is the source. No socket is left.
        /// Where too many connections wait to be accepted it fails at once: on Linux with the kind
        /// `WouldBlock`, as asyncio's `BlockingIOError`, elsewhere with `ConnectionRefused`.
        ///
        /// # Cancel safety
        ///
        /// Safe: no connection is left.
        #[cfg(unix)]
        pub async fn open_unix_connection(
            path: impl AsRef<std::path::Path>,
        ) -> std::io::Result<(UnixReader, UnixWriter)> {
            open_unix_connection_with(path, &crate::Options::new()).await
        }

        /// Opens a connection to a Unix socket, with the limits in `options`. (asyncio's has
        /// `limit`.)
        ///
        /// # Errors
        ///
        /// As for [`open_unix_connection`].
        ///
        /// # Cancel safety
        ///
        /// Safe: no connection is left.
        #[cfg(unix)]
        pub async fn open_unix_connection_with(
            path: impl AsRef<std::path::Path>,
            options: &crate::Options,
        ) -> std::io::Result<(UnixReader, UnixWriter)> {
            crate::connect::open_unix_connection::<$runtime>(path.as_ref(), options).await
        }

        /// Starts a server on a Unix socket, whose file it makes, and removes when it is closed,
        /// with the default [`ServerOptions`](crate::ServerOptions). See
        /// [`Server::start_unix`](crate::Server::start_unix), also for panics.
        ///
        /// (As asyncio's, but that it removes no socket that is there already.)
        ///
        /// # Errors
        ///
        /// Where the path cannot be listened on; the error names it. No server is left.
        ///
        /// # Cancel safety
        ///
        /// Safe: it does not wait.
        #[cfg(unix)]
        pub async fn start_unix_server<H, F>(
            handler: H,
            path: impl AsRef<std::path::Path>,
        ) -> std::io::Result<Server>
        where
            H: Fn(UnixReader, UnixWriter) -> F + Send + Sync + 'static,
            F: Future<Output: crate::Outcome> + Send + 'static,
        {
            start_unix_server_with(handler, path, &crate::ServerOptions::new()).await
        }

        /// Starts a server on a Unix socket. See [`Server::start_unix`](crate::Server::start_unix).
        ///
        /// # Errors
        ///
        /// As for [`start_unix_server`].
        ///
        /// # Cancel safety
        ///
        /// Safe: it does not wait.
        #[cfg(unix)]
        pub async fn start_unix_server_with<H, F>(
            handler: H,
            path: impl AsRef<std::path::Path>,
            options: &crate::ServerOptions,
        ) -> std::io::Result<Server>
        where
            H: Fn(UnixReader, UnixWriter) -> F + Send + Sync + 'static,
            F: Future<Output: crate::Outcome> + Send + 'static,
        {
            Server::start_unix(handler, path, options).await
        }
    };
}

pub(crate) use face;
