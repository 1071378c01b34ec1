//! What is searched: a circle or a box around a point.

use super::cell::{Degrees, Point, degrees, radians_of};

/// The extent of a search, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extent {
    Radius(f64),
    Box { width: f64, height: f64 },
}

/// A shape on the earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) centre: Point,
    pub(super) extent: Extent,
    /// Metres in the unit of the extent.
    pub(super) unit: f64,
}

/// Degrees around a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

impl Shape {
    /// The distance of a point in the shape from its centre, in metres; `None` if it is not in the shape.
    pub(super) fn distance(&self, point: Point) -> Option<f64> {
        match self.extent {
            Extent::Radius(radius) => {
                let distance = self.centre.distance(point);
                (distance <= radius * self.unit).then_some(distance)
            }
            Extent::Box { width, height } => {
                if point.latitude_distance(self.centre) > height * self.unit / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.centre.longitude, latitude: point.latitude };
                let is_in = point.distance(beside) <= width * self.unit / 2.0;
                is_in.then(|| self.centre.distance(point))
            }
        }
    }

    /// The farthest that a point of it can be from the centre, in metres.
    pub(super) fn reach(&self) -> f64 {
        self.unit
            * match self.extent {
                Extent::Radius(radius) => radius,
                Extent::Box { width, height } => ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt(),
            }
    }

    /// A box of degrees around it.
    pub(super) fn bounds(&self) -> Bounds {
        let (width, height) = match self.extent {
            Extent::Radius(radius) => (radius, radius),
            Extent::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Point { longitude, latitude } = self.centre;
        let north = degrees(radians_of(self.unit * height));
        // Meridians are closest on the side of the pole that is nearer.
        let edge = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees_of_parallel(self.unit * width, edge);
        Bounds { west: longitude - east, east: longitude + east, south: latitude - north, north: latitude + north }
    }
}

/// The angle of an arc on a parallel, in degrees.
fn degrees_of_parallel(metres: f64, latitude: f64) -> f64 {
    // Divided before the conversion to degrees, so that the last bits are Redis's.
    degrees(radians_of(metres) / latitude.to_rad().cos())
}
