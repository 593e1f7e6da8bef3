"""From what is asked to what is found: queries, snapshots, matches."""
