//! One file per verb: load, decide, commit, render.
