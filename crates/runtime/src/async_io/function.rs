//! The user's asynchronous function: what is asked for each record.
//!
//! At the heart of [`AsyncWaitOperator`](super::AsyncWaitOperator); runs on the I/O
//! runtime's threads, never on a worker's.

use millstream_core::{Data, Error, Result};
use std::future::Future;

/// Asks an outside system about one record; the answer is zero or more records.
///
/// A closure `Fn(T) -> Future<Output = Result<R>>` is one, where `R` is an `Option`, a
/// `Vec` or anything else that iterates over the results. Implement the trait to say
/// what a timeout means:
///
/// ```
/// use millstream_core::Result;
/// use millstream_runtime::async_io::AsyncFunction;
///
/// struct Lookup;
/// impl AsyncFunction<u32, String> for Lookup {
///     async fn invoke(&self, id: u32) -> Result<Vec<String>> {
///         Ok(vec![format!("user-{id}")])
///     }
///     fn timeout(&self, id: &u32) -> Result<Vec<String>> {
///         Ok(vec![format!("unknown user {id}")])
///     }
/// }
/// ```
pub trait AsyncFunction<T: Data, U: Data>: Send + Sync + 'static {
    /// Starts the request and waits for its answer. Called once per attempt.
    ///
    /// # Errors
    /// Retried when the strategy says so; ends the job otherwise.
    fn invoke(&self, input: T) -> impl Future<Output = Result<Vec<U>>> + Send;

    /// No answer came in time, all retries included: gives results in its place.
    ///
    /// # Errors
    /// Ends the job; this is what happens unless the function says otherwise.
    fn timeout(&self, _input: &T) -> Result<Vec<U>> {
        Err(Error::user("no answer came before the timeout").advice(
            "raise the timeout, lower the capacity so that the outside system keeps up, or \
             implement AsyncFunction::timeout to give a result in its place",
        ))
    }
}

impl<T, U, R, F, A> AsyncFunction<T, U> for F
where
    T: Data,
    U: Data,
    R: IntoIterator<Item = U>,
    F: Fn(T) -> A + Send + Sync + 'static,
    A: Future<Output = Result<R>> + Send,
{
    fn invoke(&self, input: T) -> impl Future<Output = Result<Vec<U>>> + Send {
        let answer = self(input);
        async move { answer.await.map(|results| results.into_iter().collect()) }
    }
}
