//! The schedule of looks.
