//! Measurements of Koltso. The criterion benches are in `benches/`, the comparison with other servers is the binary
//! `compare`; this library holds nothing but the address of both.
