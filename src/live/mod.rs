//! The live tree.
