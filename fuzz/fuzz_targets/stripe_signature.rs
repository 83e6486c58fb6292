#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lectern_fuzz::stripe_signature(data));
