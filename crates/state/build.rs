//! Rebuilds the crate when a migration is added: the list is embedded in it.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
