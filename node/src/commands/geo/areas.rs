//! Which cells a search has to look into: the one of the centre and those around it, each large enough that they cover the shape.

use super::cell::{Cell, STEPS_MAX};
use super::shape::Shape;

/// Half of the length of the equator on the map, in metres.
const MAP_MAX: f64 = 20_037_726.37;

/// The cells, in the order in which Redis looks into them: it decides about the order of unsorted results.
pub(super) fn cells(shape: &Shape) -> Vec<Cell> {
    let bounds = shape.bounds();
    let mut steps = steps_for(shape.reach(), shape.centre.latitude);
    let mut own = Cell::of(shape.centre, steps);
    let next = |own: Cell, east: i64, north: i64| own.neighbour(east, north).borders();
    let too_near = next(own, 0, 1).north < bounds.north
        || next(own, 0, -1).south > bounds.south
        || next(own, 1, 0).east < bounds.east
        || next(own, -1, 0).west > bounds.west;
    if too_near && steps > 1 {
        steps -= 1;
        own = Cell::of(shape.centre, steps);
    }
    let borders = own.borders();
    // Cells on a side to which the shape does not reach are left out; of very large ones, all are needed.
    let reaches = |east: i64, north: i64| {
        steps < 2
            || !(north < 0 && borders.south < bounds.south
                || north > 0 && borders.north > bounds.north
                || east < 0 && borders.west < bounds.west
                || east > 0 && borders.east > bounds.east)
    };
    let mut cells = vec![own];
    for (east, north) in [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
        let cell = own.neighbour(east, north);
        // Around the earth, neighbours on both sides can be the same.
        let repeats = cells.len() > 1 && cells.last() == Some(&cell);
        if reaches(east, north) && !repeats {
            cells.push(cell);
        }
    }
    cells
}

/// How often to halve so that nine cells cover this reach, in metres.
fn steps_for(reach: f64, latitude: f64) -> u32 {
    if reach == 0.0 {
        return STEPS_MAX;
    }
    let (mut reach, mut steps) = (reach, 1i32);
    while reach < MAP_MAX {
        reach *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Cells are narrow near the poles.
    steps -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    steps.clamp(1, STEPS_MAX as i32) as u32
}
