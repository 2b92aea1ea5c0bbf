//! A point at which the world may have changed under a reader; tests change it there.

#[cfg(not(test))]
pub(super) fn step() {}

#[cfg(test)]
pub(super) use super::tests::world::step;
