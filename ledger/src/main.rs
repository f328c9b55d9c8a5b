//! The program `lineal`. Everything it does is in the library.

/// Answers and intake allocate many small things on several threads; a fifth of an answer was the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    lineal_ledger::cli::main()
}
