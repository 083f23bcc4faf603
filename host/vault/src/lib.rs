//! Keeps secrets and signing keys sealed under a key-encryption key.
