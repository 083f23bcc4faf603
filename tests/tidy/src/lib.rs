//! Architecture and style as tests: what the documents promise about the shape of this repository.
//!
//! Each check is a function from data to complaints, tested twice: on the repository, where it must find nothing,
//! and on a made-up offence, which it must find.

#[cfg(test)]
mod duplicates;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod licences;
#[cfg(test)]
mod manners;
#[cfg(test)]
mod repo;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod threats;
#[cfg(test)]
mod zoo;
