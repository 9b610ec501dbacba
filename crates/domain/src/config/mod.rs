//! Configuration: raw text to a compiled lake.
