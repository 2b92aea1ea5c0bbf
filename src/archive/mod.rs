//! The archive directory.
