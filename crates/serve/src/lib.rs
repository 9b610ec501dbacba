//! The place of the HTTP API over a lake. Nothing is served yet.
