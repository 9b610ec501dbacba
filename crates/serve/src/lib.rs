//! The HTTP API over a lake: reads `lake` and writes no tables.
