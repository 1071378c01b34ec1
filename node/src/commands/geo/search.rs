//! Members inside a shape: `GEOSEARCH`, and `GEORADIUS` with its relatives, which say the same in another way.

use super::areas;
use super::cell::{self, Point};
use super::shape::{Extent, Shape};
use super::{place_of, point, put_distance, put_point, unit};
use crate::commands::collections::{limits, read, store};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{Bound, Zset};
use koltso_proto::resp::Args;

const NO_MEMBER: Error = Error::fixed("ERR could not decode requested zset member");
const BAD_RADIUS: Error = Error::fixed("ERR need numeric radius");
const BAD_WIDTH: Error = Error::fixed("ERR need numeric width");
const BAD_HEIGHT: Error = Error::fixed("ERR need numeric height");
const NEGATIVE_RADIUS: Error = Error::fixed("ERR radius cannot be negative");
const NEGATIVE_BOX: Error = Error::fixed("ERR height or width cannot be negative");
const BAD_COUNT: Error = Error::fixed("ERR COUNT must be > 0");
const ANY_ALONE: Error = Error::fixed("ERR the ANY argument requires COUNT argument");

/// Which of the commands it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Radius,
    RadiusByMember,
    Search,
    SearchStore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    AsFound,
    Ascending,
    Descending,
}

/// A search as it was asked for.
struct Query<'a> {
    source: &'a [u8],
    /// Whether there is anything to be searched.
    exists: bool,
    centre: Option<Point>,
    /// With metres in its unit.
    extent: Option<(Extent, f64)>,
    destination: Option<&'a [u8]>,
    store_distance: bool,
    with_distance: bool,
    with_score: bool,
    with_point: bool,
    order: Order,
    any: bool,
    /// 0 for all.
    count: usize,
}

/// A member that was found.
struct Found {
    member: Vec<u8>,
    point: Point,
    score: f64,
    /// From the centre, in metres.
    distance: f64,
}

fn radius(text: &[u8], unit_text: &[u8]) -> Outcome<(Extent, f64)> {
    let radius = parse::float(text).map_err(|_| BAD_RADIUS)?;
    if radius < 0.0 {
        return Err(NEGATIVE_RADIUS);
    }
    Ok((Extent::Radius(radius), unit(unit_text)?))
}

fn rectangle(width: &[u8], height: &[u8], unit_text: &[u8]) -> Outcome<(Extent, f64)> {
    let width = parse::float(width).map_err(|_| BAD_WIDTH)?;
    let height = parse::float(height).map_err(|_| BAD_HEIGHT)?;
    if width < 0.0 || height < 0.0 {
        return Err(NEGATIVE_BOX);
    }
    Ok((Extent::Box { width, height }, unit(unit_text)?))
}

impl<'a> Query<'a> {
    fn parse(cx: &mut Ctx<'_>, args: Args<'a>, form: Form, may_store: bool) -> Outcome<Self> {
        let source = args.get(if form == Form::SearchStore { 2 } else { 1 });
        let exists = read::<Zset>(cx, source)?.is_some();
        let mut query = Query {
            source,
            exists,
            centre: None,
            extent: None,
            destination: (form == Form::SearchStore).then(|| args.get(1)),
            store_distance: false,
            with_distance: false,
            with_score: false,
            with_point: false,
            order: Order::AsFound,
            any: false,
            count: 0,
        };
        let first = match form {
            Form::Radius => {
                query.centre = Some(point(args.get(2), args.get(3))?);
                query.extent = Some(radius(args.get(4), args.get(5))?);
                6
            }
            Form::RadiusByMember => {
                // Of a set that is not there, the rest is not looked at.
                if exists {
                    query.centre = Some(place_of(cx, source, args.get(2))?.ok_or(NO_MEMBER)?);
                    query.extent = Some(radius(args.get(3), args.get(4))?);
                }
                5
            }
            Form::Search => 2,
            Form::SearchStore => 3,
        };
        query.parse_options(cx, parse::Options::new(args, first), form, may_store)?;
        query.check(args.get(0), form)?;
        Ok(query)
    }

    fn parse_options(&mut self, cx: &mut Ctx<'_>, mut words: parse::Options<'a>, form: Form, may_store: bool) -> Outcome {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let (mut by_member, mut by_point) = (false, false);
        while let Some(word) = words.next() {
            let left = words.left();
            match &*parse::upper(word) {
                b"WITHDIST" => self.with_distance = true,
                b"WITHHASH" => self.with_score = true,
                b"WITHCOORD" => self.with_point = true,
                b"ANY" => self.any = true,
                b"ASC" => self.order = Order::Ascending,
                b"DESC" => self.order = Order::Descending,
                b"COUNT" if left >= 1 => {
                    let count = parse::int(words.value()?)?;
                    self.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(BAD_COUNT)?;
                }
                name @ (b"STORE" | b"STOREDIST") if left >= 1 && may_store && !searches => {
                    self.store_distance = name == b"STOREDIST";
                    self.destination = Some(words.value()?);
                }
                b"STOREDIST" if form == Form::SearchStore => self.store_distance = true,
                b"FROMMEMBER" if left >= 1 && searches && !by_point => {
                    let member = words.value()?;
                    by_member = true;
                    self.centre = match self.exists {
                        true => Some(place_of(cx, self.source, member)?.ok_or(NO_MEMBER)?),
                        false => Some(Point::default()),
                    };
                }
                b"FROMLONLAT" if left >= 2 && searches && !by_member => {
                    by_point = true;
                    self.centre = Some(point(words.value()?, words.value()?)?);
                }
                b"BYRADIUS" if left >= 2 && searches && !self.is_box() => {
                    self.extent = Some(radius(words.value()?, words.value()?)?);
                }
                b"BYBOX" if left >= 3 && searches && (self.extent.is_none() || self.is_box()) => {
                    self.extent = Some(rectangle(words.value()?, words.value()?, words.value()?)?);
                }
                _ => return Err(errors::SYNTAX),
            }
        }
        Ok(())
    }

    fn is_box(&self) -> bool {
        matches!(self.extent, Some((Extent::Box { .. }, _)))
    }

    /// Whether the options fit each other.
    fn check(&mut self, name: &[u8], form: Form) -> Outcome {
        if self.destination.is_some() && (self.with_distance || self.with_score || self.with_point) {
            let what: &[u8] = if form == Form::SearchStore { b"GEOSEARCHSTORE" } else { b"STORE option in GEORADIUS" };
            return Err(Error::with(&[b"ERR ", what, b" is not compatible with WITHDIST, WITHHASH and WITHCOORD options"]));
        }
        if matches!(form, Form::Search | Form::SearchStore) {
            if self.centre.is_none() {
                let text = b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
                return Err(Error::with(&[text, name]));
            }
            if self.extent.is_none() {
                return Err(Error::with(&[b"ERR exactly one of BYRADIUS and BYBOX can be specified for ", name]));
            }
        }
        if self.any && self.count == 0 {
            return Err(ANY_ALONE);
        }
        // The nearest are meant, unless any will do.
        if self.count > 0 && self.order == Order::AsFound && !self.any {
            self.order = Order::Ascending;
        }
        Ok(())
    }

    fn shape(&self) -> Option<Shape> {
        let (centre, (extent, unit)) = self.centre.zip(self.extent)?;
        Some(Shape { centre, extent, unit })
    }

    /// The members in the shape, in the order and number that were asked for.
    fn find(&self, zset: &Zset, shape: &Shape) -> Vec<Found> {
        let mut all = Vec::new();
        let enough = if self.any { self.count } else { usize::MAX };
        'cells: for cell in areas::cells(shape) {
            if all.len() >= enough {
                break;
            }
            let (min, max) = cell.scores();
            let rank = zset.rank_of(Bound::BeforeScore(min));
            for (member, score) in zset.range(rank, usize::MAX).take_while(|(_, score)| *score < max) {
                let point = cell::point_of_score(score);
                if let Some(distance) = shape.distance(point) {
                    all.push(Found { member: member.to_vec(), point, score, distance });
                    if all.len() >= enough {
                        continue 'cells;
                    }
                }
            }
        }
        match self.order {
            Order::AsFound => {}
            Order::Ascending => all.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Order::Descending => all.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        if self.count > 0 {
            all.truncate(self.count);
        }
        all
    }

    fn put(&self, cx: &mut Ctx<'_>, found: &[Found], unit: f64) {
        let extras = [self.with_distance, self.with_score, self.with_point].into_iter().filter(|with| *with).count();
        cx.reply.array(found.len());
        for one in found {
            if extras > 0 {
                cx.reply.array(extras + 1);
            }
            cx.reply.bulk(&one.member);
            if self.with_distance {
                put_distance(cx.reply, one.distance / unit);
            }
            if self.with_score {
                cx.reply.int(one.score as i64);
            }
            if self.with_point {
                put_point(cx.reply, one.point);
            }
        }
    }

    fn store(&self, cx: &mut Ctx<'_>, destination: &[u8], found: &[Found], unit: f64) {
        let limits = limits(cx);
        let longest = found.iter().map(|one| one.member.len()).max().unwrap_or_default();
        let mut result = Zset::for_members(found.len(), longest, &limits);
        for one in found {
            let score = if self.store_distance { one.distance / unit } else { one.score };
            result.set(&one.member, score, &limits);
        }
        store(cx, destination, result);
        cx.reply.len(found.len());
    }
}

fn search(cx: &mut Ctx<'_>, args: Args<'_>, form: Form, may_store: bool) -> Outcome {
    let query = Query::parse(cx, args, form, may_store)?;
    // A clone shares its parts.
    let zset = read::<Zset>(cx, query.source)?.cloned().unwrap_or_default();
    let shape = query.shape().filter(|_| query.exists);
    let found = shape.map(|shape| query.find(&zset, &shape)).unwrap_or_default();
    let unit = shape.map_or(1.0, |shape| shape.unit);
    match query.destination {
        Some(destination) => query.store(cx, destination, &found, unit),
        None => query.put(cx, &found, unit),
    }
    Ok(())
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit [ASC | DESC]
/// [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`.
pub(super) fn geosearch(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    search(cx, args, Form::Search, false)
}

/// `GEOSEARCHSTORE destination source …`, as `GEOSEARCH` goes on, and `[STOREDIST]`.
pub(super) fn geosearchstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    search(cx, args, Form::SearchStore, false)
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]`.
pub(super) fn georadius(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    search(cx, args, Form::Radius, true)
}

/// As `GEORADIUS`, without storing.
pub(super) fn georadius_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    search(cx, args, Form::Radius, false)
}

/// `GEORADIUSBYMEMBER key member radius unit`, as `GEORADIUS` goes on.
pub(super) fn georadiusbymember(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    search(cx, args, Form::RadiusByMember, true)
}

/// As `GEORADIUSBYMEMBER`, without storing.
pub(super) fn georadiusbymember_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    search(cx, args, Form::RadiusByMember, false)
}
