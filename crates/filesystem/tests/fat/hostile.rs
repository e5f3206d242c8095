//! Images that lie: one patched field, the exact error; and thousands of patched bytes without a panic.
