//! The program `lineal`. Everything it does is in the library.

fn main() -> std::process::ExitCode {
    lineal_ledger::cli::main()
}
