//! The lake over HTTP: published feeds by route and local hour, every table,
//! SQL that reads, figures for machines and pages for people.
//!
//! It reads the lake's tables and its ledger and writes neither; who may add
//! feeds does so through functions that it is given. What comes from
//! a request becomes a value of an expression, never a part of a statement; what
//! goes onto a page is escaped by the one type that writes pages.

mod activity;
mod admin;
mod answer;
mod api;
mod app;
mod document;
mod feed;
mod health;
mod limits;
mod live;
mod metrics;
mod openapi;
mod pages;
mod params;
mod problem;
mod routes;
mod rows;
mod server;
mod sheet;
mod wanted;

pub use admin::{Adder, Admin};
pub use health::{Standing, Stood, Watch};
pub use server::{Served, Server, Settings};
