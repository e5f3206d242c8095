//! From an input image to a clean output: findings, plan, edits, live copy, report.
