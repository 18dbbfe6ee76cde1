//! What the process that judged a run says to the shell. This is the only
//! place where these numbers are written.
//!
//! | Code | Meaning |
//! |---|---|
//! | 0 | pass: every rule was judged and held |
//! | 1 | fail: at least one rule was broken |
//! | 2 | bad usage or unreadable input; nothing was judged |
//! | 3 | inconclusive: nothing was broken, but too little was measured to pass |

/// Every rule was judged and held.
pub const PASS: i32 = 0;
/// At least one rule was broken.
pub const FAIL: i32 = 1;
/// Bad usage or unreadable input; nothing was judged.
pub const USAGE: i32 = 2;
/// Nothing was broken, but too little was measured to pass.
pub const INCONCLUSIVE: i32 = 3;
