//! Systems without `fork`: no process is a worker.

use std::marker::PhantomData;

/// Takes what comes before an answer. Nobody makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a>(PhantomData<&'a ()>);

impl Parts<'_> {
    /// # Errors
    /// Always.
    pub(crate) fn sender(self) -> Result<PartSender, String> {
        Err("this system cannot fork processes".to_owned())
    }
}

/// Sends one part.
pub(crate) type PartSender = Box<dyn FnMut(&[u8]) + Send>;

/// Runs one request.
pub(crate) type Runner<'a> = &'a dyn Fn(&[u8], Parts<'_>) -> Result<Vec<u8>, String>;

/// There is nobody to serve.
pub(crate) fn serve(_: Runner<'_>) -> ! {
    std::process::exit(2)
}
