//! Builds the crate again when a migration is added: the compiler by itself sees only changes to those it knows.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=journal-migrations");
    println!("cargo:rerun-if-changed=state-migrations");
}
