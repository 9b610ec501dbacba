//! End-to-end tests: they drive the binary, and read tables through
//! `lakegate sql`, as people do. One test binary, so that there is one link.

mod adding;
mod bad_input;
mod cdf;
mod columns;
mod crash;
mod dedupe;
mod export;
mod feeds;
mod http;
mod instruments;
mod lake;
mod landing;
mod observatory;
mod pages;
mod properties;
mod quality;
mod reading;
mod real_data;
mod reload;
mod repair;
mod review;
mod round_trip;
mod rules;
mod serve;
mod shell;
mod soak;
mod statements;
mod surprises;
mod told;
mod tsdat;
