//! Named points at which a test may kill the process. Without the cargo feature
//! `fault-points` all of this is an empty function.
//!
//! With it, `MILLSTREAM_FAULT_POINTS` names a folder. A process that comes to a point whose
//! name is a file there takes that file away and aborts: the first that comes, once. So a
//! fault injector outside arms a point by creating a file, and sees when it was reached.

/// Every point, in the order of a checkpoint's life.
pub const POINTS: [&str; 11] = [
    "before-snapshot",
    "after-snapshot",
    "before-upload",
    "after-upload",
    "before-manifest",
    "before-publish",
    "after-publish",
    "before-commit",
    "after-commit",
    "before-recovery",
    "after-recovery",
];

/// The process has come to this point.
#[cfg(feature = "fault-points")]
pub fn reach(point: &'static str) {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    debug_assert!(POINTS.contains(&point));
    let folder =
        FOLDER.get_or_init(|| std::env::var_os("MILLSTREAM_FAULT_POINTS").map(PathBuf::from));
    let Some(folder) = folder else { return };
    let armed = folder.join(point);
    // Of several that come at once, one can take the file.
    if armed.exists() && std::fs::rename(&armed, folder.join(format!("{point}.reached"))).is_ok() {
        std::process::abort();
    }
}

/// The process has come to this point.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn reach(_: &'static str) {}
