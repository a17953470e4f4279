//! The runtime seam: how tasks of ours and of openraft are spawned, how blocking work runs, where openraft's random
//! numbers come from. Production is plain tokio; a simulated machine installs one hook on its thread.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use openraft_rt::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::{TokioInstant, TokioMpsc, TokioMutex, TokioOneshot, TokioRuntime, TokioWatch};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// What a simulated machine puts in the place of tokio's thread pool and the OS' random source.
pub trait Hook {
    /// Wraps a task before it is spawned, so that it can be stopped, paused and counted with its simulated process.
    fn scope(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;

    /// A seed for openraft's random numbers.
    fn seed(&self) -> u64;
}

thread_local! {
    static HOOK: RefCell<Option<Rc<dyn Hook>>> = const { RefCell::new(None) };
}

/// Installs the hook on this thread (or takes it away); everything that runs on it afterwards is simulated.
pub fn install(hook: Option<Rc<dyn Hook>>) {
    HOOK.with(|slot| *slot.borrow_mut() = hook);
}

fn hook() -> Option<Rc<dyn Hook>> {
    HOOK.with(|slot| slot.borrow().clone())
}

/// Spawns a task of this process. Every task of ours starts here, so that a simulation sees it.
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let Some(hook) = hook() else {
        return tokio::spawn(future);
    };
    // The scope works on futures without an output; the result comes back through a channel.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let scoped = hook.scope(Box::pin(async move {
        // Nobody may be waiting for the result.
        drop(sender.send(future.await));
    }));
    tokio::spawn(async move {
        scoped.await;
        match receiver.await {
            Ok(output) => output,
            // The simulated process was ended: whoever awaits this handle belonged to it.
            Err(_) => std::future::pending().await,
        }
    })
}

/// Runs work that blocks (file access) off the reactor. In a simulation it runs inline, at once.
pub async fn run_blocking<T, F>(work: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if hook().is_some() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(output) => output,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Cancelled: the runtime is shutting down, and so is whoever awaits this.
            Err(_) => std::future::pending().await,
        },
    }
}

/// openraft's runtime: tokio, spawning through [`spawn`].
#[derive(Debug)]
pub struct CellRuntime;

impl AsyncRuntime for CellRuntime {
    type JoinError = tokio::task::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = tokio::task::JoinHandle<T>;
    type Sleep = tokio::time::Sleep;
    type Instant = TokioInstant;
    type TimeoutError = tokio::time::error::Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = tokio::time::Timeout<T>;
    type ThreadLocalRng = SmallRng;
    type Mpsc = TokioMpsc;
    type Watch = TokioWatch;
    type Oneshot = TokioOneshot;
    type Mutex<T: OptionalSend + 'static> = TokioMutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        error.is_panic()
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        match hook() {
            Some(hook) => SmallRng::seed_from_u64(hook.seed()),
            #[expect(
                clippy::disallowed_methods,
                reason = "production's source of election time-outs; a simulation's is the hook"
            )]
            None => SmallRng::from_rng(&mut rand::rng()),
        }
    }

    fn new(threads: usize) -> Self {
        // Only openraft's own test suites build a runtime through this trait.
        assert!(threads > 0, "a runtime needs a thread");
        Self
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without I/O needs nothing that can be missing")
            .block_on(future)
    }

    fn spawn_blocking<F, T>(work: F) -> impl Future<Output = Result<T, std::io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let running: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(run_blocking(work));
        async move { Ok(running.await) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Counting(Rc<Cell<u32>>);

    impl Hook for Counting {
        fn scope(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
            self.0.set(self.0.get() + 1);
            task
        }

        fn seed(&self) -> u64 {
            7
        }
    }

    #[tokio::test]
    async fn with_a_hook_tasks_are_scoped_and_blocking_work_runs_inline() {
        let spawned = Rc::new(Cell::new(0));
        install(Some(Rc::new(Counting(spawned.clone()))));
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
        assert_eq!(spawned.get(), 1);
        let here = std::thread::current().id();
        assert_eq!(run_blocking(move || std::thread::current().id()).await, here);
        install(None);
        assert_ne!(run_blocking(move || std::thread::current().id()).await, here);
    }
}
