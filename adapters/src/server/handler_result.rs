//! How a handler ends.

/// What a handler may return: nothing, or a result, whose errors are counted in
/// [`Statistics::failed`](crate::Statistics::failed), and passed to
/// [`ServerOptions::on_error`](crate::ServerOptions::on_error). (asyncio logs a handler's
/// exception.)
pub trait HandlerResult: Send {
    /// Returns how the handler failed, if it did.
    fn failure(self) -> Option<Box<dyn std::error::Error + Send + Sync>>;
}

impl HandlerResult for () {
    fn failure(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        None
    }
}

/// Of any error that `?` makes a boxed one: typed ones, boxed ones, those of `anyhow`, and text.
impl<E: Into<Box<dyn std::error::Error + Send + Sync>> + Send> HandlerResult for Result<(), E> {
    fn failure(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.err().map(Into::into)
    }
}

/// Any error of a handler.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
