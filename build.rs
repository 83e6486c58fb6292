//! Tells cargo that the migrations are compiled in, so that a new one rebuilds the program.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
