//! Lookup join.
