#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lineal_fuzz::around::pods(bytes);
});
