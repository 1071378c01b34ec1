//! Which segments there are: beginning one, and putting a base into the place of those before its cut. In both, the manifest is
//! replaced when what it names is on disk, and what it does not name any more goes after that.

use super::{Begin, Rewrite, Segment, Writer, error_text};
use crate::logging::warning;
use crate::persistence::manifest::{Listed, Manifest, Place};
use crate::persistence::shelf::Stored;
use crate::persistence::times::{self, Times};
use koltso_proto::id::Offset;
use std::io;
use std::sync::atomic::Ordering;
use tokio_uring::fs::File;

impl Writer {
    /// Begins a segment: what is written from now on goes there.
    pub(super) async fn begin(&mut self, begin: Begin) -> io::Result<()> {
        self.home.make_folder().await?;
        let mut known = self.manifest()?;
        if begin.continues {
            // A file that is not the last one must be whole.
            self.sync().await?;
        } else {
            self.lost = false;
        }
        let Begin { rewrite, lineage, from, of, after, db, continues } = begin;
        // What continues something that counts for nothing yet does not count either.
        let is_listed = continues && self.segment.as_ref().is_none_or(|segment| segment.is_listed);
        if continues && !is_listed {
            known.segments.extend(self.rewrite.iter().flat_map(|rewrite| rewrite.segments.clone()));
        }
        let mut head = bytes::BytesMut::new();
        crate::effects::put_select(&mut head, db);
        let place = Place { from, of, after, head: head.len() as u64 };
        let listed = known.next_segment(&self.home.stem, place);
        let path = self.home.path(&listed.name);
        times::forget(&self.home, &listed.name);
        self.times = Times::default();
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let file = File::from_std(file);
        let (result, _) = file.write_all_at(head.to_vec(), 0).await;
        result?;
        file.sync_all().await?;
        let is_empty = |last: &mut Listed| last.place.is_some_and(|place| place.head == self.home.len_of(&last.name));
        let emptied = if continues { known.segments.pop_if(is_empty) } else { None };
        known.segments.push(listed.clone());
        if is_listed {
            self.home.put_manifest(&known).await?;
            self.manifest = Some(known);
        }
        if let Err(error) = self.home.sync().await {
            if continues {
                // Nobody knows which manifest is in force after a crash: only with what is in both can either be right.
                self.lose(error_text(&error));
            }
            return Err(error);
        }
        if let Some(number) = rewrite {
            self.rewrite = Some(Rewrite { number, segments: Vec::new() });
        }
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.segments.retain(|segment| emptied.as_ref().is_none_or(|emptied| segment.name != emptied.name));
            rewrite.segments.push(listed.clone());
        }
        let stored = Stored { name: listed.name.clone(), from, head: place.head, end: from };
        match &self.segment {
            Some(_) if continues => self.shelf.add(stored, emptied.as_ref().map(|emptied| &emptied.name[..])),
            _ => self.shelf.fill(&self.home, lineage, if continues { self.stored_before(stored) } else { vec![stored] }),
        }
        if let Some(emptied) = emptied {
            let _ = std::fs::remove_file(self.home.path(&emptied.name));
        }
        // Of what is before it, the base and older segments are on disk as a whole.
        self.synced = from;
        self.segment = Some(Segment { file, listed, len: place.head, end: from, lineage, is_listed });
        self.measure();
        self.report();
        self.sweep().await;
        Ok(())
    }

    /// The segments that were there when the node started, and the one that continues them.
    fn stored_before(&self, stored: Stored) -> Vec<Stored> {
        let files = self.manifest.iter().flat_map(|manifest| manifest.history.iter().chain(&manifest.segments));
        let before = files.filter(|file| file.name != stored.name);
        // One that is no part of the log ends what can be read.
        let gap = Stored { name: Vec::new(), from: Offset(u64::MAX), head: 0, end: Offset(u64::MAX) };
        let before = before.map(|file| Stored::of(file, self.home.len_of(&file.name)).unwrap_or_else(|| gap.clone()));
        let mut all: Vec<Stored> = before.collect();
        all.push(stored);
        all
    }

    /// Puts a base into the place of everything before its cut.
    pub(super) async fn install(&mut self, number: Option<u64>, base: &std::path::Path) -> io::Result<()> {
        let before = self.manifest()?;
        self.sync().await?;
        let is_meant = match number {
            Some(number) => self.rewrite.as_ref().is_some_and(|rewrite| rewrite.number == number),
            None => self.segment.is_none(),
        };
        if !is_meant {
            return Err(io::Error::other("it was begun anew meanwhile"));
        }
        let mut manifest = Manifest { base: Some(before.next_base(&self.home.stem)), ..Manifest::default() };
        if let Some(rewrite) = &self.rewrite {
            manifest.segments.clone_from(&rewrite.segments);
        }
        let files = before.history.iter().chain(&before.segments);
        manifest.history = files.filter(|file| !manifest.names(&file.name) && self.shelf.keeps(&file.name)).cloned().collect();
        // Nobody begins to read now what is about to go.
        self.take_off(before.files().chain(&before.history), &manifest);
        if let Some(base_file) = &manifest.base {
            std::fs::rename(base, self.home.path(&base_file.name))?;
        }
        self.home.sync().await?;
        self.home.put_manifest(&manifest).await?;
        self.manifest = Some(manifest.clone());
        self.rewrite = None;
        if let Some(segment) = &mut self.segment {
            segment.is_listed = true;
        }
        // Not before the new manifest is there to stay.
        self.home.sync().await?;
        self.remove(before.files().chain(&before.history));
        self.measure();
        let aof = &self.surroundings.shared.aof;
        aof.base_len.store(aof.current_len.load(Ordering::Relaxed), Ordering::Relaxed);
        self.recover();
        self.report();
        Ok(())
    }

    /// Takes the files that a manifest does not name off the shelf: they are gone for whoever reads the log from them.
    fn take_off<'a>(&self, files: impl Iterator<Item = &'a Listed>, manifest: &Manifest) {
        let old: Vec<&[u8]> = files.map(|file| &file.name[..]).filter(|name| !manifest.names(name)).collect();
        self.shelf.take_off(|name| old.contains(&name));
    }

    /// Removes the files that the manifest does not name any more.
    fn remove<'a>(&self, files: impl Iterator<Item = &'a Listed>) {
        let Some(manifest) = &self.manifest else { return };
        for file in files.filter(|file| !manifest.names(&file.name)) {
            let _ = std::fs::remove_file(self.home.path(&file.name));
        }
    }

    /// Removes what loading does not need, and nobody reads the log from.
    pub(super) async fn sweep(&mut self) {
        let Some(before) = self.manifest.clone() else { return };
        let mut manifest = before.clone();
        manifest.history.retain(|file| self.shelf.keeps(&file.name));
        if manifest.history.len() == before.history.len() {
            return;
        }
        self.take_off(before.history.iter(), &manifest);
        let outcome = match self.home.put_manifest(&manifest).await {
            Ok(()) => self.home.sync().await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            // They go all the same: of these, the manifest may name what is not there, and the disk may be full of them.
            warning(&format!("The manifest of the append only file still names old segments: {error}"));
        }
        self.manifest = Some(manifest);
        self.remove(before.history.iter());
    }

    /// What the manifest on disk says.
    fn manifest(&mut self) -> io::Result<Manifest> {
        if let Some(manifest) = &self.manifest {
            return Ok(manifest.clone());
        }
        let manifest = self.home.read_manifest().map_err(io::Error::other)?.unwrap_or_default();
        self.manifest = Some(manifest.clone());
        Ok(manifest)
    }

    /// Counts the bytes on disk.
    fn measure(&mut self) {
        let current = self.segment.as_ref().map(|segment| segment.listed.name.clone());
        let others = self.manifest.iter().flat_map(Manifest::files).filter(|file| Some(&file.name) != current.as_ref());
        self.settled_len = others.map(|file| self.home.len_of(&file.name)).sum();
        let len = self.settled_len + self.segment.as_ref().map_or(0, |segment| segment.len);
        self.surroundings.shared.aof.current_len.store(len, Ordering::Relaxed);
    }
}
