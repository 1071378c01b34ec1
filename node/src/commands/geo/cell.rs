//! Positions as numbers: the earth is halved again and again, in turns by longitude and latitude, and each halving gives a bit.

/// Halvings of each coordinate in a score.
pub(super) const STEPS_MAX: u32 = 26;
const LONGITUDE_MAX: f64 = 180.0;
/// The square map ends here.
const LATITUDE_MAX: f64 = 85.05112878;
/// Metres.
const EARTH_RADIUS: f64 = 6_372_797.560856;

/// A position, in degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Point {
    pub(super) fn is_on_earth(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The distance to another, in metres along the surface.
    pub(super) fn distance(self, other: Point) -> f64 {
        let v = ((other.longitude.to_rad() - self.longitude.to_rad()) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance(other);
        }
        let (own, others) = (self.latitude.to_rad(), other.latitude.to_rad());
        let u = ((others - own) / 2.0).sin();
        let a = u * u + own.cos() * others.cos() * v * v;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }

    /// The distance along a meridian, in metres.
    pub(super) fn latitude_distance(self, other: Point) -> f64 {
        EARTH_RADIUS * (other.latitude.to_rad() - self.latitude.to_rad()).abs()
    }
}

/// The angle of an arc on the surface, in radians.
pub(super) fn radians_of(metres: f64) -> f64 {
    metres / EARTH_RADIUS
}

/// Radians in degrees.
pub(super) fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Conversion of degrees; the operations in the order that gives the bits Redis gets.
pub(super) trait Degrees {
    fn to_rad(self) -> f64;
}

impl Degrees for f64 {
    fn to_rad(self) -> f64 {
        self * RADIANS_PER_DEGREE
    }
}

/// A part of the earth: as many halvings of each coordinate as `steps` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) bits: u64,
    pub(super) steps: u32,
}

/// The borders of a cell, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Borders {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;
const LONGITUDE_BITS: u64 = !LATITUDE_BITS;

impl Cell {
    /// The cell that a point is in.
    pub(super) fn of(point: Point, steps: u32) -> Self {
        Self::within(point, steps, LATITUDE_MAX)
    }

    /// The same on a map that ends at another latitude.
    fn within(point: Point, steps: u32, latitude_max: f64) -> Self {
        let part = |degrees: f64, max: f64| {
            let part = (degrees + max) / (2.0 * max);
            (part * (1u64 << steps) as f64) as u32
        };
        let bits = spread(part(point.latitude, latitude_max)) | spread(part(point.longitude, LONGITUDE_MAX)) << 1;
        Cell { bits, steps }
    }

    pub(super) fn borders(self) -> Borders {
        let border = |at: u64, max: f64| -max + (at as f64 / (1u64 << self.steps) as f64) * (max - -max);
        let (y, x) = (u64::from(gather(self.bits)), u64::from(gather(self.bits >> 1)));
        Borders {
            west: border(x, LONGITUDE_MAX),
            east: border(x + 1, LONGITUDE_MAX),
            south: border(y, LATITUDE_MAX),
            north: border(y + 1, LATITUDE_MAX),
        }
    }

    /// The cell so many cells to the east and to the north, around the earth.
    pub(super) fn neighbour(self, east: i64, north: i64) -> Self {
        let all = u64::MAX >> (64 - 2 * self.steps);
        let moved = |axis: u64, by: i64| {
            let (own, others) = (self.bits & axis, !axis);
            let sum = match by {
                0 => own,
                // A carry passes over the other axis' bits where they are set, and is not stopped where they are clear.
                1.. => own.wrapping_add((others & all) + 1),
                _ => (own | others & all).wrapping_sub((others & all) + 1),
            };
            if by == 0 { own } else { sum & axis & all }
        };
        Cell { bits: moved(LONGITUDE_BITS, east) | moved(LATITUDE_BITS, north), ..self }
    }

    /// The scores of the points in the cell: from the first to before the second.
    pub(super) fn scores(self) -> (f64, f64) {
        let align = |bits: u64| (bits << (2 * (STEPS_MAX - self.steps))) as f64;
        (align(self.bits), align(self.bits + 1))
    }
}

/// The score of a point.
pub(super) fn score_of(point: Point) -> u64 {
    Cell::of(point, STEPS_MAX).bits
}

/// The middle of the cell that a score names.
pub(super) fn point_of_score(score: f64) -> Point {
    // Scores of other sorted sets may be anything; negative ones wrap.
    let bits = if score < 0.0 { score as i64 as u64 } else { score as u64 };
    let borders = Cell { bits, steps: STEPS_MAX }.borders();
    let middle = |a: f64, b: f64, max: f64| ((a + b) / 2.0).clamp(-max, max);
    Point {
        longitude: middle(borders.west, borders.east, LONGITUDE_MAX),
        latitude: middle(borders.south, borders.north, LATITUDE_MAX),
    }
}

/// The standard geohash of a point, eleven characters; the last is always a zero.
pub(super) fn geohash_text(point: Point) -> [u8; 11] {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = Cell::within(point, STEPS_MAX, 90.0).bits;
    std::array::from_fn(|at| match 52u32.checked_sub(5 * (at as u32 + 1)) {
        Some(shift) => ALPHABET[(bits >> shift & 31) as usize],
        None => ALPHABET[0],
    })
}

/// Puts a zero in front of each bit.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDE_BITS),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every other bit, from the lowest on.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}
